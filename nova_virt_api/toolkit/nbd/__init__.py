"""Reading what a hypervisor exports by NBD: bytes, and which of them are data, zeros or changed."""

from nova_virt_api.toolkit.nbd.client import ALLOCATION, Export, Stretch
from nova_virt_api.toolkit.nbd.wire import NbdError, NbdSilence

__all__ = ["ALLOCATION", "Export", "NbdError", "NbdSilence", "Stretch"]

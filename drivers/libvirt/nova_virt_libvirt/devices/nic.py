"""Network interfaces."""

import hashlib
from uuid import UUID

from lxml import etree
from lxml.builder import E

from nova_virt_api.model.nic import Nic, NicModel


def nic_element(nic: Nic, network: str, uuid: UUID, index: int) -> etree._Element:
    """An interface on a network of libvirt."""
    return E.interface(
        E.mac(address=nic.mac or stable_mac(uuid, index)),
        E.source(network=network),
        E.model(type=(nic.model or NicModel.VIRTIO).value),
        type="network",
    )


def stable_mac(uuid: UUID, index: int) -> str:
    """The address of a guest's interface, the same each time the guest is made: leases and firewalls go by it.

    ``52:54`` as QEMU's own, then 32 bits of a hash: two among a thousand interfaces are alike once in 8000 networks.
    """
    digest = hashlib.sha256(f"{uuid}/{index}".encode()).digest()
    return ":".join(f"{byte:02x}" for byte in (0x52, 0x54, *digest[:4]))

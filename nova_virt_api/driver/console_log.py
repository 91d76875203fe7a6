"""The role of reading what a guest printed."""

from abc import abstractmethod

from nova_virt_api.capability import Capability
from nova_virt_api.driver.role import Role
from nova_virt_api.model.identity import InstanceRef


class ConsoleLog(Role, capability=Capability.CONSOLE_LOG):
    """Read the guest's serial console output. Experimental."""

    @abstractmethod
    def console_log(self, guest: InstanceRef, max_bytes: int) -> bytes:
        """The end of what the guest wrote to its first serial port, at most ``max_bytes``.

        States: all; a guest that was never started has written nothing. A read: changes nothing, does not wait.

        Raises:
            InstanceNotFound: no such guest at this endpoint.
            NotSupported: the guest, e.g. one of other making, has no console log that can be read.
        """

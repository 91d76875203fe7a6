"""The role of telling what hardware a node has."""

from abc import abstractmethod
from collections.abc import Sequence

from nova_virt_api.capability import Capability
from nova_virt_api.driver.role import Role
from nova_virt_api.model.device import Device


class Devices(Role, capability=Capability.DEVICES):
    """The inventory of a node's devices. Experimental."""

    @abstractmethod
    def devices(self, node: str | None = None) -> Sequence[Device]:
        """The devices of a node, as far as the endpoint has looked; empty when it never did.

        Args:
            node: name or id; may be left out where there is exactly one.

        Raises:
            InvalidSpec: no such node, or several and none was named.
        """

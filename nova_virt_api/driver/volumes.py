"""The role of connecting nodes to volumes that somebody else makes."""

from abc import abstractmethod

from nova_virt_api.capability import Capability
from nova_virt_api.driver.role import Role
from nova_virt_api.model.volume import VolumeConnector


class Volumes(Role, capability=Capability.VOLUMES):
    """Use volumes of a storage service, which outlive the guests that use them. Experimental.

    Guests are spawned with volumes where the endpoint declares ``Feature.SPAWN_VOLUMES``.
    """

    @abstractmethod
    def volume_connector(self, node: str | None = None) -> VolumeConnector:
        """Who a node is to a storage service, which must let it in before a guest can use a volume there.

        Args:
            node: name or id; may be left out where there is exactly one.

        Raises:
            InvalidSpec: no such node, or several and none was named.
        """

"""Telling a storage service who the hosts are."""

from nova_virt_api.capability import Capability
from nova_virt_api.driver.volumes import Volumes
from nova_virt_api.fake.connection import Connection
from nova_virt_api.fake.steps import Step
from nova_virt_api.model.spec import require_one
from nova_virt_api.model.volume import VolumeConnector


class FakeVolumes(Volumes):
    """The role ``Volumes`` of the fake driver: hosts have names as in RFC 7143 and addresses as in RFC 5737."""

    connection: Connection

    def volume_connector(self, node: str | None = None) -> VolumeConnector:
        self.connection.require(Capability.VOLUMES)
        self.connection.switches.reach(Step.READ)
        nodes = self.connection.world.shape.nodes
        name = require_one("node", node, nodes)
        return VolumeConnector(
            node=name,
            iscsi_initiator=f"iqn.2001-04.com.example:{name}",
            wwpns=(f"{0x2100_0000_0000_0000 + nodes.index(name):016x}",),
            wwnns=(f"{0x2000_0000_0000_0000 + nodes.index(name):016x}",),
            addresses=(f"198.51.100.{nodes.index(name) % 254 + 1}",),
        )

"""The role Volumes: who a node is to a storage service (API reference: "Volume"; microversion 1.32)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nova_virt_api.driver.volumes import Volumes
from nova_virt_api.model.volume import VolumeConnector
from nova_virt_ironic.inventory import pick
from nova_virt_ironic.microversions import Call
from nova_virt_ironic.site import OnSite

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


class IronicVolumes(OnSite, Volumes):
    """Reads a node's volume connectors."""

    def volume_connector(self, node: str | None = None) -> VolumeConnector:
        row = pick(self.site.listing.snapshot().rows.values(), node)
        found = self.site.connection.read(
            f"list the volume connectors of node {row.label}",
            lambda client: client.volume_connector.list(node=row.uuid, fields=["type", "connector_id"], limit=0),
            at=Call.VOLUMES,
        )
        return connector(row.label, [vars(one) for one in found])


def connector(node: str, found: Iterable[Mapping[str, str]]) -> VolumeConnector:
    """A node's connectors as one; of several iSCSI names the first counts, as a node has one initiator."""
    by_type: dict[str, list[str]] = {}
    for one in found:
        by_type.setdefault(one["type"], []).append(one["connector_id"])
    return VolumeConnector(
        node=node,
        iscsi_initiator=next(iter(by_type.get("iqn", ())), None),
        wwpns=tuple(by_type.get("wwpn", ())),
        wwnns=tuple(by_type.get("wwnn", ())),
        addresses=tuple(by_type.get("ip", ())),
    )

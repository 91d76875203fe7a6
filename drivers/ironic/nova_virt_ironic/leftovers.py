"""What was made for guests that were never finished, or are not there any more, and that nobody works on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nova_virt_api.driver.driver import Driver
from nova_virt_api.model.leftover import Leftover
from nova_virt_api.model.record import Phase
from nova_virt_ironic import volume_targets
from nova_virt_ironic.hold import worker
from nova_virt_ironic.instances import guest_on
from nova_virt_ironic.microversions import Call
from nova_virt_ironic.site import OnSite

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from nova_virt_ironic.instances import Guest
    from nova_virt_ironic.node import NodeRow

NODE = "node"
VOLUME_TARGET = "volume target"


class IronicLeftovers(OnSite, Driver):
    """The read ``leftovers``."""

    def leftovers(self) -> Sequence[Leftover]:
        rows = self.site.listing.snapshot(fresh=True).rows
        guests = [guest for row in rows.values() if (guest := guest_on(row)) is not None]
        return [*self._nodes(guests), *self._targets(rows)]

    def _nodes(self, guests: Sequence[Guest]) -> Iterator[Leftover]:
        """Nodes that are claimed for guests which nobody will finish."""
        for guest in guests:
            if guest.record is None or guest.owner != self.site.endpoint.owner:
                continue
            if guest.record.record.phase is not Phase.READY and worker(guest.row, guest.record) is None:
                yield leftover_of(guest)

    def _targets(self, rows: Mapping[str, NodeRow]) -> Iterator[Leftover]:
        """Volume targets on nodes that the guest is not on any more, and those of nodes listed here."""
        connection = self.site.connection
        if not connection.serves(Call.VOLUMES):
            return
        for target in volume_targets.targets(connection, None):
            row = rows.get(target.node_uuid)
            if target.owner != self.site.endpoint.owner or row is None:
                continue
            guest = guest_on(row)
            here = guest is not None and guest.uuid == target.guest
            unfinished = here and guest is not None and any(True for _ in self._nodes([guest]))
            if not here or unfinished:
                yield Leftover(
                    uuid=target.guest, kind=VOLUME_TARGET, name=target.uuid, place=row.label, owner=target.owner
                )


def leftover_of(guest: Guest) -> Leftover:
    """A claimed node as something that was left."""
    return Leftover(uuid=guest.uuid, kind=NODE, name=guest.row.label, owner=guest.owner)

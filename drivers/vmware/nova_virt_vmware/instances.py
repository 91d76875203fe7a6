"""Virtual machines as guests. A template is none."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from uuid import UUID

from nova_virt_api.driver.endpoint import Manage
from nova_virt_api.errors import Ambiguous, InstanceNotFound, PermissionDenied
from nova_virt_api.model.instance import HEALTHY, Condition, Health, Instance, Lifecycle, PowerState
from nova_virt_api.model.labels import NO_LABELS
from nova_virt_api.model.record import Phase
from nova_virt_vmware.entity_names import plain_name
from nova_virt_vmware.guest_names import guest_name
from nova_virt_vmware.record import GuestRecord, record_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from nova_virt_api.driver.endpoint import Endpoint
    from nova_virt_api.driver.operation import Operation
    from nova_virt_api.model.identity import InstanceRef
    from nova_virt_vmware.inventory_cache import InventoryCache
    from nova_virt_vmware.known import Known
    from nova_virt_vmware.vm_row import VmRow

MEBIBYTE: Final = 1024**2

POWER_STATES: Final = {
    "poweredOn": PowerState.RUNNING,
    "poweredOff": PowerState.SHUTDOWN,
    "suspended": PowerState.SUSPENDED,
}
"""``VirtualMachinePowerState``."""

LIFECYCLES: Final = {
    Phase.BUILDING: Lifecycle.BUILDING,
    Phase.READY: Lifecycle.READY,
    Phase.DELETING: Lifecycle.DELETING,
}

CONNECTED: Final = "connected"
TROUBLES: Final = {
    "disconnected": Health(Condition.UNRESPONSIVE, "vCenter is not connected to its host"),
    "inaccessible": Health(Condition.DEGRADED, "its files cannot be read"),
    "invalid": Health(Condition.DEGRADED, "its configuration is not valid"),
    "orphaned": Health(Condition.DEGRADED, "its host does not know it any more"),
}
"""``VirtualMachineConnectionState``."""


@dataclass(frozen=True, slots=True)
class Guest:
    """A guest and its virtual machine, as they were when they were looked at.

    Args:
        uuid: the guest: the virtual machine's ``instanceUuid``.
        row: the virtual machine.
        record: our record; None for guests of other making.
    """

    uuid: UUID
    row: VmRow
    record: GuestRecord | None

    @property
    def owner(self) -> str | None:
        """Who made it by this API, if anybody did."""
        return None if self.record is None else self.record.record.owner

    @property
    def name(self) -> str:
        """Its name: ours, or the virtual machine's."""
        return guest_name(plain_name(self.row.name), self.uuid) if self.record is None else self.record.name

    @property
    def power_state(self) -> PowerState:
        """Whether it runs, as far as vCenter knows."""
        return POWER_STATES.get(self.row.power_state, PowerState.NOSTATE)

    @property
    def lifecycle(self) -> Lifecycle:
        """Where it stands; of other making, it always counts as READY."""
        return Lifecycle.READY if self.record is None else LIFECYCLES[self.record.record.phase]

    @property
    def health(self) -> Health:
        """How vCenter gets on with it."""
        if self.row.question:
            return Health(Condition.DEGRADED, f"it stands still until somebody answers: {self.row.question}")
        return TROUBLES.get(self.row.connection_state, HEALTHY)

    @property
    def native_state(self) -> str:
        """VCenter's words for its state."""
        usual = self.row.connection_state in ("", CONNECTED)
        return self.row.power_state if usual else f"{self.row.power_state}, {self.row.connection_state}"


def guest_of(row: VmRow) -> Guest | None:
    """The guest that a virtual machine is; None for a template, and while vCenter cannot tell its uuid."""
    return None if row.template or row.uuid is None else Guest(row.uuid, row, record_of(row))


class Guests:
    """Reads guests. Keeps what it showed, so that what did not change is the same object.

    Args:
        endpoint: whose guests are ours.
        cache: reads virtual machines.
    """

    def __init__(self, endpoint: Endpoint, cache: InventoryCache) -> None:
        self._owner = endpoint.owner
        self._manage = endpoint.manage
        self._cache = cache
        self._shown: dict[str, tuple[VmRow, Instance]] = {}
        self._last: tuple[Known, tuple[Instance, ...]] | None = None
        self._showing = threading.Lock()

    # --- all ------------------------------------------------------------------------------------------------------

    def instances(self, *, fresh: bool = False) -> Sequence[Instance]:
        """All guests, those of other making included."""
        return self.on(self._cache.known(fresh=fresh))

    def on(self, known: Known) -> Sequence[Instance]:
        """The guests among these virtual machines; the same objects as last time for those that did not change."""
        with self._showing:
            last = self._last
            if last is not None and last[0] is known:
                return last[1]
            shown = {
                row.moref: (row, found)
                for row in known.vms.values()
                if (found := self._shown_before(row, known) or self._shown_anew(row, known)) is not None
            }
            guests = tuple(instance for _, instance in shown.values())
            self._shown, self._last = shown, (known, guests)
            return guests

    # --- one ------------------------------------------------------------------------------------------------------

    def instance(self, guest: InstanceRef, *, fresh: bool = False) -> Instance:
        """One guest.

        Raises:
            InstanceNotFound: no such guest at this endpoint.
            Ambiguous: several virtual machines bear the uuid, and the reference's native id is of none of them.
        """
        known = None if fresh else self._cache.shown()
        if known is not None:
            found = [instance for instance in self.on(known) if instance.uuid == guest.uuid]
            if found:
                return self._only(guest, found)
        row = self.find(guest).row
        known = self._cache.placing(row.host)
        now = self._shown_before(row, known) or self._shown_anew(row, known)
        if now is None:
            raise InstanceNotFound(f"no guest {guest} here")
        return now

    def find(self, guest: InstanceRef, op: Operation | None = None) -> Guest:
        """A guest as it is now, for a verb to decide on. One request; a few where the native id is missing or stale.

        Raises:
            InstanceNotFound: no such guest at this endpoint.
            Ambiguous: several virtual machines bear the uuid, and the reference's native id is of none of them.
        """
        found = self.look_for(guest, op)
        if found is None:
            raise InstanceNotFound(f"no guest {guest} here")
        return found

    def look_for(self, guest: InstanceRef, op: Operation | None = None) -> Guest | None:
        """Like :meth:`find`; None when there is no such guest."""
        if guest.native_id is not None:
            hinted = self._cache.row(guest.native_id, op)
            if hinted is not None and hinted.uuid == guest.uuid:
                return guest_of(hinted)
        rows = self._cache.rows_of(guest.uuid, op)
        if len(rows) > 1:
            raise claimed_twice(guest, (f"{plain_name(row.name)} ({row.moref})" for row in rows))
        return guest_of(rows[0]) if rows else None

    def owned(self, guest: InstanceRef, op: Operation | None = None) -> Guest:
        """A guest that this connection may change, as it is now.

        Raises:
            InstanceNotFound: no such guest at this endpoint.
            Ambiguous: several virtual machines bear the uuid, and the reference's native id is of none of them.
            PermissionDenied: it is somebody else's.
        """
        found = self.find(guest, op)
        self.check_owned(found)
        return found

    def check_owned(self, guest: Guest) -> None:
        """Refuse a guest that this connection may not change.

        Raises:
            PermissionDenied: it is somebody else's.
        """
        if self._manage is not Manage.ALL and guest.owner != self._owner:
            whose = "was not made by this API" if guest.owner is None else f"belongs to {guest.owner!r}"
            raise PermissionDenied(
                f"guest {guest.name} ({guest.uuid}) {whose}, this connection is {self._owner!r}",
                hint="connect(owner=...) as its owner, or connect(manage='all')",
            )

    # --- as users see them ----------------------------------------------------------------------------------------

    def _only(self, guest: InstanceRef, found: list[Instance]) -> Instance:
        if len(found) == 1:
            return found[0]
        for instance in found:
            if instance.native_id == guest.native_id:
                return instance
        raise claimed_twice(guest, (f"{instance.name} ({instance.native_id})" for instance in found))

    def _shown_before(self, row: VmRow, known: Known) -> Instance | None:
        """What was shown of this very row, if it is still on the same node."""
        before = self._shown.get(row.moref)
        same = before is not None and before[0] is row and before[1].node == known.node_name(row.host)
        return before[1] if before is not None and same else None

    def _shown_anew(self, row: VmRow, known: Known) -> Instance | None:
        guest = guest_of(row)
        if guest is None:
            return None
        now = self._instance(guest, known.node_name(row.host))
        before = self._shown.get(row.moref)
        return before[1] if before is not None and before[1] == now else now

    def _instance(self, guest: Guest, node: str | None) -> Instance:
        row = guest.row
        return Instance(
            uuid=guest.uuid,
            name=guest.name,
            owner=guest.owner,
            owned=guest.owner == self._owner,
            power_state=guest.power_state,
            lifecycle=guest.lifecycle,
            health=guest.health,
            native_id=row.moref,
            native_state=guest.native_state,
            node=node,
            vcpus=row.vcpus,
            memory_bytes=row.memory_mb * MEBIBYTE,
            addresses=row.addresses or (() if row.tools else None),
            agent=row.tools,
            labels=NO_LABELS if guest.record is None else guest.record.labels,
        )


def claimed_twice(guest: InstanceRef, candidates: Iterable[str]) -> Ambiguous:
    """For a uuid that several virtual machines bear."""
    return Ambiguous(
        f"several virtual machines bear the uuid {guest}",
        candidates,
        hint="give all but one another vc.uuid, or name one by its native id",
    )

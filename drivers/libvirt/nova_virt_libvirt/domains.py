"""The guests of one endpoint: all in one request, or one of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

import libvirt

from nova_virt_api.driver.endpoint import Manage
from nova_virt_api.errors import InstanceNotFound, PermissionDenied
from nova_virt_api.model.instance import HEALTHY, Health, Instance, Lifecycle
from nova_virt_api.model.labels import NO_LABELS
from nova_virt_libvirt.definitions import Definitions
from nova_virt_libvirt.domain import Domain
from nova_virt_libvirt.errors import translated
from nova_virt_libvirt.health import health_of
from nova_virt_libvirt.saved import SavedGuests
from nova_virt_libvirt.states import ACTIVE, native_name, power_state

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from nova_virt_api.driver.endpoint import Endpoint
    from nova_virt_api.model.identity import InstanceRef
    from nova_virt_api.model.nic import Address
    from nova_virt_libvirt.connection import Connection
    from nova_virt_libvirt.definition import Definition
    from nova_virt_libvirt.network.addresses import Addresses
    from nova_virt_libvirt.pulse import Pulse

STATE: Final = "state.state"


@dataclass(slots=True)
class Seen:
    """A guest as it was last shown, and what that was made of.

    ``volatile``: more must be looked at than state and definition, e.g. a running guest's addresses.
    """

    state: int
    saved: bool
    definition: Definition
    volatile: bool
    instance: Instance


class Domains:
    """Reads guests. Keeps what it showed, so that what did not change is the same object.

    Args:
        endpoint: whose guests are ours.
        connection: the connection for verbs.
        reading: the connection for reads.
        addresses: tells the addresses of running guests.
        node: tells the name of the host.
        pulse: finds guests that hang.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        connection: Connection,
        reading: Connection,
        addresses: Addresses,
        node: Callable[[], str],
        pulse: Pulse,
    ) -> None:
        self._owner = endpoint.owner
        self._manage = endpoint.manage
        self._connection = connection
        self._reading = reading
        self._addresses = addresses
        self._node = node
        self._pulse = pulse
        self._definitions = Definitions(reading.helper)
        self._saved = SavedGuests()
        self._seen: dict[bytes, Seen] = {}
        self._unhealthy: dict[bytes, Health] = {}

    # --- cache ----------------------------------------------------------------------------------------------------

    def forget(self, uuid: UUID) -> None:
        """This guest changed. Locks nothing; may be called from libvirt's callbacks."""
        self._definitions.forget(uuid.bytes)

    def clear(self) -> None:
        """Changes may have been missed."""
        self._definitions.clear()
        self._seen = {}

    # --- one ------------------------------------------------------------------------------------------------------

    def find(self, guest: InstanceRef) -> Domain:
        """A handle of any guest.

        Raises:
            InstanceNotFound: no such guest at this endpoint.
        """
        with translated("look for the guest"):
            native = self._reading.native.lookupByUUID(guest.uuid.bytes)
            self._definitions.forget(guest.uuid.bytes)  # verbs decide on what is, not on what was
            definition = self._definitions.get(native, off=True)
        mark = None if definition is None else definition.mark
        return Domain(self._connection, self._reading, guest.uuid, native.name(), mark)

    def owned(self, guest: InstanceRef, *also: Lifecycle) -> Domain:
        """A handle of a guest that this connection may change and that is READY.

        Args:
            guest: the guest.
            also: where else in its life it may be.

        Raises:
            InstanceNotFound: no such guest at this endpoint.
            PermissionDenied: it is somebody else's.
            InvalidState: it is in the middle of something.
        """
        domain = self.find(guest)
        if self._manage is not Manage.ALL and domain.owner != self._owner:
            whose = "was not made by this API" if domain.owner is None else f"belongs to {domain.owner!r}"
            raise PermissionDenied(
                f"guest {domain.name} ({guest}) {whose}, this connection is {self._owner!r}",
                hint="connect(owner=...) as its owner, or connect(manage='all')",
            )
        domain.require_ready(*also)
        return domain

    def instance(self, guest: InstanceRef, *, fresh: bool = False) -> Instance:
        """One guest as it is now.

        Raises:
            InstanceNotFound: no such guest at this endpoint.
        """
        if fresh:
            self.forget(guest.uuid)
        with translated("look at the guest"):
            native = self._reading.native.lookupByUUID(guest.uuid.bytes)
            state: int = native.state()[0]
            definition = self._definitions.get(native, off=state == libvirt.VIR_DOMAIN_SHUTOFF)
            if definition is None:
                raise InstanceNotFound(f"guest {guest} is gone since a moment")
            if state == libvirt.VIR_DOMAIN_SHUTOFF:
                self._saved.refresh_one(native)
            self._note_health(native, state)
        self._addresses.refresh([definition] if self._may_have_addresses(state) else [], now=fresh)
        return self._shown(guest.uuid.bytes, state, definition)

    # --- all ------------------------------------------------------------------------------------------------------

    def instances(self, *, fresh: bool = False) -> Sequence[Instance]:
        """All guests: one request while nothing changed, and one more for each definition that is not known.

        The STATE group alone is answered by libvirt itself; all others ask QEMU, and one that hangs would hold up all.
        """
        if fresh:
            self._definitions.clear()
        with translated("list the guests"):
            rows: list[tuple[Any, dict[str, Any]]] = self._reading.native.getAllDomainStats(
                libvirt.VIR_DOMAIN_STATS_STATE, 0
            )
            if fresh or self._saved.is_stale:
                self._saved.refresh(self._reading.native)
            if any(self._may_have_addresses(stats[STATE]) for _, stats in rows) and self._pulse.feel(now=fresh):
                for domain, stats in rows:
                    self._note_health(domain, stats[STATE])
            shown, others = self._unchanged(rows)
            if others:
                self._look_again(rows, shown, others)
        if len(self._seen) > len(rows):
            self._drop_gone(rows)
        return tuple(instance for instance in shown if instance is not None)

    def _unchanged(self, rows: list[tuple[Any, dict[str, Any]]]) -> tuple[list[Instance | None], list[int]]:
        """What can be shown again, and the numbers of the rows that must be looked at."""
        seen, known, saved, unhealthy = self._seen, self._definitions.known, self._saved.uuids, self._unhealthy
        shown: list[Instance | None] = []
        others: list[int] = []
        for domain, stats in rows:
            uuid = domain.UUID()
            entry = seen.get(uuid)
            if (
                entry is not None
                and entry.state == stats[STATE]
                and entry.definition is known.get(uuid)
                and not entry.volatile
                and uuid not in unhealthy
                and entry.saved is (uuid in saved)
            ):
                shown.append(entry.instance)
            else:
                others.append(len(shown))
                shown.append(None)
        return shown, others

    def _look_again(
        self, rows: list[tuple[Any, dict[str, Any]]], shown: list[Instance | None], others: list[int]
    ) -> None:
        if any(self._may_be_saved(*rows[index]) for index in others):
            self._saved.refresh(self._reading.native)
        states = [rows[index][1][STATE] for index in others]
        definitions = self._definitions.get_many(
            self._reading.native,
            [rows[index][0] for index in others],
            [state == libvirt.VIR_DOMAIN_SHUTOFF for state in states],
        )
        pairs = zip(states, definitions, strict=True)
        self._addresses.refresh([d for state, d in pairs if d is not None and self._may_have_addresses(state)])
        for index, state, definition in zip(others, states, definitions, strict=True):
            if definition is not None:
                domain = rows[index][0]
                uuid = domain.UUID()
                if uuid in self._unhealthy:
                    self._note_health(domain, state)
                shown[index] = self._shown(uuid, state, definition)

    def _drop_gone(self, rows: list[tuple[Any, dict[str, Any]]]) -> None:
        there = {domain.UUID() for domain, _ in rows}
        for uuid in self._seen.keys() - there:
            self._seen.pop(uuid, None)
            self._unhealthy.pop(uuid, None)
            self._addresses.forget(UUID(bytes=uuid))
        self._definitions.keep_only(there)

    def _may_be_saved(self, domain: Any, stats: dict[str, Any]) -> bool:
        """Whether the guest was shut off since it was last shown, perhaps by saving it."""
        entry = self._seen.get(domain.UUID())
        off = libvirt.VIR_DOMAIN_SHUTOFF
        return stats[STATE] == off and (entry is None or entry.state != off)

    def macs(self, domains: Sequence[Any]) -> dict[bytes, tuple[str, ...]]:
        """MAC addresses of these ``virDomain``, in the order of each definition."""
        with translated("look at the guests"):
            known = {domain.UUID(): self._definitions.get(domain, off=False) for domain in domains}
        return {uuid: tuple(nic.mac for nic in found.interfaces) for uuid, found in known.items() if found is not None}

    # --- assembling -----------------------------------------------------------------------------------------------

    def _may_have_addresses(self, state: int) -> bool:
        return power_state(state, saved=False) in ACTIVE

    def _note_health(self, native: Any, state: int) -> None:
        health = health_of(native) if self._may_have_addresses(state) else HEALTHY
        if health is HEALTHY:
            self._unhealthy.pop(native.UUID(), None)
        else:
            self._unhealthy[native.UUID()] = health

    def _shown(self, uuid: bytes, state: int, definition: Definition) -> Instance:
        """The guest as an object: the one that was shown last, if it is the same."""
        saved = state == libvirt.VIR_DOMAIN_SHUTOFF and uuid in self._saved.uuids
        active = self._may_have_addresses(state)
        addresses = self._addresses.of(definition) if active else ()
        if not active:
            self._addresses.forget(definition.uuid)
        instance = self._assemble(state, saved, definition, addresses)
        entry = self._seen.get(uuid)
        if entry is not None and entry.instance == instance:
            instance = entry.instance
        self._seen[uuid] = Seen(state, saved, definition, active and bool(definition.interfaces), instance)
        return instance

    def _assemble(
        self, state: int, saved: bool, definition: Definition, addresses: tuple[Address, ...] | None
    ) -> Instance:
        mark, uuid = definition.mark, definition.uuid
        return Instance(
            uuid=uuid,
            name=definition.name,
            owner=None if mark is None else mark.record.owner,
            owned=mark is not None and mark.record.owner == self._owner,
            power_state=power_state(state, saved=saved),
            lifecycle=Lifecycle.READY if mark is None else mark.lifecycle,
            health=self._unhealthy.get(uuid.bytes, HEALTHY) if self._unhealthy else HEALTHY,
            native_id=str(uuid) if mark is None else mark.record.native_id or str(uuid),
            native_state=native_name(state, saved=saved),
            node=self._node(),
            vcpus=definition.vcpus,
            memory_bytes=definition.memory_bytes,
            addresses=addresses,
            agent=definition.agent if self._may_have_addresses(state) else False,
            labels=NO_LABELS if mark is None else mark.labels,
        )

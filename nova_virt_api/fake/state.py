"""Everything that is in a fake world, with the indexes that make looking things up cheap."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from typing import TypeVar
from uuid import UUID

from nova_virt_api.fake.guest import Guest, Image, Port, Volume
from nova_virt_api.fake.reserved import Reserved
from nova_virt_api.fake.shape import IMAGE_SIZE
from nova_virt_api.model.instance import PowerState
from nova_virt_api.model.record import Record

K = TypeVar("K")
V = TypeVar("V")

HOLDS_MEMORY = frozenset({PowerState.RUNNING, PowerState.PAUSED})
"""States in which a guest takes memory and CPUs from its host."""


class State:
    """Guests, records, volumes, ports, images, hosts and what they keep. Not thread-safe: :class:`World` guards it.

    ``touched`` collects every change of a guest, each with the guest as it was then, or None when it went, until
    somebody empties it; ``revision`` counts changes.
    """

    def __init__(self, images: tuple[str, ...] = ()) -> None:
        self.guests: dict[str, Guest] = {}
        self.records: dict[UUID, Record] = {}
        self.volumes: dict[tuple[str, str], Volume] = {}
        self.ports: dict[str, Port] = {}
        self.images = {name: Image(name=name, virtual_size_bytes=IMAGE_SIZE) for name in images}
        self.maintenance: dict[str, str] = {}
        self.reserved: dict[UUID, Reserved] = {}
        self.next_guest = 1
        self.next_port = 0
        self.revision = 0
        self.touched: list[tuple[UUID, Guest | None]] = []
        self._ids: defaultdict[UUID, dict[str, None]] = defaultdict(dict)
        self._volumes: defaultdict[UUID, dict[tuple[str, str], None]] = defaultdict(dict)
        self._ports: defaultdict[UUID, dict[str, None]] = defaultdict(dict)
        self._names: defaultdict[str, dict[str, None]] = defaultdict(dict)

    # --- guests ---------------------------------------------------------------------------------------------------

    def claimants(self, uuid: UUID) -> list[Guest]:
        """The guests that answer to this uuid; more than one is a fault of somebody's making."""
        return [self.guests[native_id] for native_id in self._ids.get(uuid, ())]

    def named(self, name: str) -> list[Guest]:
        """The guests of this name."""
        return [self.guests[native_id] for native_id in self._names.get(name, ())]

    def put(self, guest: Guest) -> Guest:
        """Add a guest or replace the one with its native id. What was kept for it until it came is its own now."""
        before = self.guests.get(guest.native_id)
        if before is not None:
            self._unlist(before)
            if before.uuid != guest.uuid:
                self.touched.append((before.uuid, None))
        self.guests[guest.native_id] = guest
        self._ids[guest.uuid][guest.native_id] = None
        self._names[guest.name][guest.native_id] = None
        self.reserved.pop(guest.uuid, None)
        self.touched.append((guest.uuid, guest))
        self.revision += 1
        return guest

    def drop(self, native_id: str) -> None:
        """Take a guest away; what was made for it stays."""
        guest = self.guests.pop(native_id)
        self._unlist(guest)
        self.touched.append((guest.uuid, None))
        self.revision += 1

    def new_native_id(self) -> str:
        """An id for a new guest."""
        number, self.next_guest = self.next_guest, self.next_guest + 1
        return f"fake-{number}"

    def _unlist(self, guest: Guest) -> None:
        unindex(self._ids, guest.uuid, guest.native_id)
        unindex(self._names, guest.name, guest.native_id)

    # --- what guests are made of ----------------------------------------------------------------------------------

    def put_record(self, record: Record) -> Record:
        """Write a guest's record, also onto the guest itself once there is one."""
        self.records[record.uuid] = record
        self.revision += 1
        if record.native_id in self.guests:
            self.put(replace(self.guests[record.native_id], mark=record))
        return record

    def drop_record(self, uuid: UUID) -> None:
        """Remove a guest's record, and with it what is kept for the guest."""
        del self.records[uuid]
        self.reserved.pop(uuid, None)
        self.revision += 1

    def put_volume(self, volume: Volume) -> None:
        """Add a volume or replace the one of its name."""
        self.volumes[volume.key] = volume
        if volume.uuid is not None:
            self._volumes[volume.uuid][volume.key] = None
        self.revision += 1

    def drop_volume(self, key: tuple[str, str]) -> None:
        """Remove a volume."""
        volume = self.volumes.pop(key)
        if volume.uuid is not None:
            unindex(self._volumes, volume.uuid, key)
        self.revision += 1

    def volumes_of(self, uuid: UUID) -> list[Volume]:
        """The volumes that live and die with this guest."""
        volumes = (self.volumes[key] for key in self._volumes.get(uuid, ()))
        return [volume for volume in volumes if volume.belongs]

    def put_port(self, port: Port) -> None:
        """Add a port."""
        self.ports[port.name] = port
        self._ports[port.uuid][port.name] = None
        self.revision += 1

    def drop_port(self, name: str) -> None:
        """Remove a port."""
        port = self.ports.pop(name)
        unindex(self._ports, port.uuid, name)
        self.revision += 1

    def ports_of(self, uuid: UUID) -> list[Port]:
        """The ports that were made for this guest."""
        return [self.ports[name] for name in self._ports.get(uuid, ())]

    def new_port_index(self) -> int:
        """A number for a new port."""
        index, self.next_port = self.next_port, self.next_port + 1
        return index

    def put_image(self, image: Image) -> None:
        """Add an image or replace the one of its name."""
        self.images[image.name] = image
        self.revision += 1

    def drop_image(self, name: str) -> None:
        """Remove an image and the volume that holds it, if it is there."""
        image = self.images.pop(name, None)
        if image is None:
            return
        if image.volume is not None:
            self.drop_volume(image.volume)
        self.revision += 1

    # --- hosts ----------------------------------------------------------------------------------------------------

    def set_maintenance(self, node: str, reason: str | None) -> None:
        """Take a host out of use for this reason, or back with None."""
        if reason is None:
            self.maintenance.pop(node, None)
        else:
            self.maintenance[node] = reason
        self.revision += 1

    def reserve(self, reserved: Reserved) -> None:
        """Keep processors for a guest that has a record, until it is there or the record goes."""
        self.reserved[reserved.guest] = reserved
        self.revision += 1

    # --- sums -----------------------------------------------------------------------------------------------------

    def running_on(self, node: str) -> Iterator[Guest]:
        """The guests that take memory and CPUs from a host."""
        return (guest for guest in self.guests.values() if guest.node == node and guest.power_state in HOLDS_MEMORY)

    def guests_on(self, node: str) -> list[Guest]:
        """The guests that live on a host."""
        return [guest for guest in self.guests.values() if guest.node == node]

    def dedicated_on(self, node: str) -> frozenset[int]:
        """The processors of a host that guests have for themselves, running or not, on their way or after a revert."""
        machines = (one for guest in self.guests_on(node) for one in (guest.machine, guest.machine_before))
        had = frozenset(cpu for machine in machines if machine is not None for cpu in machine.cpu.host_cpus)
        return had.union(*(kept.host_cpus for kept in self.reserved.values() if kept.node == node))

    def used_bytes(self, pool: str) -> int:
        """What the volumes of a pool take."""
        return sum(volume.size_bytes for volume in self.volumes.values() if volume.pool == pool)

    def known_uuids(self) -> dict[UUID, None]:
        """Every uuid that has a record, a volume or a port, oldest first."""
        return {uuid: None for index in (self.records, self._volumes, self._ports) for uuid in index}


def unindex(index: dict[K, dict[V, None]], key: K, member: V) -> None:
    """Take a member out of an index, and the key with its last member."""
    members = index[key]
    del members[member]
    if not members:
        del index[key]

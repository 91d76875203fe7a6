"""A guest that waits in another world, made in this one."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from nova_virt_api.driver.operation import CancelMode, Stage
from nova_virt_api.errors import InstanceExists, MigrationError
from nova_virt_api.fake import remains
from nova_virt_api.fake.guest import Guest, Volume, nic_of
from nova_virt_api.fake.places import check_host, check_pool, choose_places, network_of, node_for
from nova_virt_api.fake.reshape import check_disks, connected, refuse_locked, using
from nova_virt_api.fake.shares import named
from nova_virt_api.fake.steps import Step
from nova_virt_api.fake.switches import SimulatedCrash
from nova_virt_api.model.record import Phase
from nova_virt_api.model.size import Size
from nova_virt_api.model.spec import require_one

if TYPE_CHECKING:
    from uuid import UUID

    from nova_virt_api.driver.operation import Operation
    from nova_virt_api.fake.connection import Connection
    from nova_virt_api.fake.guest import Port
    from nova_virt_api.fake.machine import Machine
    from nova_virt_api.fake.parcel import Parcel
    from nova_virt_api.fake.state import State
    from nova_virt_api.model.record import Record
    from nova_virt_api.model.spec import InstanceSpec


class Arrival:
    """One guest that is made from a ticket.

    Args:
        connection: for whom.
        parcel: the ticket's content.
        uuid: the guest.
        spec: what is to differ here.
        op: the operation worked for.
    """

    def __init__(
        self, connection: Connection, parcel: Parcel, uuid: UUID, spec: InstanceSpec | None, op: Operation
    ) -> None:
        self._connection = connection
        self._world = connection.world
        self._parcel = parcel
        self._uuid = uuid
        self._spec = spec
        self._op = op

    def run(self) -> None:
        """Make the guest, unless it was made from this ticket before."""
        with self._world.reading() as state:
            there_already = self._is_there(state)
        if there_already:
            self._tell()  # whoever made it may have been killed right before
            return
        with self._parcel.source().reading() as there:
            guest, record = self._waiting(there)
            refuse_sharing(guest)
            volumes = [there.volumes[key] for key in guest.disks]
            ports = [there.ports[name] for name in guest.ports if name in there.ports]
            size = size_wanted(guest.resizing.size if guest.resizing else Size(), self._spec)
            check_disks(there, guest, size)
        if self._spec is None:
            refuse_locked(guest, (), "finish_resize")
        self._connection.step(Step.FETCH_RESIZED, self._op)
        try:
            self._make(guest, record, volumes, ports, size)
            self._finish()
        except SimulatedCrash:
            raise
        except BaseException:
            self._op.stage(Stage.CLEAN_UP, CancelMode.NONE)
            with self._world.changing() as state:
                if all(guest.arrived == self._parcel.token for guest in state.claimants(self._uuid)):
                    remains.remove_all(state, self._uuid)
            raise
        self._tell()

    def _tell(self) -> None:
        """Let the source know that the guest is made, so that it may be given up there."""
        with self._parcel.source().changing() as there:
            for guest in there.claimants(self._uuid):
                if guest.resizing is not None and guest.resizing.token == self._parcel.token:
                    there.put(replace(guest, resizing=replace(guest.resizing, made=True)))

    def _make(self, guest: Guest, record: Record | None, volumes: list[Volume], ports: list[Port], size: Size) -> None:
        shape, spec = self._world.shape, self._spec
        pools = self._pools(len(guest.own_disks))
        nics = [nic_of(port) for port in ports]
        if spec is not None:
            nics = list(spec.nics)
        cards = [(nic, network_of(nic, f"spec.nics[{i}]", shape)) for i, nic in enumerate(nics)]
        with self._world.changing() as state:
            if self._is_there(state):
                return
            if any(other.uuid != self._uuid for other in state.named(guest.name)):
                raise InstanceExists(f"another guest is called {guest.name!r}", hint="rename one of them")
            remains.remove_all(state, self._uuid)
            wanted = placed(volumes, pools, size)
            for volume in wanted:
                check_pool(state, shape, volume.pool, volume.size_bytes)
                state.put_volume(volume)
            vcpus, memory = size.vcpus or guest.vcpus, size.memory_bytes or guest.memory_bytes
            node = node_for(state, shape, self._node(), vcpus, memory)
            made = replace(
                guest,
                native_id=state.new_native_id(),
                mark=None,
                node=node,
                machine=self._machine(state, guest, vcpus, node),
                machine_before=None,
                vcpus=vcpus,
                memory_bytes=memory,
                plugged_bytes=guest.plugged_bytes if size.memory_bytes is None else 0,
                disks=tuple(volume.key for volume in wanted),
                ports=(),
                resizing=None,
                arrived=self._parcel.token,
            )
            if record is not None:
                building = replace(record, native_id=made.native_id, phase=Phase.BUILDING)
                made = replace(made, mark=state.put_record(replace(building, holder=self._connection.holder)))
            made = connected(state, made, cards)
            state.put(made if spec is None else using(made, spec.volumes))

    def _machine(self, state: State, guest: Guest, vcpus: int, node: str) -> Machine:
        """What it is beside its size, with parts of this host."""
        dedicated, taken = self._world.shape.dedicated, state.dedicated_on(node)
        if self._spec is None:
            return guest.machine.moved(vcpus, dedicated, taken)
        return guest.machine.placed(self._spec, dedicated, taken)

    def _finish(self) -> None:
        for stage in (Stage.DISKS_READY, Stage.NETWORK_READY, Stage.BEFORE_START):
            self._op.stage(stage)
        self._connection.step(Step.FINISH_RESIZE, self._op)
        with self._world.changing() as state:
            guest = state.claimants(self._uuid)[0]
            if self._spec is not None and self._spec.power_on:
                check_host(state, self._world.shape, guest.node, guest.vcpus, guest.memory_bytes)
                self._world.boot(state, guest)
            record = state.records.get(self._uuid)
            if record is not None:
                state.put_record(replace(record, phase=Phase.READY, holder=None))

    def _is_there(self, state: State) -> bool:
        """Whether the guest was made here from this ticket.

        Raises:
            InstanceExists: another one is here.
        """
        guests = state.claimants(self._uuid)
        if not guests:
            return False
        if guests[0].arrived != self._parcel.token:
            hint = "destroy that one first if it is not wanted"
            raise InstanceExists(f"guest {self._uuid} is here already, and not from this ticket", hint=hint)
        self._connection.check_owner(guests[0].owner)
        return guests[0].finished

    def _waiting(self, there: State) -> tuple[Guest, Record | None]:
        guests = there.claimants(self._uuid)
        resizing = guests[0].resizing if guests else None
        if resizing is None or resizing.token != self._parcel.token or resizing.done:
            hint = "prepare it again; if it was confirmed or reverted, there is nothing to finish"
            message = f"guest {self._uuid} does not wait at its source for this ticket"
            raise MigrationError("finish_resize", message, hint=hint)
        return guests[0], there.records.get(self._uuid)

    def _pools(self, count: int) -> list[str]:
        """The pool of each disk, and at the end that of all else."""
        shape, spec = self._world.shape, self._spec
        if spec is None:
            return [require_one("pool", None, shape.pools)] * (count + 1)
        places = choose_places(spec, shape)
        return [*places.pools[:count], *[places.pool] * (count + 1 - len(places.pools[:count]))]

    def _node(self) -> str:
        wanted = None if self._spec is None else self._spec.placement.node
        return require_one("spec.placement.node", wanted, self._world.shape.nodes)


def placed(volumes: list[Volume], pools: list[str], size: Size) -> list[Volume]:
    """The volumes as they are here; those that are no disks are in the last pool."""
    disks = 0
    found: list[Volume] = []
    for volume in volumes:
        if volume.kind == "disk":
            bytes_wanted = size.disk(disks) or volume.size_bytes
            found.append(replace(volume, pool=pools[disks], size_bytes=bytes_wanted))
            disks += 1
        else:
            found.append(replace(volume, pool=pools[-1]))
    return found


def size_wanted(size: Size, spec: InstanceSpec | None) -> Size:
    """The size that a guest is to have: the spec's, or else the one that was asked for at the source."""
    if spec is None:
        return size
    sizes = [disk.size_bytes for disk in spec.disks] or size.disks
    return Size(vcpus=spec.vcpus, memory_bytes=spec.memory_bytes, disks=tuple(sizes))


def refuse_sharing(guest: Guest) -> None:
    """Refuse a guest that uses directories of the host that it is to leave.

    Raises:
        MigrationError: names them.
    """
    if guest.shared:
        message = f"the guest cannot leave its host: it uses {named(guest)} of it"
        raise MigrationError("finish_resize", message, hint="revert the resize, then detach that from the guest")

"""A guest that comes from another fake world while it runs: room is made for it, then it is there."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from nova_virt_api.driver.operation import CancelMode, Stage
from nova_virt_api.errors import InstanceExists, InvalidSpec, MigrationError, VirtError
from nova_virt_api.fake import remains
from nova_virt_api.fake.guest import Port, nic_of
from nova_virt_api.fake.outside_port import outside_port
from nova_virt_api.fake.places import check_host, check_pool, network_of
from nova_virt_api.fake.reserved import Reserved
from nova_virt_api.fake.reshape import refuse_locked
from nova_virt_api.fake.steps import STAGES, Step
from nova_virt_api.fake.switches import SimulatedCrash
from nova_virt_api.model.nic import Nic, NicModel
from nova_virt_api.model.record import Phase

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nova_virt_api.driver.operation import Operation
    from nova_virt_api.fake.connection import Connection
    from nova_virt_api.fake.guest import Guest, Volume
    from nova_virt_api.fake.journey import Journey
    from nova_virt_api.fake.machine import Machine
    from nova_virt_api.fake.state import State
    from nova_virt_api.fake.world import World
    from nova_virt_api.model.volume import Volume as StorageVolume


class MovingIn:
    """One guest that comes.

    Args:
        connection: for whom.
        journey: the ticket's content.
        op: the operation worked for.
    """

    def __init__(self, connection: Connection, journey: Journey, op: Operation) -> None:
        self._connection = connection
        self._journey = journey
        self._uuid = journey.guest
        self._op = op

    def prepare(
        self,
        nics: Sequence[Nic] | None,
        named: Sequence[StorageVolume],
        host_cpus: Sequence[int] | None,
        host_cells: Sequence[int] | None,
    ) -> None:
        """Make its record, volumes and ports, and keep processors for it; a failed call leaves nothing."""
        world = self._connection.world
        guest, volumes, ports = self._at_source()
        self._check_named(guest, {volume.id for volume in named})
        cards = self._cards(world, ports, nics)
        with world.reading() as state:
            self._refuse(state, guest)
        self._connection.step(Step.PREPARE_MIGRATION, self._op)
        try:
            with world.changing() as state:
                self._refuse(state, guest)
                remains.remove_all(state, self._uuid)
                machine = self._machine(state, guest, frozenset(), host_cpus, host_cells)
                self._make(state, guest, volumes, cards)
                if own := tuple(machine.cpu.host_cpus):
                    state.reserve(Reserved(guest=self._uuid, node=self._node, host_cpus=own))
        except SimulatedCrash:
            raise
        except BaseException:
            self._op.stage(Stage.CLEAN_UP, CancelMode.NONE)
            with world.changing() as state, suppress(VirtError):
                remains.remove_all(state, self._uuid)
            raise

    @property
    def _node(self) -> str:
        """The host that it goes to."""
        return self._journey.node or self._journey.world().shape.nodes[0]

    def _machine(
        self,
        state: State,
        guest: Guest,
        own: frozenset[int],
        host_cpus: Sequence[int] | None,
        host_cells: Sequence[int] | None,
    ) -> Machine:
        """What it is there, where these processors are its own already."""
        taken = state.dedicated_on(self._node) - own
        return guest.machine.moved(guest.vcpus, self._journey.world().shape.dedicated, taken, host_cpus, host_cells)

    def _check_named(self, guest: Guest, named: set[str]) -> None:
        """Refuse volumes that the guest does not use, and not to name one that needs a password."""
        refuse_locked(guest, named, "prepare")
        if unknown := named - {volume.id for volume in guest.attached}:
            message = f"the guest does not use volume {', '.join(sorted(unknown))}"
            raise MigrationError("prepare", message, hint="name the volumes that it uses at its source")

    def arrive(self, guest: Guest) -> None:
        """Let the guest, as it was seen at its source, be here now."""
        self._op.stage(STAGES[Step.ARRIVE], CancelMode.NONE)
        self._connection.switches.reach(Step.ARRIVE)
        with self._journey.world().changing() as state:
            record = state.records.get(self._uuid)
            if record is None:
                raise MigrationError("migrate", "what was prepared at the destination is gone", hint="prepare it again")
            native_id, kept = state.new_native_id(), state.reserved.get(self._uuid)
            own = () if kept is None else kept.host_cpus
            machine = self._machine(state, guest, frozenset(own), own or None, self._journey.host_cells)
            ready = replace(record, native_id=native_id, phase=Phase.READY, holder=None)
            here = replace(
                guest,
                native_id=native_id,
                mark=state.put_record(ready),
                node=self._node,
                disks=tuple(volume.key for volume in state.volumes_of(self._uuid)),
                ports=tuple(port.name for port in state.ports_of(self._uuid)),
                machine=machine,
                moving=None,
                arrived=self._journey.token,
            )
            state.put(here)

    # --- what it is made of ---------------------------------------------------------------------------------------

    def _at_source(self) -> tuple[Guest, list[Volume], list[Port]]:
        with self._journey.origin().reading() as there:
            guests = there.claimants(self._uuid)
            if not guests:
                raise MigrationError("prepare", "the guest is not at its source any more", hint="ask the source again")
            guest = guests[0]
            return guest, [there.volumes[key] for key in guest.disks], [there.ports[name] for name in guest.ports]

    def _refuse(self, state: State, guest: Guest) -> None:
        self._connection.check_owner(guest.owner)
        if state.claimants(self._uuid):
            hint = "it may have arrived: finish its migration"
            raise InstanceExists(f"a guest with the uuid {self._uuid} is here already", hint=hint)
        record = state.records.get(self._uuid)
        if record is not None and record.phase is not Phase.BUILDING:
            raise InstanceExists(f"another guest had the uuid {self._uuid} here", hint="destroy what is left of it")
        if state.named(guest.name):
            raise InstanceExists(f"another guest is called {guest.name!r}", hint="rename one of them")

    def _make(self, state: State, guest: Guest, volumes: list[Volume], cards: list[tuple[Nic, str]]) -> None:
        world = self._connection.world
        record = guest.record
        if record is None:
            raise MigrationError("prepare", "the guest bears no mark", hint="adopt it first")
        check_host(state, world.shape, self._node, guest.vcpus, guest.memory_bytes)
        placed = [replace(volume, pool=self._pool(world, volume.pool)) for volume in volumes]
        for volume in placed:
            check_pool(state, world.shape, volume.pool, volume.size_bytes)
        state.put_record(replace(record, native_id=None, phase=Phase.BUILDING, holder=None))
        for volume in placed:
            state.put_volume(volume)
        for index, (nic, network) in enumerate(cards):
            name = f"{self._uuid}-nic{index}"
            state.put_port(
                Port(
                    name=name,
                    index=state.new_port_index(),
                    network=network,
                    uuid=self._uuid,
                    owner=self._connection.owner,
                    mac=nic.mac or "",
                    model=nic.model or NicModel.VIRTIO,
                    vif_id=nic.vif_id,
                    outside=outside_port(nic.binding),
                    tag=nic.tag,
                )
            )

    def _pool(self, world: World, name: str) -> str:
        return name if name in world.shape.pools else world.shape.pools[0]

    def _cards(self, world: World, ports: list[Port], nics: Sequence[Nic] | None) -> list[tuple[Nic, str]]:
        wanted = [nic_of(port) for port in ports]
        for index, nic in enumerate(nics or ()):
            if index >= len(wanted):
                raise MigrationError("prepare", f"the guest has no interface {index}", hint="name those that it has")
            wanted[index] = replace(
                wanted[index], network=nic.network, vif_id=nic.vif_id or wanted[index].vif_id, binding=nic.binding
            )
        try:
            return [(nic, network_of(nic, f"nics[{index}]", world.shape)) for index, nic in enumerate(wanted)]
        except InvalidSpec as error:
            hint = "say with nics= which networks to use here"
            raise MigrationError(
                "prepare", f"a network of the guest is not here: {error.message}", hint=hint
            ) from error

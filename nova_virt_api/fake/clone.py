"""Guests that are copies of other guests: claimed and undone as in a spawn, their disks read at one moment."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from nova_virt_api.capability import Capability, Feature
from nova_virt_api.driver.clone import Clone
from nova_virt_api.driver.operation import Stage
from nova_virt_api.errors import InstanceExists, InvalidState, NotSupported
from nova_virt_api.fake import remains
from nova_virt_api.fake.guest import Guest, Port, Volume, mac_of
from nova_virt_api.fake.listing import ambiguous
from nova_virt_api.fake.machine import with_host_cpus
from nova_virt_api.fake.outside_port import outside_port
from nova_virt_api.fake.places import check_host, check_pool, network_of, node_for
from nova_virt_api.fake.resting import resting
from nova_virt_api.fake.seed import seed_content
from nova_virt_api.fake.spawn import SIDE_VOLUME_SIZE
from nova_virt_api.fake.steps import STAGES, Step
from nova_virt_api.fake.switches import SimulatedCrash
from nova_virt_api.fake.told import devices_of
from nova_virt_api.fake.undo import undo
from nova_virt_api.model.instance import PowerState
from nova_virt_api.model.nic import NicModel
from nova_virt_api.model.quiesce import Quiesce
from nova_virt_api.model.record import Phase, Record
from nova_virt_api.model.spec import frozen_labels

if TYPE_CHECKING:
    from nova_virt_api.driver.operation import Operation
    from nova_virt_api.fake.connection import Connection
    from nova_virt_api.fake.state import State
    from nova_virt_api.model.clone import CloneSpec
    from nova_virt_api.model.identity import InstanceRef
    from nova_virt_api.model.instance import Instance
    from nova_virt_api.model.leftover import Leftover
    from nova_virt_api.model.nic import Nic

LIVE: Final = (PowerState.RUNNING, PowerState.PAUSED)


class FakeClone(Clone):
    """The role ``Clone`` of the fake driver."""

    connection: Connection

    def clone(
        self, guest: InstanceRef, spec: CloneSpec, op: Operation, *, quiesce: Quiesce = Quiesce.IF_POSSIBLE
    ) -> Instance:
        self.connection.require(Capability.CLONE)
        for feature, _ in spec.features():
            self.connection.require(feature)
        return Copying(self.connection, guest, spec, quiesce, op).run()


class Copying:
    """One run of ``Clone.clone``.

    Args:
        connection: for whom.
        original: the guest that is copied.
        spec: what was asked for.
        quiesce: whether the original's file systems are brought to rest.
        op: the operation worked for.
    """

    def __init__(
        self, connection: Connection, original: InstanceRef, spec: CloneSpec, quiesce: Quiesce, op: Operation
    ) -> None:
        self._connection = connection
        self._world = connection.world
        self._original = original
        self._spec = spec
        self._quiesce = quiesce
        self._op = op
        self._fingerprint = spec.fingerprint(original.uuid)
        self._networks = [network_of(nic, f"nics[{i}]", self._world.shape) for i, nic in enumerate(spec.nics or ())]

    def run(self) -> Instance:
        """Make the copy, or find it made."""
        connection, uuid = self._connection, self._spec.uuid
        with connection.hold(uuid, "clone"):
            with self._world.reading() as state:
                found = self._finished(state)
                if found is not None:
                    return connection.listing.view(state, found)
            with connection.hold(self._original.uuid, "clone"):
                self._check()
                connection.step(Step.CLONE_CLAIM, self._op)
                self._claim()
                try:
                    self._build()
                except SimulatedCrash as crash:
                    crash.leftovers = tuple(self._remains())
                    raise
                except BaseException as error:
                    undo(self._connection, self._spec.uuid, Step.CLONE_UNDO, self._op, error)
                    raise
            with self._world.reading() as state:
                return connection.listing.view(state, state.claimants(uuid)[0])

    # --- what is there --------------------------------------------------------------------------------------------

    def _finished(self, state: State) -> Guest | None:
        """The copy if it is all there already; None if it, or the rest of it, is to be made.

        Raises:
            InstanceExists: the uuid or the name is somebody else's.
            Ambiguous: several guests claim the uuid.
        """
        spec, owner = self._spec, self._connection.owner
        claimants = state.claimants(spec.uuid)
        if len(claimants) > 1:
            raise ambiguous(spec.uuid, claimants)
        guest = claimants[0] if claimants else None
        record = state.records.get(spec.uuid)
        if record is not None and record.owner != owner:
            raise InstanceExists(f"guest {spec.uuid} belongs to {record.owner!r}")
        if record is not None and record.fingerprint != self._fingerprint:
            hint = "destroy it first, or leave the request as it was"
            raise InstanceExists(f"guest {spec.uuid} was asked for otherwise", hint=hint)
        if guest is not None and record is None and (owner is not None or guest.name != spec.name):
            raise InstanceExists(f"{spec.uuid} is the uuid of {guest.name!r}, which is not this copy")
        if any(other.uuid != spec.uuid for other in state.named(spec.name)):
            hint = "choose another name, or another uuid if it is the same copy that is meant"
            raise InstanceExists(f"another guest is called {spec.name!r}", hint=hint)
        return guest if guest is not None and guest.finished else None

    def _check(self) -> None:
        """Refuse an original that cannot be copied, and a copy for which there is no room."""
        with self._world.reading() as state:
            guest = self._ready(state)
            node_for(state, self._world.shape, guest.node, guest.vcpus, guest.memory_bytes)
            if self._spec.power_on:
                check_host(state, self._world.shape, guest.node, guest.vcpus, guest.memory_bytes)

    def _ready(self, state: State) -> Guest:
        guest = self._connection.ready(state, self._original)
        live = Feature.CLONE_LIVE not in self._connection.switches.withdrawn
        allowed = [PowerState.SHUTDOWN, *(LIVE if live else ())]
        if guest.power_state not in allowed:
            raise InvalidState(guest.power_state, allowed)
        if any(attachment.boot for attachment in guest.attached):
            raise NotSupported(Capability.CLONE, reason="the guest boots from a volume that is not its own alone")
        return guest

    def _claim(self) -> None:
        """Write the record; a rest that an interrupted destroy left goes first."""
        uuid = self._spec.uuid
        with self._world.changing() as state:
            self._connection.check_holder(state, uuid)
            self._finished(state)
            before = state.records.get(uuid)
            if before is not None and before.phase is Phase.DELETING:
                remains.remove_all(state, uuid)
            owner = self._connection.owner
            if owner is not None:
                record = state.records.get(uuid) or Record(uuid=uuid, owner=owner, fingerprint=self._fingerprint)
                state.put_record(replace(record, phase=Phase.BUILDING, holder=self._connection.holder))

    # --- the parts ------------------------------------------------------------------------------------------------

    def _build(self) -> None:
        connection, op = self._connection, self._op
        disks = self._contents()
        volumes = self._volumes(disks)
        op.stage(Stage.DISKS_READY)
        ports = self._ports()
        op.stage(Stage.NETWORK_READY)
        connection.step(Step.CLONE_DEFINE, op)
        self._define(volumes, ports)
        if self._spec.power_on:
            op.stage(Stage.BEFORE_START)
            connection.step(Step.CLONE_START, op)
            self._start()
        connection.step(Step.CLONE_FINISH, op)
        with self._world.changing() as state:
            record = state.records.get(self._spec.uuid)
            if record is not None:
                state.put_record(replace(record, phase=Phase.READY, holder=None))

    def _contents(self) -> list[Volume]:
        """The original's own disks as they are at one moment."""
        connection = self._connection
        with resting(connection, self._original, self._quiesce, Feature.CLONE_QUIESCE, Step.CLONE_REST, self._op):
            connection.step(Step.CLONE_READ, self._op)
            with self._world.reading() as state:
                return [state.volumes[key] for key in self._ready(state).own_disks]

    def _volumes(self, disks: list[Volume]) -> tuple[tuple[str, str], ...]:
        spec, wanted = self._spec, []
        for index, disk in enumerate(disks):
            mine = {"name": f"{spec.uuid}-disk{index}", "uuid": spec.uuid, "owner": self._connection.owner}
            wanted.append(replace(disk, **mine, image="", base=""))  # type: ignore[arg-type]
        with self._world.reading() as state:
            original = self._ready(state)
        home = disks[0].pool if disks else self._world.shape.pools[0]
        if spec.cloud_init is not None:
            wanted.append(self._side_volume(home, "seed", seed_content(spec.cloud_init)))
        if original.machine.tpm is not None:
            wanted.append(self._side_volume(home, "tpm", "state of the TPM"))
        if any(name.endswith("-nvram") for _, name in original.disks):
            wanted.append(self._side_volume(home, "nvram", "firmware variables"))
        self._op.stage(STAGES[Step.CLONE_DISK])
        for index, volume in enumerate(wanted):
            self._connection.switches.reach(Step.CLONE_DISK, self._op)
            with self._world.changing() as state:
                if (there := state.volumes.get(volume.key)) != volume:
                    freed = there.size_bytes if there is not None else 0
                    check_pool(state, self._world.shape, volume.pool, volume.size_bytes - freed)
                    state.put_volume(volume)
            self._op.progress(index + 1, len(wanted))
        return tuple(volume.key for volume in wanted)

    def _side_volume(self, pool: str, part: str, content: str) -> Volume:
        uuid, owner = self._spec.uuid, self._connection.owner
        name = f"{uuid}-{part}"
        return Volume(
            pool=pool, name=name, kind=part, size_bytes=SIDE_VOLUME_SIZE, uuid=uuid, owner=owner, content=content
        )

    def _ports(self) -> tuple[str, ...]:
        self._op.stage(STAGES[Step.CLONE_PORT])
        with self._world.reading() as state:
            old = [state.ports[name] for name in self._ready(state).ports]
        nics = self._spec.nics
        names = []
        for index in range(len(old) if nics is None else len(nics)):
            self._connection.switches.reach(Step.CLONE_PORT, self._op)
            name = f"{self._spec.uuid}-nic{index}"
            with self._world.changing() as state:
                if name not in state.ports:
                    port = self._like(state, old[index]) if nics is None else self._new(state, index, nics[index])
                    state.put_port(replace(port, name=name, uuid=self._spec.uuid, owner=self._connection.owner))
            names.append(name)
        return tuple(names)

    def _like(self, state: State, old: Port) -> Port:
        """A port on the same network, with an address of its own."""
        number = state.new_port_index()
        outside = None if old.outside is None else replace(old.outside, interface_id=None)
        return replace(old, index=number, mac=mac_of(number), vif_id=None, outside=outside)

    def _new(self, state: State, index: int, nic: Nic) -> Port:
        number = state.new_port_index()
        return Port(
            name="",
            index=number,
            network=self._networks[index],
            uuid=self._spec.uuid,
            mac=nic.mac or mac_of(number),
            model=nic.model or NicModel.VIRTIO,
            vif_id=nic.vif_id,
            limits=nic.limits,
            queues=nic.queues or 1,
            mtu=nic.mtu,
            link_up=nic.link_up,
            tag=nic.tag,
            outside=outside_port(nic.binding),
        )

    def _define(self, volumes: tuple[tuple[str, str], ...], ports: tuple[str, ...]) -> None:
        spec = self._spec
        with self._world.changing() as state:
            self._finished(state)
            if state.claimants(spec.uuid):
                return
            original, shape = self._ready(state), self._world.shape
            own = replace(original.machine.cpu, host_cpus=())
            cpu = with_host_cpus(
                own, original.vcpus, frozenset(shape.dedicated), frozenset(state.dedicated_on(original.node))
            )
            native_id = state.new_native_id()
            cloud_init = spec.cloud_init
            guest = Guest(
                native_id=native_id,
                native_uuid=spec.uuid,
                name=spec.name,
                node=original.node,
                vcpus=original.vcpus,
                memory_bytes=original.memory_bytes,
                plugged_bytes=original.plugged_bytes,
                labels=frozen_labels(spec.labels),
                disks=volumes,
                ports=ports,
                firmware=original.firmware,
                machine=replace(original.machine, cpu=cpu),
                hostname=original.hostname if cloud_init is None else cloud_init.hostname or spec.name,
                obeys=original.obeys,
                has_agent=original.has_agent,
            )
            record = state.records.get(spec.uuid)
            if record is not None:
                guest = replace(guest, mark=state.put_record(replace(record, native_id=native_id)))
            state.put(replace(guest, told=devices_of(state, guest)))

    def _start(self) -> None:
        with self._world.changing() as state:
            guest = state.claimants(self._spec.uuid)[0]
            if guest.power_state is not PowerState.RUNNING:
                check_host(state, self._world.shape, guest.node, guest.vcpus, guest.memory_bytes)
                self._world.boot(state, guest)

    # --- failure --------------------------------------------------------------------------------------------------

    def _remains(self) -> list[Leftover]:
        with self._world.reading() as state:
            return remains.of(state, self._spec.uuid)

"""Making guests: the record first, then everything that carries the guest's uuid, the record's last word at the end."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from nova_virt_api.driver.operation import Stage
from nova_virt_api.errors import InstanceExists
from nova_virt_api.fake import remains
from nova_virt_api.fake.guest import Guest, Port, Volume, mac_of
from nova_virt_api.fake.image_cache import copy_name
from nova_virt_api.fake.images import Content, content_of
from nova_virt_api.fake.listing import ambiguous
from nova_virt_api.fake.machine import Machine
from nova_virt_api.fake.outside_port import outside_port
from nova_virt_api.fake.places import Places, check_host, check_pool, choose_places, node_for
from nova_virt_api.fake.seed import seed_content
from nova_virt_api.fake.steps import STAGES, Step
from nova_virt_api.fake.switches import SimulatedCrash
from nova_virt_api.fake.told import devices_of
from nova_virt_api.fake.undo import undo
from nova_virt_api.fake.volumes import attachments_of
from nova_virt_api.model.disk import DiskBus
from nova_virt_api.model.instance import PowerState
from nova_virt_api.model.nic import NicModel
from nova_virt_api.model.record import Phase, Record, fingerprint
from nova_virt_api.model.spec import Firmware, frozen_labels
from nova_virt_api.model.units import MiB

if TYPE_CHECKING:
    from nova_virt_api.driver.operation import Operation
    from nova_virt_api.fake.connection import Connection
    from nova_virt_api.fake.state import State
    from nova_virt_api.model.instance import Instance
    from nova_virt_api.model.leftover import Leftover
    from nova_virt_api.model.spec import InstanceSpec

SIDE_VOLUME_SIZE = MiB(1)
"""Size of the seed for cloud-init and of the firmware's variables."""


class Spawn:
    """One run of ``Driver.spawn``.

    Args:
        connection: for whom.
        spec: what was asked for.
        op: the operation worked for.
    """

    def __init__(self, connection: Connection, spec: InstanceSpec, op: Operation) -> None:
        self._connection = connection
        self._world = connection.world
        self._spec = spec
        self._op = op
        self._places: Places = choose_places(spec, self._world.shape)

    def run(self) -> Instance:
        """Make the guest, or find it made."""
        with self._connection.hold(self._spec.uuid, "spawn"):
            with self._world.reading() as state:
                found = self._finished(state)
                if found is not None:
                    return self._connection.listing.view(state, found)
            self._connection.step(Step.SPAWN_CLAIM, self._op)
            self._claim()
            try:
                self._build()
            except SimulatedCrash as crash:
                crash.leftovers = tuple(self._remains())
                raise
            except BaseException as error:
                undo(self._connection, self._spec.uuid, Step.SPAWN_UNDO, self._op, error)
                raise
            with self._world.reading() as state:
                return self._connection.listing.view(state, state.claimants(self._spec.uuid)[0])

    # --- who has the uuid -----------------------------------------------------------------------------------------

    def _finished(self, state: State) -> Guest | None:
        """The guest if it is all there already; None if it, or the rest of it, is to be made.

        Raises:
            InstanceExists: the uuid or the name is somebody else's.
            Ambiguous: several guests claim the uuid.
        """
        spec = self._spec
        claimants = state.claimants(spec.uuid)
        if len(claimants) > 1:
            raise ambiguous(spec.uuid, claimants)
        guest = claimants[0] if claimants else None
        record = state.records.get(spec.uuid)
        self._check_claim(guest, record)
        if any(other.uuid != spec.uuid for other in state.named(spec.name)):
            hint = "choose another name, or another uuid if it is the same guest that is meant"
            raise InstanceExists(f"another guest is called {spec.name!r}", hint=hint)
        if guest is None:
            node = self._node(state)
            if spec.power_on:
                check_host(state, self._world.shape, node, spec.vcpus, spec.memory_bytes)
        return guest if guest is not None and guest.finished else None

    def _node(self, state: State) -> str:
        return node_for(state, self._world.shape, self._places.node, self._spec.vcpus, self._spec.memory_bytes)

    def _check_claim(self, guest: Guest | None, record: Record | None) -> None:
        owner = self._connection.owner
        if record is not None and record.owner != owner:
            raise InstanceExists(f"guest {self._spec.uuid} belongs to {record.owner!r}")
        if record is not None and record.fingerprint != fingerprint(self._spec):
            hint = "destroy it first, or leave the spec as it was"
            raise InstanceExists(f"guest {self._spec.uuid} was asked for with another spec", hint=hint)
        if guest is not None and record is None and (owner is not None or not self._looks_alike(guest)):
            raise InstanceExists(f"{self._spec.uuid} is the uuid of {guest.name!r}, which was not made from this spec")

    def _looks_alike(self, guest: Guest) -> bool:
        """Whether an unmarked guest has what the spec says: without a mark this is all that can be compared."""
        spec = self._spec
        if self._world.shape.whole_nodes:
            spec = replace(spec, vcpus=guest.vcpus, memory_bytes=guest.memory_bytes)
        asked = (spec.name, spec.vcpus, spec.memory_bytes, len(spec.disks), len(spec.nics), spec.labels)
        return asked == (
            guest.name,
            guest.vcpus,
            guest.memory_bytes,
            len(guest.own_disks),
            len(guest.ports),
            guest.labels,
        )

    def _claim(self) -> None:
        """Write the record; a rest that an interrupted destroy left goes first."""
        with self._world.changing() as state:
            self._connection.check_holder(state, self._spec.uuid)
            self._finished(state)
            before = state.records.get(self._spec.uuid)
            if before is not None and before.phase is Phase.DELETING:
                remains.remove_all(state, self._spec.uuid)
            owner = self._connection.owner
            if owner is not None:
                record = state.records.get(self._spec.uuid) or Record(
                    uuid=self._spec.uuid, owner=owner, fingerprint=fingerprint(self._spec)
                )
                state.put_record(replace(record, phase=Phase.BUILDING, holder=self._connection.holder))

    # --- the parts ------------------------------------------------------------------------------------------------

    def _build(self) -> None:
        contents = self._images()
        volumes = self._volumes(contents)
        self._op.stage(Stage.DISKS_READY)
        ports = self._ports()
        self._op.stage(Stage.NETWORK_READY)
        self._connection.step(Step.SPAWN_DEFINE, self._op)
        self._define(volumes, ports)
        if self._spec.power_on:
            self._op.stage(Stage.BEFORE_START)
            self._connection.step(Step.SPAWN_START, self._op)
            self._start()
        self._connection.step(Step.SPAWN_FINISH, self._op)
        self._finish()

    def _images(self) -> list[Content]:
        self._op.stage(STAGES[Step.SPAWN_IMAGE])
        contents = []
        for index, disk in enumerate(self._spec.disks):
            self._connection.switches.reach(Step.SPAWN_IMAGE, self._op)
            contents.append(content_of(self._connection, disk, f"disks[{index}]", self._op))
            self._op.progress(index + 1, len(self._spec.disks))
        return contents

    def _volumes(self, contents: list[Content]) -> tuple[tuple[str, str], ...]:
        wanted = [
            replace(
                self._volume(self._places.pools[index], f"disk{index}", "disk", content.size_bytes, content.text),
                bus=disk.bus or DiskBus.VIRTIO,
                limits=disk.limits,
                cache=disk.cache,
                discard=disk.discard is not False,
                serial=disk.serial,
                tag=disk.tag,
                image=content.text if content.from_image else "",
                base=self._copy(self._places.pools[index], content),
            )
            for index, (disk, content) in enumerate(zip(self._spec.disks, contents, strict=True))
        ]
        if self._spec.cloud_init is not None:
            wanted.append(
                self._volume(self._places.pool, "seed", "seed", SIDE_VOLUME_SIZE, seed_content(self._spec.cloud_init))
            )
        if self._spec.tpm is not None:
            wanted.append(self._volume(self._places.pool, "tpm", "tpm", SIDE_VOLUME_SIZE, "state of the TPM"))
        if self._spec.uefi and not self._spec.stateless_firmware:
            wanted.append(self._volume(self._places.pool, "nvram", "nvram", SIDE_VOLUME_SIZE, "firmware variables"))
        self._op.stage(STAGES[Step.SPAWN_DISK])
        for index, volume in enumerate(wanted):
            self._connection.switches.reach(Step.SPAWN_DISK, self._op)
            with self._world.changing() as state:
                self._put_volume(state, volume)
            self._op.progress(index + 1, len(wanted))
        return tuple(volume.key for volume in wanted)

    def _copy(self, pool: str, content: Content) -> str:
        """The image's copy in the pool, if somebody has brought one there."""
        with self._world.reading() as state:
            copy = state.volumes.get((pool, copy_name(content.sha256)))
        return "" if copy is None else copy.name

    def _volume(self, pool: str, part: str, kind: str, size_bytes: int, content: str) -> Volume:
        return Volume(
            pool=pool,
            name=f"{self._spec.uuid}-{part}",
            kind=kind,
            size_bytes=size_bytes,
            uuid=self._spec.uuid,
            owner=self._connection.owner,
            content=content,
        )

    def _put_volume(self, state: State, volume: Volume) -> None:
        """Make a volume, unless an interrupted spawn made the very same."""
        there = state.volumes.get(volume.key)
        if there != volume:
            freed = there.size_bytes if there is not None else 0
            check_pool(state, self._world.shape, volume.pool, volume.size_bytes - freed)
            state.put_volume(volume)

    def _ports(self) -> tuple[str, ...]:
        self._op.stage(STAGES[Step.SPAWN_PORT])
        names = []
        for index, (nic, network) in enumerate(zip(self._spec.nics, self._places.networks, strict=True)):
            self._connection.switches.reach(Step.SPAWN_PORT, self._op)
            name = f"{self._spec.uuid}-nic{index}"
            with self._world.changing() as state:
                if name not in state.ports:
                    number = state.new_port_index()
                    state.put_port(
                        Port(
                            name=name,
                            index=number,
                            network=network,
                            uuid=self._spec.uuid,
                            owner=self._connection.owner,
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
                    )
            names.append(name)
        return tuple(names)

    def _define(self, volumes: tuple[tuple[str, str], ...], ports: tuple[str, ...]) -> None:
        spec = self._spec
        with self._world.changing() as state:
            self._finished(state)
            if state.claimants(spec.uuid):
                return
            shape, node = self._world.shape, self._node(state)
            native_id = state.new_native_id()
            guest = Guest(
                native_id=native_id,
                native_uuid=spec.uuid,
                name=spec.name,
                node=node,
                vcpus=shape.vcpus if shape.whole_nodes else spec.vcpus,
                memory_bytes=shape.memory_bytes if shape.whole_nodes else spec.memory_bytes,
                labels=frozen_labels(spec.labels),
                disks=volumes,
                ports=ports,
                firmware=Firmware.UEFI if spec.uefi else Firmware.BIOS,
                machine=Machine.of(spec, shape.dedicated, state.dedicated_on(node)),
                hostname=(spec.cloud_init.hostname if spec.cloud_init else None) or spec.name,
                has_agent=True,
                attached=attachments_of(sorted(spec.volumes, key=lambda volume: not volume.boot)),
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

    def _finish(self) -> None:
        with self._world.changing() as state:
            record = state.records.get(self._spec.uuid)
            if record is not None:
                state.put_record(replace(record, phase=Phase.READY, holder=None))

    # --- failure --------------------------------------------------------------------------------------------------

    def _remains(self) -> list[Leftover]:
        with self._world.reading() as state:
            return remains.of(state, self._spec.uuid)

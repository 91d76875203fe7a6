"""Volumes of storage services: who the hosts are to them, and guests that get, lose and change them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from nova_virt_api.capability import Capability, Feature
from nova_virt_api.driver.volumes import Volumes
from nova_virt_api.errors import InvalidSpec, InvalidState, NoCapacity, VolumeError
from nova_virt_api.fake.guest import Attachment
from nova_virt_api.fake.listing import find
from nova_virt_api.fake.steps import Step
from nova_virt_api.fake.storage_volumes import grow_with_guest
from nova_virt_api.fake.told import free_place, volume_address
from nova_virt_api.model.disk import DiskBus
from nova_virt_api.model.identity import stable_uuid
from nova_virt_api.model.instance import PowerState
from nova_virt_api.model.spec import MOST_DEVICES, require_one
from nova_virt_api.model.volume import AttachedVolume, VolumeConnector
from nova_virt_api.model.volume_connection import OpaqueVolume

if TYPE_CHECKING:
    from nova_virt_api.driver.operation import Operation
    from nova_virt_api.fake.connection import Connection
    from nova_virt_api.fake.guest import Guest
    from nova_virt_api.fake.state import State
    from nova_virt_api.model.identity import InstanceRef
    from nova_virt_api.model.volume import Volume

RUNNING: Final = (PowerState.RUNNING, PowerState.PAUSED)
CHANGEABLE: Final = (*RUNNING, PowerState.SHUTDOWN)
ROUNDS: Final = 4
"""Steps in which a volume is copied to another."""

UNREACHABLE: Final = "unreachable"
"""A volume whose id begins so cannot be reached."""

SERIAL_LENGTH: Final = 20


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
            nqn=f"nqn.2014-08.org.nvmexpress:uuid:{stable_uuid(name)}",
        )

    def volumes(self, guest: InstanceRef) -> Sequence[AttachedVolume]:
        self._require(Feature.ATTACH_VOLUMES)
        self.connection.switches.reach(Step.READ)
        with self.connection.world.reading() as state:
            found = find(guest, state.claimants(guest.uuid))
            return tuple(shown(attachment, index) for index, attachment in enumerate(found.attached))

    def attach_volume(self, guest: InstanceRef, volume: Volume, op: Operation) -> AttachedVolume:
        connection = self.connection
        self._require(Feature.ATTACH_VOLUMES)
        if volume.boot:
            raise InvalidSpec("volume.boot", True, "False: a guest's system is chosen when the guest is made")
        with connection.hold(guest.uuid, "attach volume"):
            with connection.world.reading() as state:
                there = attached(self._changeable(state, guest, CHANGEABLE), volume.id)
                if there is not None:
                    return there
            connection.step(Step.ATTACH_VOLUME, op)
            refuse_unreachable(volume)
            with connection.world.changing() as state:
                found = self._changeable(state, guest, CHANGEABLE)
                if len(found.attached) >= MOST_DEVICES:
                    raise NoCapacity("volumes", f"the guest has {len(found.attached)} volumes, and no place for more")
                attachment = replace(attachment_of(volume), place=free_place(found.attached))
                state.put(replace(found, attached=(*found.attached, attachment)))
                return shown(attachment, len(found.attached))

    def detach_volume(self, guest: InstanceRef, volume_id: str, op: Operation) -> None:
        connection = self.connection
        self._require(Feature.ATTACH_VOLUMES)
        with connection.hold(guest.uuid, "detach volume"):
            with connection.world.reading() as state:
                if attached(self._changeable(state, guest, CHANGEABLE), volume_id) is None:
                    return
            connection.step(Step.DETACH_VOLUME, op)
            with connection.world.changing() as state:
                found = self._changeable(state, guest, CHANGEABLE)
                left = tuple(attachment for attachment in found.attached if attachment.id != volume_id)
                state.put(replace(found, attached=left))

    def extend_volume(self, guest: InstanceRef, volume_id: str, size_bytes: int, op: Operation) -> None:
        connection = self.connection
        self._require(Feature.EXTEND_VOLUME)
        with connection.hold(guest.uuid, "extend volume"):
            with connection.world.reading() as state:
                size = used(self._changeable(state, guest, CHANGEABLE), volume_id).size_bytes
            if size is not None and size > size_bytes:
                raise InvalidSpec("size_bytes", size_bytes, f"at least {size}: a volume only grows")
            if size == size_bytes:
                return
            connection.step(Step.EXTEND_VOLUME, op)
            with connection.world.changing() as state:
                found = self._changeable(state, guest, CHANGEABLE)
                grown = replace(used(found, volume_id), size_bytes=size_bytes)
                state.put(replace(found, attached=exchanged(found, volume_id, grown)))
                grow_with_guest(state, volume_id, size_bytes)

    def swap_volume(self, guest: InstanceRef, volume_id: str, volume: Volume, op: Operation) -> AttachedVolume:
        connection = self.connection
        self._require(Feature.SWAP_VOLUME)
        if volume.id == volume_id:
            raise InvalidSpec("volume.id", volume.id, "another volume than the one that is swapped")
        with connection.hold(guest.uuid, "swap volume"):
            with connection.world.reading() as state:
                found = self._changeable(state, guest, RUNNING)
                there = attached(found, volume.id)
                if there is not None and attached(found, volume_id) is None:
                    return there
                refuse_swap(found, volume_id, there)
            refuse_unreachable(volume)
            for done in range(ROUNDS):
                connection.step(Step.COPY_VOLUME, op)
                op.progress(done + 1, ROUNDS)
            connection.step(Step.SWITCH_VOLUME, op)
            with connection.world.changing() as state:
                found = self._changeable(state, guest, RUNNING)
                old = used(found, volume_id)
                how = attachment_of(volume)
                new = replace(old, id=how.id, kind=how.kind, encrypted=how.encrypted)
                state.put(replace(found, attached=exchanged(found, volume_id, new)))
                return shown(new, found.attached.index(old))

    def _require(self, feature: Feature) -> None:
        self.connection.require(Capability.VOLUMES)
        self.connection.require(feature)

    def _changeable(self, state: State, guest: InstanceRef, states: tuple[PowerState, ...]) -> Guest:
        found = self.connection.ready(state, guest)
        if found.power_state not in states:
            raise InvalidState(found.power_state, states)
        return found


def attachment_of(volume: Volume) -> Attachment:
    """What a guest knows of a storage service's volume: nothing secret."""
    connection = volume.connection
    kind = type(connection).__name__.removesuffix("Volume").lower()
    return Attachment(
        id=volume.id,
        boot=volume.boot,
        kind=connection.kind if isinstance(connection, OpaqueVolume) else kind,
        bus=volume.bus or DiskBus.VIRTIO,
        encrypted=volume.encryption is not None,
        shared=volume.shared,
        read_only=volume.read_only,
        serial=volume.serial or volume.id[:SERIAL_LENGTH],
        tag=volume.tag,
    )


def attachments_of(volumes: Sequence[Volume]) -> tuple[Attachment, ...]:
    """The same of all volumes that a guest is made with."""
    return tuple(replace(attachment_of(volume), place=place) for place, volume in enumerate(volumes))


def shown(attachment: Attachment, index: int) -> AttachedVolume:
    """A volume as the API shows it."""
    return AttachedVolume(
        id=attachment.id,
        device=f"volume{index}",
        bus=attachment.bus,
        boot=attachment.boot,
        encrypted=attachment.encrypted,
        shared=attachment.shared,
        read_only=attachment.read_only,
        serial=attachment.serial,
        tag=attachment.tag,
        address=volume_address(attachment),
    )


def attached(guest: Guest, volume_id: str) -> AttachedVolume | None:
    """The volume of this id; None if the guest does not use it."""
    numbered = enumerate(guest.attached)
    return next((shown(attachment, index) for index, attachment in numbered if attachment.id == volume_id), None)


def used(guest: Guest, volume_id: str) -> Attachment:
    """What a guest knows of the volume of this id.

    Raises:
        InvalidSpec: it uses no such volume.
    """
    for attachment in guest.attached:
        if attachment.id == volume_id:
            return attachment
    raise InvalidSpec("volume_id", volume_id, "the id of a volume that the guest uses")


def exchanged(guest: Guest, volume_id: str, by: Attachment) -> tuple[Attachment, ...]:
    """A guest's volumes with this one in the place of another."""
    return tuple(by if attachment.id == volume_id else attachment for attachment in guest.attached)


def refuse_swap(guest: Guest, volume_id: str, there: AttachedVolume | None) -> None:
    """Refuse to swap a volume that is not there for one, or for one that is there too.

    Raises:
        InvalidSpec: it is so.
    """
    used(guest, volume_id)
    if there is not None:
        raise InvalidSpec("volume.id", there.id, "a volume that the guest does not use yet")


def refuse_unreachable(volume: Volume) -> None:
    """Refuse a volume that plays one whose storage service does not answer.

    Raises:
        VolumeError: it does.
    """
    if volume.id.startswith(UNREACHABLE):
        raise VolumeError(f"volume {volume.id} cannot be reached", hint="see that its storage service exports it")

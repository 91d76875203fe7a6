"""A fake guest with another size, or with its old one."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from nova_virt_api.errors import InvalidSpec, MigrationError, NoCapacity
from nova_virt_api.fake.guest import Port, mac_of
from nova_virt_api.fake.outside_port import outside_port
from nova_virt_api.fake.places import check_host, check_pool
from nova_virt_api.fake.resizing import DiskBefore, NicBefore, Resizing, asked
from nova_virt_api.fake.state import HOLDS_MEMORY
from nova_virt_api.fake.told import free_place
from nova_virt_api.fake.volumes import attachment_of
from nova_virt_api.model.nic import Nic, NicModel

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from nova_virt_api.fake.guest import Attachment, Guest, Volume
    from nova_virt_api.fake.shape import Shape
    from nova_virt_api.fake.state import State
    from nova_virt_api.model.size import Size
    from nova_virt_api.model.volume import Volume as StorageVolume

    Cards = Sequence[tuple[Nic, str]]


def begun(state: State, guest: Guest, size: Size, token: str, *, away: bool) -> Resizing:
    """What is remembered of a guest that is going to be resized.

    Raises:
        InvalidSpec: a disk would shrink, or there is no such disk.
    """
    check_disks(state, guest, size)
    volumes = [state.volumes[key] for key in guest.own_disks]
    ports = [state.ports[name] for name in guest.ports if name in state.ports]
    return Resizing(
        token=token,
        **asked(size),
        away=away,
        old_vcpus=guest.vcpus,
        old_memory_bytes=guest.memory_bytes,
        old_plugged_bytes=guest.plugged_bytes,
        disks=tuple(DiskBefore(pool=v.pool, name=v.name, size_bytes=v.size_bytes, content=v.content) for v in volumes),
        nics=tuple(
            NicBefore(
                mac=port.mac,
                network=port.network,
                model=port.model.value,
                vif_id=port.vif_id,
                outside=port.outside,
                tag=port.tag,
            )
            for port in ports
        ),
    )


def reshaped(state: State, guest: Guest, size: Size, cards: Cards | None) -> Guest:
    """Give the guest its new size, and these interfaces in place of its own."""
    for index, volume in enumerate([state.volumes[key] for key in guest.own_disks]):
        state.put_volume(replace(volume, size_bytes=size.disk(index) or volume.size_bytes))
    if cards is not None:
        guest = connected(state, guest, cards)
    if size.memory_bytes is not None:
        guest = replace(guest, memory_bytes=size.memory_bytes, plugged_bytes=0)
    return state.put(replace(guest, vcpus=size.vcpus or guest.vcpus))


def put_back(state: State, guest: Guest, cards: Cards | None, volumes: Sequence[StorageVolume] | None) -> Guest:
    """Give the guest back as it was, stopped, with these interfaces and volumes if some are named."""
    before = guest.resizing
    if before is None:
        return guest
    for disk in before.disks:
        volume = state.volumes[disk.pool, disk.name]
        state.put_volume(replace(volume, size_bytes=disk.size_bytes, content=disk.content))
    if cards is not None or before.done:
        old = [(nic_before(nic), nic.network) for nic in before.nics]
        guest = connected(state, guest, old if cards is None else cards)
    machine = guest.machine_before or guest.machine
    guest = replace(guest, attached=guest.attached_before, attached_before=(), machine=machine, machine_before=None)
    if volumes is not None:
        guest = using(guest, volumes)
    return state.put(
        replace(
            guest.stopped(),
            vcpus=before.old_vcpus,
            memory_bytes=before.old_memory_bytes,
            plugged_bytes=before.old_plugged_bytes,
            resizing=None,
        )
    )


def nic_before(nic: NicBefore) -> Nic:
    """What would have to be asked for to get such a port."""
    binding = None if nic.outside is None else nic.outside.binding
    return Nic(mac=nic.mac, model=NicModel(nic.model), vif_id=nic.vif_id, binding=binding, tag=nic.tag)


def connected(state: State, guest: Guest, cards: Cards) -> Guest:
    """The guest with these interfaces; one that it has already stays the same port."""
    there = {state.ports[name].mac: name for name in guest.ports if name in state.ports}
    names: list[str] = []
    for nic, network in cards:
        name = there.pop(nic.mac, None) if nic.mac is not None else None
        names.append(name or new_port(state, guest, nic, network))
    for name in there.values():
        state.drop_port(name)
    return replace(guest, ports=tuple(names))


def new_port(state: State, guest: Guest, nic: Nic, network: str) -> str:
    """The name of a new port of the guest."""
    number = state.new_port_index()
    port = Port(
        name=f"{guest.uuid}-port{number}",
        index=number,
        network=network,
        outside=outside_port(nic.binding),
        uuid=guest.uuid,
        owner=guest.owner,
        mac=nic.mac or mac_of(number),
        model=nic.model or NicModel.VIRTIO,
        vif_id=nic.vif_id,
        tag=nic.tag,
    )
    state.put_port(port)
    return port.name


def using(guest: Guest, volumes: Sequence[StorageVolume]) -> Guest:
    """The guest with these volumes of a storage service, the one to boot from first; one that it has stays as it is."""
    there = {volume.id: volume for volume in guest.attached}
    wanted = sorted(volumes, key=lambda volume: not volume.boot)
    used: tuple[Attachment, ...] = ()
    for volume in wanted:
        place = free_place((*guest.attached, *used))
        used = (*used, as_before(volume, there.get(volume.id), place))
    return replace(guest, attached=used)


def as_before(volume: StorageVolume, before: Attachment | None, place: int) -> Attachment:
    """A volume as the guest sees it from now on, which is as it saw it before unless something else is asked for.

    Args:
        volume: it.
        before: as what the guest had it; None if it had not.
        place: where the guest finds it if it is new.
    """
    now = attachment_of(volume)
    if before is None:
        return replace(now, place=place)
    return replace(
        now,
        bus=volume.bus or before.bus,
        serial=volume.serial or before.serial,
        tag=volume.tag or before.tag,
        place=before.place,
    )


def refuse_locked(guest: Guest, named: Collection[str], phase: str) -> None:
    """Refuse a guest with volumes of which another endpoint cannot know how they are decrypted.

    Raises:
        MigrationError: names them.
    """
    locked = [volume.id for volume in guest.attached if volume.encrypted and volume.id not in named]
    if locked:
        message = f"the passwords of volumes are known to the source alone: {', '.join(locked)}"
        raise MigrationError(phase, message, hint="name the guest's volumes, with their passwords")


def check_start(state: State, shape: Shape, guest: Guest, size: Size) -> None:
    """Refuse to start a guest of this size for which its host has no room; it gives up what it holds now.

    Raises:
        NoCapacity: names the resource.
    """
    if guest.power_state not in HOLDS_MEMORY:
        check_host(state, shape, guest.node, size.vcpus or guest.vcpus, size.memory_bytes or guest.memory_bytes)


def check_disks(state: State, guest: Guest, size: Size) -> None:
    """Refuse sizes that disks cannot have.

    Raises:
        InvalidSpec: a disk would shrink, or there is no such disk.
    """
    for index, wanted in enumerate(size.disks):
        if index >= len(guest.own_disks):
            raise InvalidSpec(f"size.disks[{index}]", wanted, f"sizes of the guest's {len(guest.own_disks)} own disks")
        there = state.volumes[guest.own_disks[index]].size_bytes
        if wanted is not None and wanted < there:
            raise InvalidSpec(f"size.disks[{index}]", wanted, f"at least {there}, the disk's size: disks only grow")


def check_room(state: State, shape: Shape, guest: Guest, size: Size) -> None:
    """Refuse what the endpoint will never have, and disks for which there is no room.

    Raises:
        InvalidSpec: a disk would shrink, or there is no such disk.
        NoCapacity: names the resource.
    """
    check_disks(state, guest, size)
    if (size.vcpus or 0) > shape.vcpus:
        raise NoCapacity("vcpus", f"hosts have {shape.vcpus} virtual CPUs, {size.vcpus} are needed")
    if (size.memory_bytes or 0) > shape.memory_bytes:
        raise NoCapacity("memory_bytes", f"hosts have {shape.memory_bytes} bytes, {size.memory_bytes} are needed")
    volumes = [state.volumes[key] for key in guest.own_disks]
    for pool in {volume.pool for volume in volumes}:
        check_pool(state, shape, pool, grown(volumes, size, pool))


def grown(volumes: Sequence[Volume], size: Size, pool: str) -> int:
    """How many bytes more a guest's disks take from a pool."""
    pairs = [(volume.size_bytes, size.disk(i)) for i, volume in enumerate(volumes) if volume.pool == pool]
    return sum((wanted or before) - before for before, wanted in pairs)

"""A guest's volumes where it is resized, moved or brought back: the same disks, reached as its host reaches them."""

from __future__ import annotations

from copy import deepcopy
from itertools import count
from typing import TYPE_CHECKING, Any, Final

from nova_virt_api.errors import MigrationError
from nova_virt_api.model.disk import DiskBus
from nova_virt_libvirt.devices.disk import PREFIXES, controller_element, letters, scsi_controller
from nova_virt_libvirt.devices.volume_disk import Label, VolumeDisk, label_of
from nova_virt_libvirt.errors import translated
from nova_virt_libvirt.volumes.secrets import define_secrets, secrets_of
from nova_virt_libvirt.volumes.source import INITIATOR, described, initiator_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from uuid import UUID

    import libvirt

    from nova_virt_api.model.volume import Volume
    from nova_virt_libvirt.site import Site

ANEW: Final = ("readonly", "shareable", "boot")
"""What a disk is given anew with its volume; its name, address and serial number stay."""

OF_ANOTHER_PLACE: Final = ("backingStore", "mirror")


def volumes_to_be(
    site: Site, guest: UUID, volumes: Sequence[Volume] | None, field: str, turn: str = ""
) -> list[VolumeDisk] | None:
    """The volumes with how this endpoint's host reaches them; None for None.

    Args:
        site: the endpoint.
        guest: who uses them.
        volumes: as they were asked for.
        field: where, for errors.
        turn: of their passwords.

    Raises:
        InvalidSpec: the driver makes no such connections.
        NotSupported: the host itself would have to connect one that it has not connected for the guest before.
    """
    if volumes is None:
        return None
    return [
        VolumeDisk(*described(site, guest, volume, f"{field}[{index}].connection", turn))
        for index, volume in enumerate(volumes)
    ]


def let_open(connection: libvirt.virConnect, guest: UUID, volumes: Iterable[VolumeDisk], turn: str = "") -> None:
    """Give libvirt the passwords that it needs to open volumes."""
    for one in volumes:
        define_secrets(connection, guest, one.volume, turn)


def used_volumes(definition: Any) -> dict[str, Any]:
    """The disks of a definition that are volumes, by the volume's id."""
    return {label.id: disk for disk in definition.iterfind("devices/disk") if (label := label_of(disk)) is not None}


def set_volumes(definition: Any, volumes: Sequence[VolumeDisk]) -> None:
    """Let a guest that is off use these volumes and no others. One that it has keeps its disk."""
    devices, there = definition.find("devices"), used_volumes(definition)
    wanted = {one.volume.id for one in volumes}
    for gone in [disk for volume_id, disk in there.items() if volume_id not in wanted]:
        devices.remove(gone)
    if any(one.volume.boot for one in volumes):
        for boot in definition.findall("devices/disk/boot[@order='1']"):
            boot.getparent().remove(boot)
    for one in volumes:
        disk = there.get(one.volume.id)
        if disk is None:
            add(definition, one)
        elif one.volume.bus is None or one.volume.bus.value == disk.find("target").get("bus"):
            change(disk, one)
        else:
            devices.remove(disk)
            add(definition, one)
    see_to_boot(definition)


def change(disk: Any, wanted: VolumeDisk) -> None:
    """Let a disk be a volume that is reached in this way, and as the guest is to use it from now on."""
    new = wanted.element(disk.find("target").get("dev"))
    for name in ANEW:
        for old in disk.findall(name):
            disk.remove(old)
        disk.extend(new.findall(name))
    reach(disk, new)
    before = label_of(disk)
    tag = wanted.volume.tag or (None if before is None else before.tag)
    disk.find("alias").set("name", Label(id=wanted.volume.id, tag=tag).alias())
    if wanted.volume.serial is not None:
        disk.find("serial").text = wanted.volume.serial


def reach(disk: Any, new: Any) -> None:
    """Let QEMU reach a disk's volume as another disk does; the guest sees nothing of it."""
    for name in ("source", *OF_ANOTHER_PLACE):
        for old in disk.findall(name):
            disk.remove(old)
    disk.append(deepcopy(new.find("source")))
    disk.set("type", new.get("type"))
    driver = disk.find("driver")
    driver.attrib.pop("cache", None)
    driver.attrib.update(new.find("driver").attrib)


def add(definition: Any, wanted: VolumeDisk) -> None:
    """Give the guest one more disk."""
    taken = {target.get("dev") for target in definition.iterfind("devices/disk/target")}
    target = next(name for number in count() if (name := PREFIXES[wanted.bus] + letters(number)) not in taken)
    devices = definition.find("devices")
    devices.append(wanted.element(target))
    if wanted.bus is DiskBus.SCSI:
        there = {one.get("index") for one in devices.iterfind("controller[@type='scsi']")}
        for index in range(scsi_controller(target) + 1):
            if str(index) not in there:
                devices.append(controller_element(index))


def see_to_boot(definition: Any) -> None:
    """Where the volume to boot from is gone, the guest boots from its first disk."""
    first = definition.find("devices/disk")
    if first is None or definition.find("os/boot") is not None or definition.find("devices/*/boot") is not None:
        return
    first.append(first.makeelement("boot", {"order": "1"}))


def log_in_as(definition: Any, host: str) -> None:
    """Let a guest's iSCSI targets be told which host it is on: a host would end what another does under its name.

    Args:
        definition: the guest's.
        host: the host's uuid.
    """
    for name in definition.iterfind("devices/disk/source/initiator/iqn"):
        if name.get("name", "").startswith(f"{INITIATOR}:"):
            name.set("name", initiator_of(host))


def locked_volumes(connection: libvirt.virConnect, guest: UUID, disks: Mapping[str, Any]) -> list[str]:
    """The ids of volumes whose passwords this driver gave to their host's libvirt, which only tells QEMU.

    A Ceph secret that whoever set up the hosts gave them is not one: it is on each host, under one uuid.

    Args:
        connection: to that host.
        guest: who uses them.
        disks: its disks that are volumes, by the volume's id.
    """
    with translated(f"look for passwords of guest {guest}"):
        own = {secret.UUIDString() for secret in secrets_of(connection, guest)}
    return [
        volume_id
        for volume_id, disk in disks.items()
        if any(secret.get("uuid") in own for secret in disk.iterfind(".//secret"))
    ]


def refuse_locked(volumes: Sequence[str], phase: str, field: str) -> None:
    """Refuse to let volumes be opened on a host that has no passwords for them.

    Raises:
        MigrationError: names them.
    """
    if volumes:
        message = f"the passwords of volumes are known to the source's host alone: {', '.join(volumes)}"
        raise MigrationError(phase, message, hint=f"give all volumes of the guest with their passwords in {field}")

"""Disks and the medium with first-boot data."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from string import ascii_lowercase
from typing import Any, Final

from lxml import etree
from lxml.builder import E

from nova_virt_api.errors import InvalidSpec
from nova_virt_api.model.disk import DiskBus, DiskCache
from nova_virt_api.model.image import ImageFormat
from nova_virt_api.model.limits import DiskLimits
from nova_virt_libvirt.devices.limits import disk_limit_elements
from nova_virt_libvirt.devices.tag import DISK, tagged
from nova_virt_libvirt.devices.volume_disk import VolumeDisk

PREFIXES: Final = {DiskBus.VIRTIO: "vd", DiskBus.SATA: "sd", DiskBus.SCSI: "sd", DiskBus.IDE: "hd", DiskBus.USB: "sd"}
DISKS_OF_SCSI: Final = 7
"""So many of one SCSI controller's targets libvirt uses."""

MOST_IDE: Final = 4
"""Disks on the two IDE channels of the machine type ``pc``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DiskFile:
    """A volume that becomes a disk.

    Args:
        path: where the hypervisor has it.
        format: its format; never guessed from its content, which the guest writes.
        bus: on which bus the guest sees it.
        limits: how fast the guest may use it.
        cache: how the host caches it; None for QEMU's own way.
        discard: whether space that the guest discards is given back.
        serial: the serial number that the guest sees; None for none.
        tag: what the guest is told of it; None for nothing.
    """

    path: str
    format: ImageFormat
    bus: DiskBus
    limits: DiskLimits | None = None
    cache: DiskCache | None = None
    discard: bool = True
    serial: str | None = None
    tag: str | None = None


def disk_elements(
    disks: Sequence[DiskFile], seed: str | None, volumes: Sequence[VolumeDisk] = ()
) -> Iterator[etree._Element]:
    """The volume to boot from, if there is one, the disks in order, the other volumes, then the seed.

    Without such a volume the first disk is the one to boot from.

    The seed is on the bus of the boot disk, since that is the one that the guest's kernel is sure to have a driver for:
    with virtio a read-only disk (there is no virtio CD drive), else a CD.
    """
    names = TargetNames()
    roots = [one for one in volumes if one.volume.boot]
    for root in roots:
        yield root.element(names.take(root.bus))
    for index, disk in enumerate(disks):
        yield disk_element(disk, names.take(disk.bus), boots=index == 0 and not roots)
    for one in volumes:
        if not one.volume.boot:
            yield one.element(names.take(one.bus))
    if seed is not None:
        buses = (*(root.bus for root in roots), *(disk.bus for disk in disks), DiskBus.SATA)
        bus = buses[0]
        yield seed_element(seed, bus, names.take(bus))
    if names.taken("hd") > MOST_IDE:
        raise InvalidSpec("disks", f"{names.taken('hd')} on IDE", f"at most {MOST_IDE} there, first-boot data included")


def controller_elements(disks: Iterable[etree._Element]) -> Iterator[etree._Element]:
    """The controllers of which libvirt would choose another kind by itself.

    Args:
        disks: the guest's disks; libvirt tells by the letters of a disk's target which controller it is on.
    """
    targets: list[Any] = [disk.find("target") for disk in disks]
    last = max((scsi_controller(one.get("dev")) for one in targets if one.get("bus") == DiskBus.SCSI.value), default=-1)
    for index in range(last + 1):
        yield controller_element(index)


def controller_element(index: int) -> etree._Element:
    """A SCSI controller of a kind that guests have a driver for."""
    return E.controller(type="scsi", index=str(index), model="virtio-scsi")


def scsi_controller(target: str) -> int:
    """Number of the SCSI controller that libvirt puts a disk of this target on."""
    name = target.removeprefix(PREFIXES[DiskBus.SCSI])
    return next(number for number in count() if letters(number) == name) // DISKS_OF_SCSI


def disk_element(disk: DiskFile, target: str, *, boots: bool) -> etree._Element:
    """A disk that the guest writes to."""
    element = E.disk(
        E.driver(name="qemu", type=disk.format.value, discard="unmap" if disk.discard else "ignore"),
        E.source(file=disk.path),
        E.target(dev=target, bus=disk.bus.value),
        type="file",
        device="disk",
    )
    if boots:
        element.append(E.boot(order="1"))
    if disk.cache is not None:
        element[0].set("cache", disk.cache.value)
    if disk.serial is not None:
        element.append(E.serial(disk.serial))
    element.extend(disk_limit_elements(disk.limits))
    if disk.tag is not None:
        element.append(tagged(DISK, target, disk.tag))
    return element


def seed_element(path: str, bus: DiskBus, target: str) -> etree._Element:
    """The medium with first-boot data."""
    return E.disk(
        E.driver(name="qemu", type=ImageFormat.RAW.value),
        E.source(file=path),
        E.target(dev=target, bus=bus.value),
        E.readonly(),
        type="file",
        device="disk" if bus is DiskBus.VIRTIO else "cdrom",
    )


class TargetNames:
    """Hands out ``vda``, ``vdb``, ..., one row of letters per prefix."""

    def __init__(self) -> None:
        self._counts: dict[str, int] = {}

    def take(self, bus: DiskBus) -> str:
        """The next name on this bus."""
        prefix = PREFIXES[bus]
        number = self._counts.get(prefix, 0)
        self._counts[prefix] = number + 1
        return prefix + letters(number)

    def taken(self, prefix: str) -> int:
        """How many names with this prefix were handed out."""
        return self._counts.get(prefix, 0)


def letters(number: int) -> str:
    """0 is ``a``, 25 ``z``, 26 ``aa``, as Linux counts disks."""
    text = ""
    number += 1
    while number:
        number, rest = divmod(number - 1, 26)
        text = ascii_lowercase[rest] + text
    return text

"""What a guest is made from: a template, or nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from pyVmomi import vim

from nova_virt_api.errors import ImageNotFound, InvalidSpec
from nova_virt_api.model.disk import Blank
from nova_virt_api.model.image import Native, Template
from nova_virt_api.model.spec import Firmware
from nova_virt_vmware.errors import moref_of
from nova_virt_vmware.property_collector import look_at, retrieve

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nova_virt_api.driver.operation import Operation
    from nova_virt_api.model.spec import InstanceSpec
    from nova_virt_vmware.connection import Connection

PATHS: Final = ("name", "config.template", "config.hardware.device", "config.firmware")
PATH_SEPARATOR: Final = "/"
FIRMWARES: Final = {Firmware.BIOS: "bios", Firmware.UEFI: "efi"}
"""``GuestOsDescriptorFirmwareType``."""

KIBI: Final = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A template.

    Args:
        moref: its managed object id.
        name: its name.
        whole: whether all of the machine was asked for, and not only its disk.
        disk_bytes: sizes of its disks.
        firmware: what starts it.
    """

    moref: str
    name: str
    whole: bool
    disk_bytes: tuple[int, ...]
    firmware: str


def find_source(connection: Connection, spec: InstanceSpec, op: Operation) -> Source | None:
    """The template that a spec names; None for a guest that begins with blank disks, or none.

    Raises:
        ImageNotFound: there is no such template.
        InvalidSpec: it is none that the spec can be made from.
    """
    check_sources(spec)
    first = spec.disks[0].source if spec.disks else Blank()
    if not isinstance(first, Native | Template):
        return None
    moref, values = template(connection, first.ref, op)
    sizes = tuple(size_of(device) for device in values.get("config.hardware.device", ()) if is_disk(device))
    source = Source(
        moref=moref,
        name=str(values.get("name", moref)),
        whole=isinstance(first, Template),
        disk_bytes=sizes,
        firmware=str(values.get("config.firmware", "")),
    )
    check_fits(source, spec)
    return source


def check_sources(spec: InstanceSpec) -> None:
    """Refuse disks that cannot come from where the spec says.

    Raises:
        InvalidSpec: there is one.
    """
    for index, disk in enumerate(spec.disks[1:], start=1):
        if not isinstance(disk.source, Blank):
            raise InvalidSpec(
                f"disks[{index}].source", disk.source, "Blank(): only the first disk comes from a template"
            )


def check_fits(source: Source, spec: InstanceSpec) -> None:
    """Refuse a template that the guest cannot be made from.

    Raises:
        InvalidSpec: it has no disk, or too many, or a larger one, or another firmware.
    """
    if not source.disk_bytes or (len(source.disk_bytes) > 1 and not source.whole):
        count = len(source.disk_bytes)
        raise InvalidSpec(
            "disks[0].source", source.name, f"a template with one disk, this has {count}; Template() takes all of one"
        )
    size = spec.disks[0].size_bytes
    if size is not None and size < source.disk_bytes[0]:
        raise InvalidSpec("disks[0].size_bytes", size, f"at least {source.disk_bytes[0]}, the template's own size")
    if spec.firmware is not None and source.firmware not in ("", FIRMWARES[spec.firmware]):
        raise InvalidSpec("firmware", spec.firmware.value, f"{source.firmware}, which the template is made for")


def template(connection: Connection, ref: str, op: Operation) -> tuple[str, Mapping[str, Any]]:
    """A template by its id, its name, or its path in the inventory, e.g. ``/DC0/vm/images/debian-13``.

    Raises:
        ImageNotFound: there is none.
        InvalidSpec: several have the name.
    """
    if ref.startswith(PATH_SEPARATOR):
        index = connection.content.searchIndex
        native = connection.read(f"look for template {ref}", lambda: index.FindByInventoryPath(inventoryPath=ref), op)
        found = [] if not isinstance(native, vim.VirtualMachine) else [moref_of(native)]
    else:
        rows = retrieve(connection, vim.VirtualMachine, ("name", "config.template"), None, op)
        found = [
            moref for moref, values in rows if values.get("config.template") and ref in (moref, values.get("name"))
        ]
    if len(found) > 1:
        raise InvalidSpec("disks[0].source", ref, f"one of these ids: {', '.join(sorted(found))}, or a path")
    looked = list(look_at(connection, vim.VirtualMachine, found, PATHS, op)) if found else []
    if not looked or not looked[0][1].get("config.template"):
        raise ImageNotFound(f"there is no template {ref!r}", hint="name a template, its path or its id, e.g. vm-42")
    return looked[0]


def is_disk(device: Any) -> bool:
    """Whether a device is a disk."""
    return isinstance(device, vim.vm.device.VirtualDisk)


def size_of(disk: Any) -> int:
    """A disk's size in bytes; servers before 5.5 told whole KiB only."""
    return int(disk.capacityInBytes or disk.capacityInKB * KIBI)

"""What the hypervisor offers, in the names of os-traits."""

from collections.abc import Iterator
from typing import Final

from nova_virt_libvirt.emulator import Emulator

FIRMWARE: Final = {"bios": "COMPUTE_FIRMWARE_BIOS", "efi": "COMPUTE_FIRMWARE_UEFI"}
BUSES: Final = {
    "fdc": "COMPUTE_STORAGE_BUS_FDC",
    "ide": "COMPUTE_STORAGE_BUS_IDE",
    "sata": "COMPUTE_STORAGE_BUS_SATA",
    "scsi": "COMPUTE_STORAGE_BUS_SCSI",
    "usb": "COMPUTE_STORAGE_BUS_USB",
    "virtio": "COMPUTE_STORAGE_BUS_VIRTIO",
}
VIDEO: Final = {
    "bochs": "COMPUTE_GRAPHICS_MODEL_BOCHS",
    "cirrus": "COMPUTE_GRAPHICS_MODEL_CIRRUS",
    "none": "COMPUTE_GRAPHICS_MODEL_NONE",
    "qxl": "COMPUTE_GRAPHICS_MODEL_QXL",
    "vga": "COMPUTE_GRAPHICS_MODEL_VGA",
    "virtio": "COMPUTE_GRAPHICS_MODEL_VIRTIO",
    "vmvga": "COMPUTE_GRAPHICS_MODEL_VMVGA",
}
ALWAYS: Final = ("COMPUTE_IMAGE_TYPE_QCOW2", "COMPUTE_IMAGE_TYPE_RAW", "HW_ARCH_X86_64")


def traits_of(emulator: Emulator) -> tuple[str, ...]:
    """The traits, sorted."""
    return tuple(sorted({*ALWAYS, *found(emulator)}))


def found(emulator: Emulator) -> Iterator[str]:
    """The traits that depend on the host."""
    for table, names in ((FIRMWARE, emulator.firmware), (BUSES, emulator.disk_buses), (VIDEO, emulator.video_models)):
        yield from (table[name] for name in names if name in table)
    if emulator.threads_per_core > 1:
        yield "HW_CPU_HYPERTHREADING"

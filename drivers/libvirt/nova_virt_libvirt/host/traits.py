"""What the hypervisor offers, in the names of os-traits."""

from collections.abc import Iterable, Iterator
from typing import Final

from nova_virt_libvirt.host.cpu_traits import cpu_traits
from nova_virt_libvirt.host.emulator import Emulator

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
TPM: Final = {"1.2": "COMPUTE_SECURITY_TPM_1_2", "2.0": "COMPUTE_SECURITY_TPM_2_0"}
SEV: Final = {"sev": "HW_CPU_X86_AMD_SEV", "sev-es": "HW_CPU_X86_AMD_SEV_ES"}
ALWAYS: Final = ("COMPUTE_IMAGE_TYPE_QCOW2", "COMPUTE_IMAGE_TYPE_RAW", "HW_ARCH_X86_64")


def traits_of(emulator: Emulator, cpu_flags: Iterable[str] = ()) -> tuple[str, ...]:
    """The traits, sorted.

    Args:
        emulator: what the hypervisor offers.
        cpu_flags: flags of the processor that guests can have.
    """
    return tuple(sorted({*ALWAYS, *found(emulator), *cpu_traits(cpu_flags)}))


def found(emulator: Emulator) -> Iterator[str]:
    """The traits that depend on the host."""
    for table, names in ((FIRMWARE, emulator.firmware), (BUSES, emulator.disk_buses), (VIDEO, emulator.video_models)):
        yield from (table[name] for name in names if name in table)
    if emulator.secure_boot:
        yield "COMPUTE_SECURITY_UEFI_SECURE_BOOT"
    if "efi" in emulator.firmware:
        yield "COMPUTE_SECURITY_STATELESS_FIRMWARE"
    for version in emulator.tpm_versions & TPM.keys():
        yield TPM[version]
    if emulator.tpm_versions:
        yield "COMPUTE_SECURITY_TPM_TIS"
    if "2.0" in emulator.tpm_versions:
        yield "COMPUTE_SECURITY_TPM_CRB"
    if {"file", "memfd"} <= emulator.memory_sources:
        yield "COMPUTE_MEM_BACKING_FILE"
    yield from (SEV[kind] for kind in emulator.encryptions)
    if emulator.threads_per_core > 1:
        yield "HW_CPU_HYPERTHREADING"

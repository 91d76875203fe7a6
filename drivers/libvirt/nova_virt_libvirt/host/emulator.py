"""What the hypervisor at an endpoint offers to x86_64 guests, as libvirt's domain capabilities tell it."""

from dataclasses import dataclass
from typing import Any, Final

import libvirt
from lxml import etree

from nova_virt_api.model.place import HostCell
from nova_virt_libvirt.host.cells import cells_of

ARCHITECTURE: Final = "x86_64"
MACHINE: Final = "q35"


@dataclass(frozen=True, slots=True, kw_only=True)
class Emulator:
    """What is offered.

    Args:
        virt_types: domain types, e.g. ``kvm`` and ``qemu``; that one is listed does not mean that it works.
        firmware: kinds that libvirt finds files for, ``bios`` and ``efi``.
        disk_buses: libvirt's names of buses for disks.
        video_models: libvirt's names of video cards.
        graphics: ways to reach the screen, e.g. ``vnc``.
        threads_per_core: of the host's processors.
        backup: whether a running guest can be backed up, and note what changes.
        secure_boot: whether a firmware for guests starts signed systems only.
        tpm_versions: versions of the TPM that software on the host can be.
        memory_sources: libvirt's names of what a guest's memory can be in.
        encryptions: libvirt's names of ways to keep memory from the host.
        filesystems: libvirt's names of what serves directories of the host to guests.
        machines: libvirt's names of machine types.
        cells: the host's NUMA cells, with all their pages taken for free.
    """

    virt_types: frozenset[str] = frozenset()
    firmware: frozenset[str] = frozenset()
    disk_buses: frozenset[str] = frozenset()
    video_models: frozenset[str] = frozenset()
    graphics: frozenset[str] = frozenset()
    threads_per_core: int = 1
    backup: bool = False
    secure_boot: bool = False
    tpm_versions: frozenset[str] = frozenset()
    memory_sources: frozenset[str] = frozenset()
    encryptions: frozenset[str] = frozenset()
    filesystems: frozenset[str] = frozenset()
    machines: frozenset[str] = frozenset()
    cells: tuple[HostCell, ...] = ()


NOTHING: Final = Emulator()


def emulator_of(native: Any) -> Emulator:
    """What a ``virConnect`` offers; nothing if it is another hypervisor's.

    Raises:
        libvirt.libvirtError: the connection broke.
    """
    host = etree.fromstring(native.getCapabilities())
    virt_types = frozenset(host.xpath(f"guest/arch[@name='{ARCHITECTURE}']/domain/@type"))
    if not virt_types:
        return NOTHING
    try:
        text = native.getDomainCapabilities(None, ARCHITECTURE, MACHINE, "qemu" if "qemu" in virt_types else None, 0)
    except libvirt.libvirtError as error:
        if error.get_error_code() in {libvirt.VIR_ERR_NO_SUPPORT, libvirt.VIR_ERR_INVALID_ARG}:
            return Emulator(virt_types=virt_types)
        raise
    domain = etree.fromstring(text)
    threads = host.xpath("host/cpu/topology/@threads")
    return Emulator(
        virt_types=virt_types,
        firmware=values(domain, "os/enum[@name='firmware']") | {"bios"},
        disk_buses=values(domain, "devices/disk/enum[@name='bus']"),
        video_models=values(domain, "devices/video/enum[@name='modelType']"),
        graphics=values(domain, "devices/graphics[@supported='yes']/enum[@name='type']"),
        threads_per_core=int(threads[0]) if threads else 1,
        backup=domain.find("features/backup[@supported='yes']") is not None,
        secure_boot="yes" in values(domain, "os/loader/enum[@name='secure']"),
        tpm_versions=tpm_versions(domain),
        memory_sources=values(domain, "memoryBacking/enum[@name='sourceType']"),
        encryptions=encryptions(domain),
        filesystems=values(domain, "devices/filesystem[@supported='yes']/enum[@name='driverType']"),
        machines=frozenset(host.xpath(f"guest/arch[@name='{ARCHITECTURE}']//machine/text()")),
        cells=cells_of(host),
    )


def tpm_versions(domain: etree._Element) -> frozenset[str]:
    """The versions of swtpm; a libvirt before 8.6 does not tell them, and had both."""
    if "emulator" not in values(domain, "devices/tpm/enum[@name='backendModel']"):
        return frozenset()
    return values(domain, "devices/tpm/enum[@name='backendVersion']") or frozenset({"1.2", "2.0"})


def encryptions(domain: etree._Element) -> frozenset[str]:
    """The ways to encrypt memory; ``sev-es`` where guests of that kind may exist."""
    sev = domain.find("features/sev[@supported='yes']")
    if sev is None:
        return frozenset()
    return frozenset({"sev", "sev-es"}) if int(sev.findtext("maxESGuests") or 0) > 0 else frozenset({"sev"})


def values(root: etree._Element, path: str) -> frozenset[str]:
    """The values of an ``<enum>``."""
    return frozenset(root.xpath(f"{path}/value/text()"))

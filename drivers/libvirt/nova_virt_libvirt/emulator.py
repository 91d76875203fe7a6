"""What the hypervisor at an endpoint offers to x86_64 guests, as libvirt's domain capabilities tell it."""

from dataclasses import dataclass
from typing import Any, Final

import libvirt
from lxml import etree

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
    """

    virt_types: frozenset[str] = frozenset()
    firmware: frozenset[str] = frozenset()
    disk_buses: frozenset[str] = frozenset()
    video_models: frozenset[str] = frozenset()
    graphics: frozenset[str] = frozenset()
    threads_per_core: int = 1


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
    )


def values(root: etree._Element, path: str) -> frozenset[str]:
    """The values of an ``<enum>``."""
    return frozenset(root.xpath(f"{path}/value/text()"))

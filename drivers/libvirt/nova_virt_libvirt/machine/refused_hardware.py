"""What of a spec's machine this host cannot build, refused before anything is made."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from nova_virt_api.errors import InvalidSpec, NoCapacity
from nova_virt_api.model.disk import DiskBus
from nova_virt_api.model.nic import NicModel
from nova_virt_api.model.screen import Graphics, VideoModel
from nova_virt_libvirt.devices.disk import PREFIXES
from nova_virt_libvirt.devices.limits import DISK_RATES
from nova_virt_libvirt.extras import machine_of
from nova_virt_libvirt.host.cells import with_free_pages
from nova_virt_libvirt.machine.domain_xml import has_express, machine_type
from nova_virt_libvirt.machine.guest_cpus import refuse_cpu

if TYPE_CHECKING:
    from nova_virt_api.model.spec import InstanceSpec
    from nova_virt_libvirt.host.emulator import Emulator

FASTEST: Final = 10**15
"""Units in a second (QEMU, THROTTLE_VALUE_MAX)."""

OLD_MACHINE: Final = "a machine without PCI Express, which a disk on IDE needs"


def refuse_hardware(spec: InstanceSpec, emulator: Emulator, native: Any, virt_type: str) -> None:
    """Refuse what cannot be.

    Raises:
        InvalidSpec: a field has a value that this host does not take.
        NoCapacity: the host will never have as much.
        libvirt.libvirtError: the connection broke.
    """
    refuse_buses(spec)
    refuse_rates(spec)
    refuse_machine(spec, emulator)
    refuse_nics(spec)
    refuse_screen(spec, emulator)
    refuse_pages(spec, emulator, native)
    refuse_plugging(spec)
    if spec.cpu is not None:
        refuse_cpu(native, virt_type, spec.cpu)


def refuse_buses(spec: InstanceSpec) -> None:
    """Buses that libvirt does not have."""
    wanted = [(f"disks[{index}].bus", disk.bus) for index, disk in enumerate(spec.disks)]
    wanted += [(f"volumes[{index}].bus", volume.bus) for index, volume in enumerate(spec.volumes)]
    for field, bus in wanted:
        if bus is not None and bus not in PREFIXES:
            allowed = f"one of: {', '.join(bus.value for bus in PREFIXES)}; libvirt 9.0 emulates no NVMe controllers"
            raise InvalidSpec(field, bus.value, allowed)


def refuse_rates(spec: InstanceSpec) -> None:
    """Limits beyond those of QEMU, whose bursts may be so large in all."""
    for index, disk in enumerate(spec.disks):
        for name in DISK_RATES if disk.limits is not None else ():
            rate, field = getattr(disk.limits, name), f"disks[{index}].limits.{name}"
            if rate is None:
                continue
            burst, seconds = rate.burst_per_second, rate.burst_seconds
            for part, value in (("per_second", rate.per_second), ("burst_per_second", burst)):
                if value is not None and value > FASTEST:
                    raise InvalidSpec(f"{field}.{part}", value, f"at most {FASTEST}")
            if burst is not None and seconds is not None and burst * seconds > FASTEST:
                raise InvalidSpec(f"{field}.burst_seconds", seconds, f"at most {FASTEST // burst} with such a burst")


def refuse_machine(spec: InstanceSpec, emulator: Emulator) -> None:
    """Machine types that QEMU does not have, and what an old machine lacks."""
    machine = machine_of(spec).machine
    if machine is not None and machine not in emulator.machines:
        raise InvalidSpec("extras.machine", machine, f"one of: {', '.join(sorted(emulator.machines))}")
    buses = [*(disk.bus for disk in spec.disks), *(volume.bus for volume in spec.volumes)]
    express = has_express(machine_type(spec, buses))
    if express and DiskBus.IDE in buses:
        raise InvalidSpec("extras.machine", machine, f"None, or {OLD_MACHINE}")
    if spec.secure_boot and not express:
        raise InvalidSpec("secure_boot", True, f"False with {OLD_MACHINE}")
    if spec.tpm is not None and spec.tpm.version.value not in emulator.tpm_versions:
        allowed = f"one of: {', '.join(sorted(emulator.tpm_versions))}"
        raise InvalidSpec("tpm.version", spec.tpm.version.value, allowed)
    encryption = spec.backing.encryption if spec.backing is not None else None
    if encryption is not None and encryption.value not in emulator.encryptions:
        raise InvalidSpec("backing.encryption", encryption.value, f"one of: {', '.join(sorted(emulator.encryptions))}")
    if encryption is not None and not spec.uefi:
        raise InvalidSpec("backing.encryption", encryption.value, "None without UEFI: only that starts such guests")


def refuse_nics(spec: InstanceSpec) -> None:
    """Queues of cards that have one."""
    for index, nic in enumerate(spec.nics):
        if nic.queues is not None and nic.model not in (None, NicModel.VIRTIO):
            raise InvalidSpec(f"nics[{index}].queues", nic.queues, "None: only virtio cards have queues")


def refuse_screen(spec: InstanceSpec, emulator: Emulator) -> None:
    """Cards and ways that this QEMU was built without."""
    if spec.screen is None:
        return
    for field, wanted, found, none in (
        ("video", spec.screen.video, emulator.video_models, VideoModel.NONE),
        ("graphics", spec.screen.graphics, emulator.graphics, Graphics.NONE),
    ):
        if wanted is not None and wanted is not none and wanted.value not in found:
            raise InvalidSpec(f"screen.{field}", wanted.value, f"one of: {', '.join(sorted(found))}")


def refuse_plugging(spec: InstanceSpec) -> None:
    """Memory that cannot be given while the guest runs."""
    if spec.max_memory_bytes is None:
        return
    backing = spec.backing
    allowed = ""
    if len(spec.numa) > 1:
        allowed = "None with several NUMA cells"
    elif backing is not None and (backing.locked or backing.file_backed or backing.encryption is not None):
        allowed = "None with memory that is locked, encrypted or in a file"
    if allowed:
        raise InvalidSpec("max_memory_bytes", spec.max_memory_bytes, allowed)


def refuse_pages(spec: InstanceSpec, emulator: Emulator, native: Any) -> None:
    """Huge pages that the host does not have, or not enough of."""
    size = spec.backing.page_bytes if spec.backing is not None else None
    if size is None:
        return
    sizes = sorted({pages.size_bytes for cell in emulator.cells for pages in cell.pages})
    if size not in sizes:
        raise InvalidSpec("backing.page_bytes", size, f"one of: {', '.join(map(str, sizes))}")
    parts = [("memory_bytes", spec.memory_bytes)]
    parts += [(f"numa[{index}].memory_bytes", cell.memory_bytes) for index, cell in enumerate(spec.numa)]
    for field, part in parts:
        if part % size:
            raise InvalidSpec(field, part, f"a multiple of the page size, {size}")
    free = sum(
        pages.free * size
        for cell in with_free_pages(native, emulator.cells)
        for pages in cell.pages
        if pages.size_bytes == size
    )
    if free < spec.memory_bytes:
        message = f"{spec.memory_bytes} bytes in huge pages of {size} were asked for, {free} are free"
        raise NoCapacity("memory_bytes", message)

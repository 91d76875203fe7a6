"""The definition of a new guest, whole. Definitions that exist are patched elsewhere and never made anew."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from lxml import etree
from lxml.builder import E

from nova_virt_api.model.cpu import NumaCell
from nova_virt_api.model.disk import DiskBus
from nova_virt_api.model.spec import InstanceSpec
from nova_virt_libvirt.devices.disk import DiskFile, controller_elements, disk_elements
from nova_virt_libvirt.devices.nic import nic_element
from nova_virt_libvirt.devices.port import port_elements
from nova_virt_libvirt.devices.screen import screen_elements, serial_elements
from nova_virt_libvirt.devices.tpm import tpm_elements
from nova_virt_libvirt.devices.volume_disk import VolumeDisk
from nova_virt_libvirt.devices.watchdog import watchdog_elements
from nova_virt_libvirt.extras import machine_of
from nova_virt_libvirt.host.cells import as_text
from nova_virt_libvirt.machine.cpu import cpu_element, tuning_elements
from nova_virt_libvirt.machine.firmware import features_element, os_element
from nova_virt_libvirt.machine.memory import backing_elements, encrypt
from nova_virt_libvirt.machine.plugged_memory import ceiling_elements, device_elements, pluggable
from nova_virt_libvirt.machine.spare_cpus import vcpus_elements
from nova_virt_libvirt.network.wire import Wire


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What was made and chosen for a guest.

    Args:
        virt_type: ``kvm`` or ``qemu``.
        disks: its disks, the one to boot from first.
        volumes: a storage service's volumes that it uses.
        seed: path of the medium with first-boot data; None for none.
        console_log: path of what its serial console is written to.
        networks: what each interface is plugged into.
        metadata: our mark.
        stateless_code: path of the firmware for a guest that keeps no variables; None for all others.
        runs_on: for each virtual CPU the host's processors that it may run on; empty for any.
        shared_cpus: the host's processors that guests share; empty for all.
    """

    virt_type: str
    disks: Sequence[DiskFile]
    seed: str | None
    console_log: str
    networks: Sequence[Wire]
    metadata: etree._Element
    volumes: Sequence[VolumeDisk] = ()
    stateless_code: str | None = None
    runs_on: Sequence[frozenset[int]] = ()
    shared_cpus: frozenset[int] = frozenset()


def domain_xml(spec: InstanceSpec, parts: Parts) -> str:
    """The definition as libvirt takes it.

    Raises:
        InvalidSpec: the disks do not fit on their buses.
    """
    machine = machine_type(spec, [*(disk.bus for disk in parts.disks), *(one.bus for one in parts.volumes)])
    domain = E.domain(
        E.name(spec.name),
        E.uuid(str(spec.uuid)),
        E.metadata(parts.metadata),
        E.memory(str((spec.memory_bytes + pluggable(spec)) // 1024), unit="KiB"),
        *ceiling_elements(spec),
        *backing_elements(spec.backing),
        vcpu_element(spec, parts),
        *vcpus_elements(spec),
        *tuning_elements(spec.numa, parts.runs_on),
        os_element(spec, machine, parts.stateless_code),
        features_element(spec),
        cpu_element(spec.cpu, cells_of(spec), parts.virt_type),
        clock_element(),
        E.on_poweroff("destroy"),
        E.on_reboot("restart"),
        E.on_crash("destroy"),
        devices_element(spec, parts, express=has_express(machine)),
        type=parts.virt_type,
    )
    if spec.backing is not None and spec.backing.encryption is not None:
        encrypt(domain, spec.backing.encryption)
    return etree.tostring(domain, encoding="unicode")


def machine_type(spec: InstanceSpec, buses: Iterable[DiskBus | None]) -> str:
    """The machine type that was asked for; else the newest with PCI Express, which one with IDE has not."""
    return machine_of(spec).machine or ("pc" if DiskBus.IDE in buses else "q35")


def has_express(machine: str) -> bool:
    """Whether a machine type has PCI Express."""
    return "q35" in machine


def vcpu_element(spec: InstanceSpec, parts: Parts) -> etree._Element:
    """The number of virtual CPUs, and where they run unless each has its own place."""
    element = E.vcpu(str(spec.vcpu_ceiling), placement="static")
    if spec.max_vcpus is not None:
        element.set("current", str(spec.vcpus))
    if parts.shared_cpus and not parts.runs_on:
        element.set("cpuset", as_text(parts.shared_cpus))
    return element


def cells_of(spec: InstanceSpec) -> Sequence[NumaCell]:
    """The guest's NUMA cells; libvirt wants one at least where memory can be plugged in."""
    if spec.max_memory_bytes is None or spec.numa:
        return spec.numa
    return (NumaCell(vcpus=range(spec.vcpu_ceiling), memory_bytes=spec.memory_bytes),)


def clock_element() -> etree._Element:
    """A clock in UTC whose lost ticks are made up for."""
    return E.clock(
        E.timer(name="rtc", tickpolicy="catchup"),
        E.timer(name="pit", tickpolicy="delay"),
        E.timer(name="hpet", present="no"),
        offset="utc",
    )


def devices_element(spec: InstanceSpec, parts: Parts, *, express: bool) -> etree._Element:
    """All devices of the guest."""
    nics = zip(spec.nics, parts.networks, strict=True)
    disks = list(disk_elements(parts.disks, parts.seed, parts.volumes))
    devices = [
        *disks,
        *controller_elements(disks),
        *(nic_element(nic, wire, spec.uuid, index) for index, (nic, wire) in enumerate(nics)),
        *serial_elements(parts.console_log),
        E.channel(E.target(type="virtio", name="org.qemu.guest_agent.0"), type="unix"),
        *screen_elements(spec.screen),
        *tpm_elements(spec.tpm),
        *watchdog_elements(spec.watchdog),
        E.memballoon(model="virtio"),
        *device_elements(spec),
        E.rng(E.backend("/dev/urandom", model="random"), model="virtio"),
    ]
    return E.devices(*devices, *(port_elements(devices, machine_of(spec).spare_ports) if express else ()))

"""The definition of a new guest, whole. Definitions that exist are patched elsewhere and never made anew."""

from collections.abc import Sequence
from dataclasses import dataclass

from lxml import etree
from lxml.builder import E

from nova_virt_api.model.disk import DiskBus
from nova_virt_api.model.spec import Firmware, InstanceSpec
from nova_virt_libvirt.devices.disk import DiskFile, controller_elements, disk_elements
from nova_virt_libvirt.devices.nic import nic_element
from nova_virt_libvirt.devices.port import port_elements
from nova_virt_libvirt.devices.screen import screen_elements, serial_elements


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What was made and chosen for a guest.

    Args:
        virt_type: ``kvm`` or ``qemu``.
        disks: its disks, the one to boot from first.
        seed: path of the medium with first-boot data; None for none.
        console_log: path of what its serial console is written to.
        networks: libvirt's name of each interface's network.
        metadata: our mark.
    """

    virt_type: str
    disks: Sequence[DiskFile]
    seed: str | None
    console_log: str
    networks: Sequence[str]
    metadata: etree._Element


def domain_xml(spec: InstanceSpec, parts: Parts) -> str:
    """The definition as libvirt takes it.

    Raises:
        InvalidSpec: the disks do not fit on their buses.
    """
    domain = E.domain(
        E.name(spec.name),
        E.uuid(str(spec.uuid)),
        E.metadata(parts.metadata),
        E.memory(str(spec.memory_bytes // 1024), unit="KiB"),
        E.vcpu(str(spec.vcpus), placement="static"),
        os_element(spec, parts.disks),
        E.features(E.acpi(), E.apic()),
        cpu_element(parts.virt_type),
        clock_element(),
        E.on_poweroff("destroy"),
        E.on_reboot("restart"),
        E.on_crash("destroy"),
        devices_element(spec, parts),
        type=parts.virt_type,
    )
    return etree.tostring(domain, encoding="unicode")


def os_element(spec: InstanceSpec, disks: Sequence[DiskFile]) -> etree._Element:
    """Machine type and firmware; of UEFI only the kind is said, libvirt finds files that fit."""
    element = E.os(E.type("hvm", arch="x86_64", machine="q35" if has_express(disks) else "pc"))
    if spec.firmware is Firmware.UEFI:
        element.set("firmware", "efi")
        element.append(E.firmware(E.feature(enabled="no", name="secure-boot")))
    return element


def has_express(disks: Sequence[DiskFile]) -> bool:
    """Whether the machine has PCI Express; one with IDE has not."""
    return all(disk.bus is not DiskBus.IDE for disk in disks)


def cpu_element(virt_type: str) -> etree._Element:
    """The host's own CPU under KVM; without it the best that QEMU can emulate, as many systems refuse its default."""
    if virt_type == "kvm":
        return E.cpu(mode="host-passthrough", check="none", migratable="on")
    return E.cpu(mode="maximum", check="none", migratable="on")


def clock_element() -> etree._Element:
    """A clock in UTC whose lost ticks are made up for."""
    return E.clock(
        E.timer(name="rtc", tickpolicy="catchup"),
        E.timer(name="pit", tickpolicy="delay"),
        E.timer(name="hpet", present="no"),
        offset="utc",
    )


def devices_element(spec: InstanceSpec, parts: Parts) -> etree._Element:
    """All devices of the guest."""
    nics = zip(spec.nics, parts.networks, strict=True)
    devices = [
        *disk_elements(parts.disks, parts.seed),
        *controller_elements(parts.disks),
        *(nic_element(nic, network, spec.uuid, index) for index, (nic, network) in enumerate(nics)),
        *serial_elements(parts.console_log),
        E.channel(E.target(type="virtio", name="org.qemu.guest_agent.0"), type="unix"),
        *screen_elements(),
        E.memballoon(model="virtio"),
        E.rng(E.backend("/dev/urandom", model="random"), model="virtio"),
    ]
    return E.devices(*devices, *(port_elements(devices) if has_express(parts.disks) else ()))

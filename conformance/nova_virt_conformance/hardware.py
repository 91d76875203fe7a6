"""What a guest is made of, as its backend sees it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nova_virt_api.model.cloud_init import CloudInitSource
    from nova_virt_api.model.cpu import Cpu, NumaCell
    from nova_virt_api.model.disk import DiskBus, DiskCache
    from nova_virt_api.model.limits import DiskLimits, NicLimits
    from nova_virt_api.model.memory import MemoryBacking
    from nova_virt_api.model.nic import NicModel
    from nova_virt_api.model.nic_binding import NicBinding
    from nova_virt_api.model.screen import Screen
    from nova_virt_api.model.share import Share
    from nova_virt_api.model.spec import Firmware
    from nova_virt_api.model.tpm import Tpm
    from nova_virt_api.model.volume import AttachedVolume
    from nova_virt_api.model.watchdog import Watchdog


@dataclass(frozen=True, slots=True, kw_only=True)
class DiskSettings:
    """How a disk is used; what is None is not set.

    Args:
        limits: how fast the guest may use it.
        cache: how the host caches it.
        discard: whether space that the guest discards is given back.
        serial: the serial number that the guest sees.
    """

    limits: DiskLimits | None = None
    cache: DiskCache | None = None
    discard: bool = False
    serial: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NicSettings:
    """How an interface is used; what is None is not set.

    Args:
        limits: how fast the guest may use it.
        queues: how many of the guest's CPUs may work on it at the same time.
        mtu: largest packet in bytes.
        link_up: whether the cable is plugged in.
        binding: the port that it is plugged into, if that is on no network of the endpoint; of an opaque one that of
            the bridge which it leads to.
    """

    limits: NicLimits | None = None
    queues: int = 1
    mtu: int | None = None
    link_up: bool = True
    binding: NicBinding | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """What a guest is beside CPUs, memory, disks and interfaces; what is None it does not have.

    Args:
        secure_boot: whether its firmware starts signed systems only.
        stateless_firmware: whether its firmware keeps no variables.
        tpm: its trusted platform module, with its model.
        cpu: its processor: at least the flags that were asked for, and the host's processors that each of its own is
            bound to, if each is bound to one.
        numa: its NUMA cells.
        backing: how its memory is made.
        watchdog: its watchdog.
        screen: its screen, with both of its parts.
    """

    secure_boot: bool = False
    stateless_firmware: bool = False
    tpm: Tpm | None = None
    cpu: Cpu | None = None
    numa: tuple[NumaCell, ...] = ()
    backing: MemoryBacking | None = None
    watchdog: Watchdog | None = None
    screen: Screen | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class HardDisk:
    """One of a guest's own disks.

    Args:
        size_bytes: its size as the guest sees it.
        bus: the bus on which the guest sees it; None when the backend does not tell.
        settings: how it is used; None when the backend does not tell.
    """

    size_bytes: int
    bus: DiskBus | None = None
    settings: DiskSettings | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkCard:
    """One of a guest's network interfaces.

    Args:
        network: name or id of the network.
        mac: lower-case MAC address; None when the backend does not tell.
        model: the card that the guest sees; None when the backend does not tell.
        vif_id: the network service's id for it; None when it has none, or the backend does not tell.
        settings: how it is used; None when the backend does not tell.
    """

    network: str
    mac: str | None = None
    model: NicModel | None = None
    vif_id: str | None = None
    settings: NicSettings | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ToldDevice:
    """A device that a guest's first-boot data tells of, in OpenStack's words.

    Args:
        type: ``nic`` or ``disk``.
        tag: its tag.
        bus: kind of its address; ``none`` where it is not told.
        address: where the guest finds it; ``none`` where it is not told.
        mac: MAC address of an interface.
        serial: serial number of a disk; None where it is not told.
    """

    type: str
    tag: str
    bus: str
    address: str
    mac: str | None = None
    serial: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Hardware:
    """A guest's hardware, asked of the backend without the driver.

    Args:
        vcpus: virtual CPUs.
        memory_bytes: memory.
        disks: its own disks in order, without media for the first boot; of a whole machine those that it has.
        nics: its network interfaces in order; of a whole machine those that are connected.
        firmware: what starts it; None when the backend does not tell.
        first_boot_data: whether it gets data for cloud-init, by a medium or otherwise; None when the backend does not
            tell.
        first_boot_source: where the guest looks for that; None when the backend does not tell, or the driver has a way
            of its own.
        volumes: ids of the storage service's volumes that it uses; None when the backend does not tell.
        volume_disks: the same volumes as the disks that they are to it; None when the backend does not tell.
        shares: the directories of its host that it uses; None when the backend does not tell.
        machine: what else it is; None when the backend does not tell.
        devices: the tagged devices that its first-boot data tells of; None when the backend does not tell.
    """

    vcpus: int
    memory_bytes: int
    disks: tuple[HardDisk, ...] = ()
    nics: tuple[NetworkCard, ...] = ()
    firmware: Firmware | None = None
    first_boot_data: bool | None = None
    first_boot_source: CloudInitSource | None = None
    volumes: tuple[str, ...] | None = None
    volume_disks: tuple[AttachedVolume, ...] | None = None
    shares: tuple[Share, ...] | None = None
    machine: Machine | None = None
    devices: tuple[ToldDevice, ...] | None = None

"""What a guest is made of, as its backend sees it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nova_virt_api.model.disk import DiskBus
    from nova_virt_api.model.nic import NicModel
    from nova_virt_api.model.spec import Firmware


@dataclass(frozen=True, slots=True, kw_only=True)
class HardDisk:
    """One of a guest's own disks.

    Args:
        size_bytes: its size as the guest sees it.
        bus: the bus on which the guest sees it; None when the backend does not tell.
    """

    size_bytes: int
    bus: DiskBus | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkCard:
    """One of a guest's network interfaces.

    Args:
        network: name or id of the network.
        mac: lower-case MAC address; None when the backend does not tell.
        model: the card that the guest sees; None when the backend does not tell.
        vif_id: the network service's id for it; None when it has none, or the backend does not tell.
    """

    network: str
    mac: str | None = None
    model: NicModel | None = None
    vif_id: str | None = None


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
        volumes: ids of the storage service's volumes that it uses; None when the backend does not tell.
    """

    vcpus: int
    memory_bytes: int
    disks: tuple[HardDisk, ...] = ()
    nics: tuple[NetworkCard, ...] = ()
    firmware: Firmware | None = None
    first_boot_data: bool | None = None
    volumes: tuple[str, ...] | None = None

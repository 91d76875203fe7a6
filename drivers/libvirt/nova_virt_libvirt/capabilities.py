"""What an endpoint can do: an answer for every role and feature, from what libvirt says of the hypervisor."""

from collections.abc import Mapping
from typing import Final

from nova_virt_api.capability import Capability, Feature
from nova_virt_api.model.capabilities import AVAILABLE, Availability, unavailable
from nova_virt_libvirt.emulator import Emulator
from nova_virt_libvirt.events import SWEEP

EVENT_LATENCY: Final = SWEEP
"""Seconds; libvirt tells of most changes at once, and of addresses never."""

STALENESS: Final = 1.0
"""Seconds; a listing asks networks for leases, and for removed managed save images, once a second."""

ALWAYS: Final = (
    Capability.PAUSE,
    Capability.SUSPEND,
    Capability.SNAPSHOT,
    Capability.CONSOLE,
    Capability.CONSOLE_LOG,
    Capability.INTERFACES,
    Capability.CRASH_DUMP,
    Capability.DIAGNOSTICS,
    Feature.CLIENT_IMAGES,
    Feature.MULTIPLE_DISKS,
    Feature.BLANK_DISK,
    Feature.DISK_BUS,
    Feature.MULTIPLE_NICS,
    Feature.NIC_MAC,
    Feature.NIC_MODEL,
    Feature.CLOUD_INIT,
    Feature.KEEP_DISKS,
    Feature.GRACEFUL_POWER_OFF,
    Feature.UPDATE_NAME,
    Feature.UPDATE_LABELS,
    Feature.GUEST_ADDRESSES,
    Feature.GUEST_AGENT,
)

NO_RESCUE: Final = "this driver has no rescue mode"

NEVER: Final = {
    Feature.WHOLE_NODES: "guests are virtual machines, as large as their spec says",
    Feature.BACKEND_URL: "libvirt does not fetch images; Url() fetches them here and passes them on",
    Feature.NIC_VIF: "libvirt's networks have no ports that could be made before their guest",
    Feature.SPAWN_VOLUMES: "this driver connects no volumes of storage services",
    Feature.RESCUE_IMAGE: NO_RESCUE,
    Feature.RESCUE_PASSWORD: NO_RESCUE,
    Feature.SNAPSHOT_LIVE: "the disk is copied, which nobody may write to meanwhile: the guest must be off",
    Feature.EXTRAS: "this driver defines no extras",
    Feature.EVERY_TRANSITION: "events tell that a guest changed; changes in quick succession become one",
}


def answers(emulator: Emulator) -> Mapping[Capability | Feature, Availability]:
    """One answer for each role of the driver and each feature known."""
    found: dict[Capability | Feature, Availability] = dict.fromkeys(ALWAYS, AVAILABLE)
    found |= {feature: unavailable(reason) for feature, reason in NEVER.items()}
    uefi = "efi" in emulator.firmware
    found[Feature.UEFI] = AVAILABLE if uefi else unavailable("the host has no UEFI firmware for guests (package ovmf)")
    return found

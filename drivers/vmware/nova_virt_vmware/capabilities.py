"""What an endpoint can do: an answer for every role and feature."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from nova_virt_api.capability import Capability, Feature
from nova_virt_api.driver.endpoint import Manage
from nova_virt_api.model.capabilities import AVAILABLE, Availability, unavailable

if TYPE_CHECKING:
    from collections.abc import Mapping

ALWAYS: Final = (
    Capability.SUSPEND,
    Capability.ADOPT,
    Capability.DIAGNOSTICS,
    Feature.MULTIPLE_DISKS,
    Feature.BLANK_DISK,
    Feature.MULTIPLE_NICS,
    Feature.NIC_MAC,
    Feature.NIC_MODEL,
    Feature.CLOUD_INIT,
    Feature.UEFI,
    Feature.KEEP_DISKS,
    Feature.GRACEFUL_POWER_OFF,
    Feature.UPDATE_NAME,
    Feature.UPDATE_LABELS,
    Feature.GUEST_ADDRESSES,
    Feature.GUEST_AGENT,
)

NOT_YET: Final = "this version of the driver does not do it"
NO_RESCUE: Final = "this driver has no rescue mode"
TEMPLATES: Final = "guests are cloned from templates of vCenter: give Native(ref)"

MISSING: Final[Mapping[Capability | Feature, str]] = {
    Capability.PAUSE: "vSphere cannot stop a guest's virtual CPUs and keep its memory: suspend it",
    Capability.RESCUE: NO_RESCUE,
    Feature.WHOLE_NODES: "guests are virtual machines, as large as their spec says",
    Feature.CLIENT_IMAGES: TEMPLATES,
    Feature.BACKEND_URL: TEMPLATES,
    Feature.NIC_VIF: "vSphere's networks have no ports that could be made before their guest",
    **dict.fromkeys(
        (Feature.NOCLOUD, Feature.CONFIG_DRIVE),
        "guests read first-boot data by VMware Tools (cloud-init's data source VMware)",
    ),
    Feature.DISK_BUS: "a disk is on the bus of its template, a new one on a SCSI controller",
    Feature.DISK_CACHE: "vSphere does not cache disks on its hosts",
    Feature.DISK_DISCARD: "the datastore decides whether it takes back space",
    Feature.NIC_BRIDGE: "an ESXi host has no Linux bridges; its switches are networks of the endpoint",
    Feature.NIC_OVS: "an ESXi host has no Open vSwitch bridges; its switches are networks of the endpoint",
    Feature.NIC_OPAQUE: "ports are made by vCenter, for interfaces on its networks",
    Feature.NIC_MTU: "an interface takes what its switch takes",
    Feature.STATELESS_FIRMWARE: "vSphere's firmware always keeps its variables",
    Feature.CPU_MODEL: "a guest sees the processor that the cluster's EVC mode gives it",
    Feature.FILE_BACKED_MEMORY: "vSphere decides itself where memory is",
    Feature.SHARED_MEMORY: "vSphere lets no process of its hosts at a guest's memory",
    Feature.VIDEO_MODEL: "vSphere has one kind of video card",
    Feature.EXTRAS: "this driver defines no extras",
    Feature.MIGRATE_WITHIN: "this driver does not move running guests",
    Feature.RESIZE_DISKS: "this driver resizes no guests",
    Feature.LIVE_VCPUS: "this driver resizes no guests",
    Feature.LIVE_VCPUS_REMOVAL: "vSphere takes no virtual CPUs away from a guest that runs",
    Feature.LIVE_MEMORY: "this driver resizes no guests",
    Feature.LIVE_MEMORY_REMOVAL: "vSphere takes no memory away from a guest that runs",
    Feature.COLD_MIGRATION: "this driver moves no guests",
    Feature.RESCUE_IMAGE: NO_RESCUE,
    Feature.RESCUE_PASSWORD: NO_RESCUE,
    **dict.fromkeys((Capability.SHARES, Feature.ATTACH_SHARES, Feature.SHARE_READ_ONLY), "ESXi shares no directories"),
    Feature.EVERY_TRANSITION: "events tell that a guest changed; changes in quick succession become one",
}


def answers(manage: Manage) -> Mapping[Capability | Feature, Availability]:
    """One answer for each role and feature known.

    Args:
        manage: which guests the connection may change.
    """
    known: tuple[Capability | Feature, ...] = (*Capability, *Feature)
    found = {what: unavailable(MISSING.get(what, NOT_YET)) for what in known} | dict.fromkeys(ALWAYS, AVAILABLE)
    if manage is Manage.ALL:
        found[Capability.ADOPT] = unavailable("a connection with manage='all' writes no marks")
    return found

"""What an endpoint can do: an answer for every role and feature, from the version of the API that it speaks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from nova_virt_api.capability import Capability, Feature
from nova_virt_api.driver.endpoint import Manage
from nova_virt_api.model.capabilities import AVAILABLE, Availability, unavailable
from nova_virt_ironic.microversions import Call, too_old

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nova_virt_ironic.microversions import Versions
    from nova_virt_ironic.node import NodeRow

BACKEND: Final = "Ironic"

ALWAYS: Final = (
    Feature.WHOLE_NODES,
    Feature.BACKEND_URL,
    Feature.GRACEFUL_POWER_OFF,
    Feature.UPDATE_NAME,
    Feature.UPDATE_LABELS,
    Feature.EXTRAS,
    Feature.UEFI,
)

BY_VERSION: Final[Mapping[Capability | Feature, Call]] = {
    Capability.REBUILD: Call.REBUILD,
    Capability.RESCUE: Call.RESCUE,
    Feature.RESCUE_PASSWORD: Call.RESCUE,
    Capability.INTERFACES: Call.VIFS,
    Feature.NIC_VIF: Call.VIFS,
    Feature.MULTIPLE_NICS: Call.VIFS,
    Capability.VOLUMES: Call.VOLUMES,
    Feature.SPAWN_VOLUMES: Call.VOLUMES,
    Capability.CONSOLE: Call.CONSOLE,
    Capability.CRASH_DUMP: Call.NMI,
    Capability.DIAGNOSTICS: Call.HISTORY,
    Capability.HOST_CONTROL: Call.MAINTENANCE,
    Capability.ADOPT: Call.PATCH_NODE,
    Capability.DEVICES: Call.HARDWARE_INVENTORY,
    Feature.CLOUD_INIT: Call.CONFIG_DRIVE,
    Feature.CONFIG_DRIVE: Call.CONFIG_DRIVE,
}

OWN_DISKS: Final = "a machine's disks are those that it has"
OWN_CARDS: Final = "a machine's interfaces are those that it has"
OWN_PARTS: Final = "a machine's parts are those that it has; choose it by its resource class or traits"
STORAGE_DECIDES: Final = "a machine sees a volume as its storage service shows it"
NO_HOST: Final = "a machine has no host whose directories it could use"
OTHER_PROTOCOL: Final = "machines reach volumes by iSCSI, or as the storage service says (OpaqueVolume)"

NEVER: Final[Mapping[Capability | Feature, str]] = {
    Capability.PAUSE: "a machine cannot be paused",
    Capability.SUSPEND: "a machine's memory cannot be put away from outside",
    Capability.CHECKPOINT: "a machine has no checkpoints",
    Capability.BACKUP: "a machine's disk cannot be read from outside",
    Capability.GUEST: "there is no agent in a deployed machine",
    Capability.IMAGE_CACHE: "conductors keep copies of images as they are configured to",
    Capability.STORAGE_VOLUMES: "Ironic has no storage pools; a storage service keeps volumes",
    Capability.LIVE_MIGRATION: "what runs on a machine stays on it",
    Capability.METRICS: "Ironic gives readings to its own exporters only",
    Capability.RESIZE: "a machine is as large as it is",
    Capability.SNAPSHOT: "a machine's disk cannot be read from outside",
    Capability.CONSOLE_LOG: "Ironic keeps no log of a machine's console",
    Feature.CLIENT_IMAGES: "the machine fetches its image itself: give a BackendUrl that it reaches",
    Feature.NOCLOUD: "Ironic makes config drives (source CONFIG_DRIVE)",
    Feature.MULTIPLE_DISKS: "an image is written to one disk of the machine",
    Feature.BLANK_DISK: "a machine's disks are those that it has",
    Feature.DISK_BUS: "a machine's disks are those that it has",
    Feature.NIC_MAC: "a machine's interfaces have the addresses that they have",
    Feature.NIC_MODEL: "a machine's interfaces are those that it has",
    **dict.fromkeys((Feature.DISK_LIMITS, Feature.DISK_CACHE, Feature.DISK_DISCARD, Feature.DISK_SERIAL), OWN_DISKS),
    **dict.fromkeys((Feature.NIC_BRIDGE, Feature.NIC_OVS, Feature.NIC_OPAQUE), "a machine is cabled to its switches"),
    **dict.fromkeys((Feature.NIC_LIMITS, Feature.NIC_QUEUES, Feature.NIC_MTU, Feature.NIC_LINK), OWN_CARDS),
    **dict.fromkeys(
        (Feature.NIC_TAG, Feature.DISK_TAG, Feature.VOLUME_TAG),
        "Ironic does not tell where a machine's system finds its devices",
    ),
    Feature.SECURE_BOOT: "this version of the driver does not ask Ironic for it",
    Feature.STATELESS_FIRMWARE: "a machine's firmware always keeps its variables",
    **dict.fromkeys(
        (
            Feature.TPM,
            Feature.CPU_MODEL,
            Feature.CPU_FLAGS,
            Feature.CPU_TOPOLOGY,
            Feature.DEDICATED_CPUS,
            Feature.NUMA,
            Feature.HUGE_PAGES,
            Feature.FILE_BACKED_MEMORY,
            Feature.SHARED_MEMORY,
            Feature.LOCKED_MEMORY,
            Feature.MEMORY_ENCRYPTION,
            Feature.WATCHDOG,
            Feature.VIDEO_MODEL,
            Feature.GRAPHICS,
        ),
        OWN_PARTS,
    ),
    Feature.KEEP_DISKS: "cleaning a machine wipes its disks",
    Feature.SNAPSHOT_LIVE: "a machine's disk cannot be read from outside",
    Feature.CHECKPOINT_MEMORY: "a machine has no checkpoints",
    Feature.BACKUP_STOPPED: "a machine's disk cannot be read from outside",
    Feature.BACKUP_QUIESCE: "a machine's disk cannot be read from outside",
    Feature.MIGRATE_WITHIN: "what runs on a machine stays on it",
    Feature.RESIZE_DISKS: "a machine is as large as it is",
    **dict.fromkeys(
        (Feature.LIVE_VCPUS, Feature.LIVE_VCPUS_REMOVAL, Feature.LIVE_MEMORY, Feature.LIVE_MEMORY_REMOVAL),
        "a machine is as large as it is",
    ),
    Feature.COLD_MIGRATION: "a machine stays where it stands",
    Feature.ATTACH_VOLUMES: "a machine is given its volumes when it is deployed",
    Feature.EXTEND_VOLUME: "a machine asks its storage service itself",
    Feature.SWAP_VOLUME: "a machine reads and writes its volumes itself",
    Feature.VOLUME_BUS: STORAGE_DECIDES,
    Feature.VOLUME_ENCRYPTION: STORAGE_DECIDES,
    Feature.VOLUME_SHARED: STORAGE_DECIDES,
    Feature.VOLUME_READ_ONLY: STORAGE_DECIDES,
    Feature.VOLUME_SERIAL: STORAGE_DECIDES,
    Feature.HOST_VOLUMES: OTHER_PROTOCOL,
    Feature.NBD_VOLUMES: OTHER_PROTOCOL,
    Feature.NFS_VOLUMES: OTHER_PROTOCOL,
    Feature.RBD_VOLUMES: OTHER_PROTOCOL,
    Feature.HOST_CONNECTIONS: OTHER_PROTOCOL,
    **dict.fromkeys((Capability.SHARES, Feature.ATTACH_SHARES, Feature.SHARE_READ_ONLY), NO_HOST),
    **dict.fromkeys(
        (Capability.CLONE, Feature.CLONE_LIVE, Feature.CLONE_QUIESCE, Feature.CLONE_NICS),
        "a machine's disk cannot be read from outside",
    ),
    Feature.RESCUE_IMAGE: "the rescue ramdisk belongs to the node",
    Feature.GUEST_ADDRESSES: "Ironic does not know a machine's addresses",
    Feature.GUEST_AGENT: "there is no agent in a deployed machine",
    Feature.GUEST_PASSWORD: "there is no agent in a deployed machine",
    Feature.GUEST_QUIESCE: "there is no agent in a deployed machine",
    Feature.SNAPSHOT_QUIESCE: "there is no agent in a deployed machine",
    Feature.EVERY_TRANSITION: "changes are found by comparing lists; changes in quick succession become one",
}


BY_INTERFACE: Final[Mapping[Capability | Feature, str]] = {
    Capability.RESCUE: "rescue_interface",
    Feature.RESCUE_PASSWORD: "rescue_interface",
    Capability.CONSOLE: "console_interface",
}
"""What a node cannot do whose hardware interface of this kind is ``no-...``."""


UNCONNECTED: Final = "noop"
"""The network interface of nodes whose network cards nobody connects."""


def answers(
    versions: Versions, row: NodeRow | None = None, manage: Manage = Manage.OWNED
) -> Mapping[Capability | Feature, Availability]:
    """One answer for each role and feature known.

    Args:
        versions: what the endpoint speaks.
        row: the node that is asked about; None for what some node may be able to do.
        manage: which guests the connection may change.
    """
    found: dict[Capability | Feature, Availability] = dict.fromkeys(ALWAYS, AVAILABLE)
    found |= {what: unavailable(reason) for what, reason in NEVER.items()}
    for what, call in BY_VERSION.items():
        reason = too_old(call, versions)
        found[what] = unavailable(reason) if reason else AVAILABLE
    for what, field in BY_INTERFACE.items():
        interface = getattr(row, field, None) or ""
        if interface.startswith("no-"):
            found[what] = unavailable(f"the node's {field.replace('_', ' ')} is {interface}")
    if manage is Manage.ALL:
        found[Capability.ADOPT] = unavailable("a connection with manage='all' writes no marks")
    if row is not None and row.network_interface == UNCONNECTED:
        found[Feature.NIC_VIF] = unavailable(f"the node's network interface is {UNCONNECTED}: nobody would connect it")
    return found

"""What an endpoint can do: an answer for every role and feature, from what libvirt says of the hypervisor."""

from collections.abc import Mapping
from typing import Final

from nova_virt_api.capability import Capability, Feature
from nova_virt_api.driver.endpoint import Manage
from nova_virt_api.model.capabilities import AVAILABLE, Availability, unavailable
from nova_virt_libvirt.events import SWEEP
from nova_virt_libvirt.hardware_features import hardware_answers
from nova_virt_libvirt.host.emulator import Emulator

EVENT_LATENCY: Final = SWEEP
"""Seconds; libvirt tells of most changes at once, and of addresses never."""

STALENESS: Final = 1.0
"""Seconds; a listing asks networks for leases, and for removed managed save images, once a second."""

VIRTIO_MEM: Final = 7_009_000
"""Version of libvirt from which on memory can be plugged into guests piece by piece."""

ALWAYS: Final = (
    Capability.PAUSE,
    Capability.SUSPEND,
    Capability.SNAPSHOT,
    Capability.CLONE,
    Capability.CONSOLE,
    Capability.CONSOLE_LOG,
    Capability.RESIZE,
    Capability.INTERFACES,
    Capability.VOLUMES,
    Capability.GUEST,
    Capability.CRASH_DUMP,
    Capability.DIAGNOSTICS,
    Capability.METRICS,
    Capability.IMAGE_CACHE,
    Capability.HOST_CONTROL,
    Capability.DEVICES,
    Feature.SPAWN_VOLUMES,
    Feature.ATTACH_VOLUMES,
    Feature.EXTEND_VOLUME,
    Feature.SWAP_VOLUME,
    Feature.VOLUME_BUS,
    Feature.VOLUME_ENCRYPTION,
    Feature.VOLUME_SHARED,
    Feature.VOLUME_READ_ONLY,
    Feature.VOLUME_SERIAL,
    Feature.VOLUME_TAG,
    Feature.HOST_VOLUMES,
    Feature.NBD_VOLUMES,
    Feature.NFS_VOLUMES,
    Feature.RBD_VOLUMES,
    Feature.RESIZE_DISKS,
    Feature.COLD_MIGRATION,
    Feature.CLIENT_IMAGES,
    Feature.MULTIPLE_DISKS,
    Feature.BLANK_DISK,
    Feature.DISK_BUS,
    Feature.DISK_TAG,
    Feature.MULTIPLE_NICS,
    Feature.NIC_MAC,
    Feature.NIC_MODEL,
    Feature.NIC_TAG,
    Feature.NIC_BRIDGE,
    Feature.NIC_OVS,
    Feature.CLOUD_INIT,
    Feature.NOCLOUD,
    Feature.CONFIG_DRIVE,
    Feature.KEEP_DISKS,
    Feature.GRACEFUL_POWER_OFF,
    Feature.UPDATE_NAME,
    Feature.UPDATE_LABELS,
    Feature.GUEST_ADDRESSES,
    Feature.GUEST_AGENT,
    Feature.GUEST_PASSWORD,
    Feature.GUEST_QUIESCE,
    Feature.SNAPSHOT_LIVE,
    Feature.SNAPSHOT_QUIESCE,
    Feature.CLONE_LIVE,
    Feature.CLONE_QUIESCE,
    Feature.CLONE_NICS,
)

MARKING: Final = (
    Capability.STORAGE_VOLUMES,
    Capability.RESCUE,
    Capability.REBUILD,
    Capability.LIVE_MIGRATION,
    Capability.ADOPT,
    Feature.RESCUE_IMAGE,
    Feature.RESCUE_PASSWORD,
    Capability.CHECKPOINT,
    Feature.CHECKPOINT_MEMORY,
)
"""What remembers in a guest's mark what it has done."""

SESSION_SHARES: Final = 10_000_000
"""libvirt 10.0.0: virtiofsd without privileges."""

READ_ONLY_SHARES: Final = 11_000_000
"""libvirt 11.0.0: ``<readonly/>`` for virtiofs."""

NEVER: Final = {
    Feature.WHOLE_NODES: "guests are virtual machines, as large as their spec says",
    Feature.BACKEND_URL: "libvirt does not fetch images; Url() fetches them here and passes them on",
    Feature.NIC_VIF: "libvirt's networks have no ports that could be made before their guest",
    Feature.MIGRATE_WITHIN: "an endpoint is one host; live_migrate moves guests to another endpoint",
    Feature.BACKUP_STOPPED: "QEMU tells what changed, and only while it runs: start the guest",
    Feature.EVERY_TRANSITION: "events tell that a guest changed; changes in quick succession become one",
}


def answers(emulator: Emulator, dedicated: frozenset[int] = frozenset()) -> Mapping[Capability | Feature, Availability]:
    """One answer for each role of the driver and each feature known.

    Args:
        emulator: what the hypervisor offers.
        dedicated: the host's processors that are set aside for guests that want them alone.
    """
    found: dict[Capability | Feature, Availability] = dict.fromkeys(ALWAYS, AVAILABLE)
    found |= {feature: unavailable(reason) for feature, reason in NEVER.items()}
    found |= hardware_answers(emulator, dedicated)
    return found


def marking_answers(manage: Manage) -> Mapping[Capability | Feature, Availability]:
    """The same for what remembers in a guest's mark what it has done."""
    if manage is Manage.ALL:
        return dict.fromkeys(MARKING, unavailable('a connection with manage="all" writes no marks'))
    return dict.fromkeys(MARKING, AVAILABLE)


def share_answers(
    emulator: Emulator, version: int, uri: str, refusal: str
) -> Mapping[Capability | Feature, Availability]:
    """The same for directories that guests share with their host.

    Args:
        emulator: what the hypervisor offers.
        version: libvirt's, as a number.
        uri: the endpoint's.
        refusal: why no directory may be shared; empty if some may.
    """
    reason = refusal
    if "virtiofs" not in emulator.filesystems or "memfd" not in emulator.memory_sources:
        reason = "this libvirt, or its QEMU, has no virtiofs"
    elif uri.partition("?")[0].endswith("/session") and version < SESSION_SHARES:
        reason = "this libvirt shares directories for qemu:///system only (10.0 does for all)"
    shares = unavailable(reason) if reason else AVAILABLE
    if not reason and version < READ_ONLY_SHARES:
        reason = "this libvirt lets guests write to what they share (11.0 has shares to read only)"
    return {
        Capability.SHARES: shares,
        Feature.ATTACH_SHARES: shares,
        Feature.SHARE_READ_ONLY: unavailable(reason) if reason else AVAILABLE,
    }


def live_answers(virt_type: str, version: int) -> Mapping[Capability | Feature, Availability]:
    """The same for another size of guests that run.

    Args:
        virt_type: domain type of new guests.
        version: libvirt's, as it tells it.
    """
    too_old = unavailable("this libvirt knows no virtio-mem (it came with 7.9)")
    no_word = unavailable("QEMU without KVM does not tell when a virtual CPU is gone")
    return {
        Feature.LIVE_VCPUS: AVAILABLE,
        Feature.LIVE_VCPUS_REMOVAL: AVAILABLE if virt_type == "kvm" else no_word,
        **dict.fromkeys(
            (Feature.LIVE_MEMORY, Feature.LIVE_MEMORY_REMOVAL), AVAILABLE if version >= VIRTIO_MEM else too_old
        ),
    }


def opaque_nic_answer(manage: Manage, refusal: str) -> Mapping[Capability | Feature, Availability]:
    """The same for ports that os-vif makes.

    Args:
        manage: which guests may be changed.
        refusal: why os-vif cannot make ports from here; empty if it can.
    """
    reason = 'a connection with manage="all" writes no marks' if manage is Manage.ALL else refusal
    return {Feature.NIC_OPAQUE: unavailable(reason) if reason else AVAILABLE}


def host_connection_answer(manage: Manage, refusal: str) -> Mapping[Capability | Feature, Availability]:
    """The same for volumes that the host connects.

    Args:
        manage: which guests may be changed.
        refusal: why os-brick can connect none from here; empty if it can.
    """
    reason = 'a connection with manage="all" writes no marks' if manage is Manage.ALL else refusal
    return {Feature.HOST_CONNECTIONS: unavailable(reason) if reason else AVAILABLE}


def backup_answers(emulator: Emulator, refusal: str) -> Mapping[Capability | Feature, Availability]:
    """The same for backups.

    Args:
        emulator: what the hypervisor offers.
        refusal: why backups cannot be read from here; empty if they can.
    """
    reason = refusal if emulator.backup else "this libvirt, or its QEMU, tells of no backups (libvirt 7.2, QEMU 5.2)"
    given = AVAILABLE if emulator.backup and not refusal else unavailable(reason)
    return dict.fromkeys((Capability.BACKUP, Feature.BACKUP_QUIESCE), given)

"""Every word that Nova knows for a flavor's extra specs and an image's properties, and what becomes of it here."""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import nova_virt_api as virt


class Status(enum.Enum):
    """What becomes of a word."""

    HONOURED = "honoured"
    PASSIVE = "no effect"
    """It is the scheduler's, or advice that an endpoint may follow or not."""

    REFUSED = "refused"
    """Nothing here can do what it asks for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Word:
    """What becomes of one word.

    Args:
        status: as the documentation has it.
        takes: the only values that are not refused, in small letters; None for all. Of a word that is refused those
            that ask for nothing.
    """

    status: Status
    takes: frozenset[str] | None = None

    def refuses(self, value: Any) -> bool:
        """Whether a guest cannot have this value."""
        return self.takes is not None and str(value).strip().lower() not in self.takes


NOT: Final = ("false", "f", "no", "n", "off", "0")
YES: Final = ("true", "t", "yes", "y", "on", "1")

PINNED: Final = ("shared", "dedicated")
MACHINES: Final = ("q35",)
"""A machine with PCI Express, which QEMU's guests are anyway."""

HONOURED: Final = Word(status=Status.HONOURED)
PASSIVE: Final = Word(status=Status.PASSIVE)
SWITCH: Final = Word(status=Status.REFUSED, takes=frozenset(NOT))
"""Something to be switched on that cannot be."""

REFUSED: Final = Word(status=Status.REFUSED, takes=frozenset())


def only(*values: str, status: Status = Status.HONOURED) -> Word:
    """A word of which some values are taken."""
    return Word(status=status, takes=frozenset(values))


def values_of(kind: Iterable[enum.Enum]) -> Word:
    """A word that names a member of one of our enumerations as we do."""
    return only(*(str(member.value) for member in kind))


ONE_PORT: Final = only("1", status=Status.REFUSED)
NO_PORTS: Final = only("0", status=Status.REFUSED)

COMMON: Final[Mapping[str, Word]] = {
    **dict.fromkeys(("cpu_sockets", "cpu_cores", "cpu_threads"), HONOURED),
    **dict.fromkeys(("cpu_max_sockets", "cpu_max_cores", "cpu_max_threads"), HONOURED),
    "cpu_policy": only(*PINNED),
    "cpu_thread_policy": HONOURED,
    "cpu_realtime_mask": PASSIVE,
    **dict.fromkeys(("mem_page_size", "locked_memory", "mem_encryption"), HONOURED),
    "mem_encryption_model": only("amd-sev", "amd-sev-es"),
    "numa_nodes": HONOURED,
    "pci_numa_affinity_policy": PASSIVE,
    "vif_multiqueue_enabled": HONOURED,
    "watchdog_action": HONOURED,
    **dict.fromkeys(("tpm_model", "tpm_version"), HONOURED),
    **dict.fromkeys(("boot_menu", "virtio_packed_ring", "ephemeral_encryption"), SWITCH),
    "ephemeral_encryption_format": PASSIVE,
    **dict.fromkeys(("pmu", "viommu_model", "sound_model", "usb_model"), REFUSED),
    **dict.fromkeys(("maxphysaddr_mode", "maxphysaddr_bits"), REFUSED),
    "serial_port_count": ONE_PORT,
    "redirected_usb_ports": NO_PORTS,
}
"""Words that flavors (``hw:``) and images (``hw_``) share."""

PLACES: Final = ("cpu", "memory", "disk_io", "vif")
SHARES: Final = ("limit", "reservation", "shares_level", "shares_share")

EXTRA_SPECS: Final[Mapping[str, Word]] = {
    **{f"hw:{name}": word for name, word in COMMON.items()},
    **dict.fromkeys(("hw:numa_cpus.{num}", "hw:numa_mem.{num}"), HONOURED),
    **dict.fromkeys(("hw:cpu_realtime", "hw:hide_hypervisor_id", "hide_hypervisor_id"), SWITCH),
    **dict.fromkeys(("hw:emulator_threads_policy", "hw:cpu_dedicated_mask"), REFUSED),
    "hw:pmem": REFUSED,
    "hw:tpm_secret_security": only("host"),
    "hw_rng:allowed": only(*YES, status=Status.PASSIVE),
    **dict.fromkeys(("hw_rng:rate_bytes", "hw_rng:rate_period"), REFUSED),
    "hw_video:ram_max_mb": PASSIVE,
    "os:secure_boot": HONOURED,
    **{f"quota:disk_{way}_{unit}_sec": HONOURED for way in ("read", "write", "total") for unit in ("bytes", "iops")},
    **{f"quota:vif_{way}_{part}": HONOURED for way in ("inbound", "outbound") for part in ("average", "peak", "burst")},
    **{f"quota:{place}_{share}": REFUSED for place in PLACES for share in SHARES},
    **dict.fromkeys(("quota:cpu_shares", "quota:cpu_period", "quota:cpu_quota"), REFUSED),
    **dict.fromkeys(("vmware:hw_version", "vmware:storage_policy"), REFUSED),
    **dict.fromkeys(("accel:device_profile", "pci_passthrough:alias"), REFUSED),
    "group_policy": PASSIVE,
}
"""Extra specs, as Nova's API checks them; ``{num}`` stands for a number."""

NAMESPACES: Final = frozenset({"hw", "hw_rng", "hw_video", "os", "quota", "vmware", "accel", "pci_passthrough"})
"""Of extra specs about guests. What else there is, the scheduler's or an operator's own, asks nothing of us."""

IMAGE_PROPERTIES: Final[Mapping[str, Word]] = {
    **{f"hw_{name}": word for name, word in COMMON.items()},
    **dict.fromkeys(("hw_numa_cpus", "hw_numa_mem"), HONOURED),
    **dict.fromkeys(("hw_firmware_type", "hw_firmware_stateless", "os_secure_boot", "os_require_quiesce"), HONOURED),
    "hw_disk_bus": values_of(virt.DiskBus),
    "hw_scsi_model": only("virtio-scsi"),
    "hw_vif_model": values_of(virt.NicModel),
    "hw_video_model": values_of(virt.VideoModel),
    "hw_machine_type": only(*MACHINES),
    "hw_vm_mode": only("hvm"),
    "hw_pointer_model": only("usbtablet", "ps2mouse", status=Status.PASSIVE),
    "hw_input_bus": only("usb", status=Status.PASSIVE),
    **dict.fromkeys(("hw_time_hpet", "hw_ipxe_boot", "img_hide_hypervisor_id"), SWITCH),
    **dict.fromkeys(("hw_emulation_architecture", "hw_video_ram"), REFUSED),
    **dict.fromkeys(("img_config_drive", "img_block_device_mapping", "img_bdm_v2", "img_mappings"), HONOURED),
    "img_root_device_name": HONOURED,
    "img_signature": HONOURED,
    **{f"img_signature_{part}": HONOURED for part in ("certificate_uuid", "hash_method", "key_type")},
    **dict.fromkeys(("hw_architecture", "img_hv_type", "img_hv_requested_version", "traits_required"), PASSIVE),
    **dict.fromkeys(("hw_cdrom_bus", "hw_floppy_bus", "hw_rescue_bus", "hw_rescue_device"), PASSIVE),
    **dict.fromkeys(("hw_rng_model", "hw_qemu_guest_agent", "hw_disk_type", "hw_device_id"), PASSIVE),
    **dict.fromkeys(("hw_auto_disk_config", "hw_ephemeral_encryption_secret_uuid", "img_linked_clone"), PASSIVE),
    **dict.fromkeys(("img_bittorrent", "img_cache_in_nova", "img_compression_level", "img_version"), PASSIVE),
    **dict.fromkeys(("img_owner_id", "img_use_agent"), PASSIVE),
    **dict.fromkeys(("os_type", "os_distro", "os_admin_user", "os_command_line"), PASSIVE),
    **dict.fromkeys(("os_skip_agent_inject_files_at_boot", "os_skip_agent_inject_ssh"), PASSIVE),
}
"""Properties of images, as Nova's object for them names them."""

ABOUT_BUSES: Final = frozenset({"hw_disk_bus", "hw_scsi_model"})
"""Properties that ask nothing of an endpoint without a choice of buses: there they describe the template's own disk."""

UNKNOWN: Final = REFUSED


def word_of(extra_spec: str) -> Word:
    """What becomes of an extra spec; one that is about guests and that nobody has heard of is refused."""
    stem, dot, number = extra_spec.partition(".")
    name = f"{stem}.{{num}}" if dot and number.isdigit() else extra_spec
    known = EXTRA_SPECS.get(name)
    if known is not None:
        return known
    return UNKNOWN if name.partition(":")[0] in NAMESPACES and ":" in name else PASSIVE

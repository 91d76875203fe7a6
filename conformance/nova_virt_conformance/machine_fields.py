"""Requests for the parts of a guest's machine: for each feature the field that asks for it, and a value."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from nova_virt_api.capability import Feature
from nova_virt_api.model.cpu import Cpu, CpuMode, CpuTopology, NumaCell
from nova_virt_api.model.disk import DiskCache
from nova_virt_api.model.limits import DiskLimits, DiskRate, NicLimits, NicRate
from nova_virt_api.model.memory import MemoryBacking, MemoryEncryption
from nova_virt_api.model.nic import Nic
from nova_virt_api.model.screen import Graphics, Screen, VideoModel
from nova_virt_api.model.tpm import Tpm
from nova_virt_api.model.units import MiB
from nova_virt_api.model.watchdog import Watchdog
from nova_virt_conformance.lab import SMALL_MEMORY

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nova_virt_conformance.lab import Lab


def machine_fields(lab: Lab) -> Mapping[Feature, tuple[str, dict[str, Any]]]:
    """One request for each feature."""
    return {**PLAIN, **of_disks(lab), **of_nics(lab)}


PLAIN: Mapping[Feature, tuple[str, dict[str, Any]]] = {
    Feature.LIVE_VCPUS: ("max_vcpus", {"max_vcpus": 2}),
    Feature.LIVE_MEMORY: ("max_memory_bytes", {"max_memory_bytes": 2 * SMALL_MEMORY}),
    Feature.SECURE_BOOT: ("secure_boot", {"secure_boot": True}),
    Feature.STATELESS_FIRMWARE: ("stateless_firmware", {"stateless_firmware": True}),
    Feature.TPM: ("tpm", {"tpm": Tpm()}),
    Feature.CPU_MODEL: ("cpu.mode", {"cpu": Cpu(mode=CpuMode.HOST_MODEL)}),
    Feature.CPU_FLAGS: ("cpu.with_flags", {"cpu": Cpu(with_flags=("ssse3",))}),
    Feature.CPU_TOPOLOGY: ("cpu.topology", {"cpu": Cpu(topology=CpuTopology())}),
    Feature.DEDICATED_CPUS: ("cpu.dedicated", {"cpu": Cpu(dedicated=True)}),
    Feature.NUMA: ("numa", {"numa": (NumaCell(vcpus=(0,), memory_bytes=SMALL_MEMORY),)}),
    Feature.HUGE_PAGES: ("backing.page_bytes", {"backing": MemoryBacking(page_bytes=MiB(2))}),
    Feature.FILE_BACKED_MEMORY: ("backing.file_backed", {"backing": MemoryBacking(file_backed=True)}),
    Feature.SHARED_MEMORY: ("backing.shared", {"backing": MemoryBacking(shared=True)}),
    Feature.LOCKED_MEMORY: ("backing.locked", {"backing": MemoryBacking(locked=True)}),
    Feature.MEMORY_ENCRYPTION: ("backing.encryption", {"backing": MemoryBacking(encryption=MemoryEncryption.SEV)}),
    Feature.WATCHDOG: ("watchdog", {"watchdog": Watchdog()}),
    Feature.VIDEO_MODEL: ("screen.video", {"screen": Screen(video=VideoModel.VGA)}),
    Feature.GRAPHICS: ("screen.graphics", {"screen": Screen(graphics=Graphics.VNC)}),
}


def of_disks(lab: Lab) -> Mapping[Feature, tuple[str, dict[str, Any]]]:
    """What a disk can be asked for."""
    limits = DiskLimits(total_bytes=DiskRate(per_second=MiB(100)))
    asked: dict[Feature, tuple[str, Any]] = {
        Feature.DISK_LIMITS: ("limits", limits),
        Feature.DISK_CACHE: ("cache", DiskCache.WRITE_BACK),
        Feature.DISK_DISCARD: ("discard", True),
        Feature.DISK_SERIAL: ("serial", "conformance"),
        Feature.DISK_TAG: ("tag", "conformance"),
    }
    disk = lab.disk()
    return {
        feature: (f"disks[0].{field}", {"disks": (replace(disk, **{field: value}),)})
        for feature, (field, value) in asked.items()
    }


def of_nics(lab: Lab) -> Mapping[Feature, tuple[str, dict[str, Any]]]:
    """What an interface can be asked for."""
    asked: dict[Feature, tuple[str, Any]] = {
        Feature.NIC_LIMITS: ("limits", NicLimits(send=NicRate(bytes_per_second=10_000_000))),
        Feature.NIC_QUEUES: ("queues", 1),
        Feature.NIC_MTU: ("mtu", 1400),
        Feature.NIC_LINK: ("link_up", False),
        Feature.NIC_TAG: ("tag", "conformance"),
    }
    nic = Nic(network=lab.target.network)
    return {
        feature: (f"nics[0].{field}", {"nics": (replace(nic, **{field: value}),)})
        for feature, (field, value) in asked.items()
    }

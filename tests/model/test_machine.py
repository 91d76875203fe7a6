"""The parts of a guest's machine: what is refused says which field, and each part asks for its feature."""

from typing import Any

import pytest

import nova_virt_api as virt
from nova_virt_api.model.record import fingerprint

MiB = virt.MiB
RATE = virt.DiskRate(per_second=1)


@pytest.mark.parametrize(
    ("build", "field"),
    [
        (lambda: virt.CpuTopology(cores=0), "cores"),
        (lambda: virt.Cpu(mode="host-model"), "mode"),  # type: ignore[arg-type]
        (lambda: virt.Cpu(model="a<b"), "model"),
        (lambda: virt.Cpu(model="Nehalem", mode=virt.CpuMode.HOST_MODEL), "model"),
        (lambda: virt.Cpu(with_flags=["AES"]), "with_flags[0]"),
        (lambda: virt.Cpu(with_flags="aes"), "with_flags"),
        (lambda: virt.Cpu(without_flags=["aes", "a'"]), "without_flags[1]"),
        (lambda: virt.Cpu(with_flags=["aes"], without_flags=["aes"]), "without_flags"),
        (lambda: virt.Cpu(topology=(1, 2, 1)), "topology"),  # type: ignore[arg-type]
        (lambda: virt.Cpu(dedicated=1), "dedicated"),  # type: ignore[arg-type]
        (lambda: virt.Cpu(host_cpus=[1]), "host_cpus"),
        (lambda: virt.Cpu(dedicated=True, host_cpus=[-1]), "host_cpus[0]"),
        (lambda: virt.Cpu(dedicated=True, host_cpus=[1, 1]), "host_cpus"),
        (lambda: virt.NumaCell(vcpus=[], memory_bytes=MiB(1)), "vcpus"),
        (lambda: virt.NumaCell(vcpus=[-1], memory_bytes=MiB(1)), "vcpus[0]"),
        (lambda: virt.NumaCell(vcpus=[0], memory_bytes=MiB(1) + 1), "memory_bytes"),
        (lambda: virt.NumaCell(vcpus=[0], memory_bytes=MiB(1), host_cell=-1), "host_cell"),
        (lambda: virt.MemoryBacking(page_bytes=MiB(3)), "page_bytes"),
        (lambda: virt.MemoryBacking(page_bytes=MiB(2), file_backed=True), "file_backed"),
        (lambda: virt.MemoryBacking(shared="yes"), "shared"),  # type: ignore[arg-type]
        (lambda: virt.MemoryBacking(encryption="sev"), "encryption"),  # type: ignore[arg-type]
        (lambda: virt.Tpm(version="2.0"), "version"),  # type: ignore[arg-type]
        (lambda: virt.Tpm(version=virt.TpmVersion.V1_2, model=virt.TpmModel.CRB), "model"),
        (lambda: virt.Watchdog(action="reset"), "action"),  # type: ignore[arg-type]
        (lambda: virt.Screen(video="vga"), "video"),  # type: ignore[arg-type]
        (lambda: virt.Screen(graphics="vnc"), "graphics"),  # type: ignore[arg-type]
        (lambda: virt.DiskRate(per_second=0), "per_second"),
        (lambda: virt.DiskRate(per_second=2, burst_per_second=1), "burst_per_second"),
        (lambda: virt.DiskRate(per_second=2, burst_seconds=1), "burst_seconds"),
        (virt.DiskLimits, "total_bytes"),
        (lambda: virt.DiskLimits(read_bytes=5), "read_bytes"),  # type: ignore[arg-type]
        (lambda: virt.DiskLimits(total_bytes=RATE, read_bytes=RATE), "total_bytes"),
        (lambda: virt.DiskLimits(total_operations=RATE, write_operations=RATE), "total_operations"),
        (lambda: virt.NicRate(bytes_per_second=1500), "bytes_per_second"),
        (lambda: virt.NicRate(bytes_per_second=2000, peak_bytes_per_second=1000), "peak_bytes_per_second"),
        (lambda: virt.NicRate(bytes_per_second=2000, burst_bytes=1000), "burst_bytes"),
        (virt.NicLimits, "receive"),
        (lambda: virt.Disk(source=virt.Native("x"), serial="with space"), "serial"),
        (lambda: virt.Disk(source=virt.Native("x"), serial="x" * 21), "serial"),
        (lambda: virt.Disk(source=virt.Native("x"), cache="none"), "cache"),  # type: ignore[arg-type]
        (lambda: virt.Disk(source=virt.Native("x"), discard=1), "discard"),  # type: ignore[arg-type]
        (lambda: virt.Disk(source=virt.Native("x"), limits=RATE), "limits"),  # type: ignore[arg-type]
        (lambda: virt.Nic(queues=0), "queues"),
        (lambda: virt.Nic(mtu=67), "mtu"),
        (lambda: virt.Nic(link_up=None), "link_up"),  # type: ignore[arg-type]
        (lambda: virt.Nic(limits=RATE), "limits"),  # type: ignore[arg-type]
    ],
)
def test_part_that_makes_no_sense_is_refused_naming_its_field(build: Any, field: str) -> None:
    with pytest.raises(virt.InvalidSpec) as caught:
        build()
    assert caught.value.field == field


def spec(**fields: Any) -> virt.InstanceSpec:
    return virt.InstanceSpec(uuid=virt.stable_uuid("web"), name="web", **({"memory_bytes": MiB(64)} | fields))


CELL = virt.NumaCell(vcpus=[0], memory_bytes=MiB(64))


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"secure_boot": True, "firmware": virt.Firmware.BIOS}, "secure_boot"),
        ({"stateless_firmware": True, "firmware": virt.Firmware.BIOS}, "stateless_firmware"),
        ({"stateless_firmware": True, "secure_boot": True}, "secure_boot"),
        ({"secure_boot": "yes"}, "secure_boot"),
        ({"tpm": "2.0"}, "tpm"),
        ({"cpu": "Nehalem"}, "cpu"),
        ({"backing": MiB(2)}, "backing"),
        ({"watchdog": "reset"}, "watchdog"),
        ({"screen": "vnc"}, "screen"),
        ({"numa": CELL}, "numa"),
        ({"numa": [CELL, CELL]}, "numa"),
        ({"vcpus": 2, "numa": [CELL]}, "numa"),
        ({"memory_bytes": MiB(65), "numa": [CELL]}, "numa"),
        ({"vcpus": 3, "cpu": virt.Cpu(topology=virt.CpuTopology(cores=2))}, "cpu.topology"),
        ({"vcpus": 3, "cpu": virt.Cpu(dedicated=True, host_cpus=[1, 2])}, "cpu.host_cpus"),
        ({"max_vcpus": 2, "cpu": virt.Cpu(dedicated=True)}, "max_vcpus"),
        ({"max_vcpus": 2, "cpu": virt.Cpu(topology=virt.CpuTopology())}, "cpu.topology"),
        ({"max_vcpus": 2, "numa": [CELL]}, "numa"),
        ({"vcpus": 2, "max_vcpus": 1}, "max_vcpus"),
        ({"max_memory_bytes": MiB(63)}, "max_memory_bytes"),
    ],
)
def test_machine_that_contradicts_itself_is_refused(fields: dict[str, Any], field: str) -> None:
    with pytest.raises(virt.InvalidSpec) as caught:
        spec(**fields)
    assert caught.value.field == field


def disk(**fields: Any) -> virt.Disk:
    return virt.Disk(source=virt.Native("x"), **fields)


FEATURES: list[tuple[dict[str, Any], virt.Feature, str]] = [
    ({"secure_boot": True}, virt.Feature.SECURE_BOOT, "secure_boot"),
    ({"stateless_firmware": True}, virt.Feature.STATELESS_FIRMWARE, "stateless_firmware"),
    ({"tpm": virt.Tpm()}, virt.Feature.TPM, "tpm"),
    ({"cpu": virt.Cpu(mode=virt.CpuMode.MAXIMUM)}, virt.Feature.CPU_MODEL, "cpu.mode"),
    ({"cpu": virt.Cpu(model="Nehalem")}, virt.Feature.CPU_MODEL, "cpu.model"),
    ({"cpu": virt.Cpu(with_flags=["aes"])}, virt.Feature.CPU_FLAGS, "cpu.with_flags"),
    ({"cpu": virt.Cpu(without_flags=["aes"])}, virt.Feature.CPU_FLAGS, "cpu.without_flags"),
    ({"cpu": virt.Cpu(topology=virt.CpuTopology())}, virt.Feature.CPU_TOPOLOGY, "cpu.topology"),
    ({"cpu": virt.Cpu(dedicated=True, host_cpus=[5])}, virt.Feature.DEDICATED_CPUS, "cpu.dedicated"),
    ({"numa": [CELL]}, virt.Feature.NUMA, "numa"),
    ({"backing": virt.MemoryBacking(page_bytes=MiB(2))}, virt.Feature.HUGE_PAGES, "backing.page_bytes"),
    ({"backing": virt.MemoryBacking(file_backed=True)}, virt.Feature.FILE_BACKED_MEMORY, "backing.file_backed"),
    ({"backing": virt.MemoryBacking(shared=True)}, virt.Feature.SHARED_MEMORY, "backing.shared"),
    ({"backing": virt.MemoryBacking(locked=True)}, virt.Feature.LOCKED_MEMORY, "backing.locked"),
    (
        {"backing": virt.MemoryBacking(encryption=virt.MemoryEncryption.SEV)},
        virt.Feature.MEMORY_ENCRYPTION,
        "backing.encryption",
    ),
    ({"watchdog": virt.Watchdog()}, virt.Feature.WATCHDOG, "watchdog"),
    ({"screen": virt.Screen(video=virt.VideoModel.NONE)}, virt.Feature.VIDEO_MODEL, "screen.video"),
    ({"screen": virt.Screen(graphics=virt.Graphics.SPICE)}, virt.Feature.GRAPHICS, "screen.graphics"),
    ({"nics": [virt.Nic(queues=2)]}, virt.Feature.NIC_QUEUES, "nics[0].queues"),
    ({"nics": [virt.Nic(mtu=1400)]}, virt.Feature.NIC_MTU, "nics[0].mtu"),
    ({"nics": [virt.Nic(link_up=False)]}, virt.Feature.NIC_LINK, "nics[0].link_up"),
    (
        {"nics": [virt.Nic(limits=virt.NicLimits(send=virt.NicRate(bytes_per_second=1000)))]},
        virt.Feature.NIC_LIMITS,
        "nics[0].limits",
    ),
    *(
        ({"disks": [disk(**{field: value})]}, feature, f"disks[0].{field}")
        for field, value, feature in (
            ("limits", virt.DiskLimits(total_bytes=RATE), virt.Feature.DISK_LIMITS),
            ("cache", virt.DiskCache.NONE, virt.Feature.DISK_CACHE),
            ("discard", False, virt.Feature.DISK_DISCARD),
            ("serial", "s", virt.Feature.DISK_SERIAL),
        )
    ),
]


@pytest.mark.parametrize(
    ("fields", "feature", "field"), FEATURES, ids=lambda value: str(value) if isinstance(value, str) else ""
)
def test_each_field_asks_for_its_feature(fields: dict[str, Any], feature: virt.Feature, field: str) -> None:
    assert list(spec(**fields).features()) == [(feature, field)]


@pytest.mark.parametrize(
    "part", [virt.Cpu(), virt.MemoryBacking(), virt.Screen()], ids=lambda part: type(part).__name__
)
def test_part_that_leaves_all_to_the_endpoint_asks_for_nothing(part: Any) -> None:
    field = {virt.Cpu: "cpu", virt.MemoryBacking: "backing", virt.Screen: "screen"}[type(part)]
    assert list(spec(**{field: part}).features()) == []


def test_new_fields_leave_fingerprints_of_old_requests_alone() -> None:
    old = spec(disks=[virt.Disk(source=virt.Native("x"))], nics=[virt.Nic()])
    assert fingerprint(old) == "d704d56b2e872c7e1bddd790678c97749c4023269fb49c1a24ea00e5dc045724"


def test_what_only_uefi_can_do_makes_it_uefi() -> None:
    assert [spec(**fields).uefi for fields in ({}, {"secure_boot": True}, {"stateless_firmware": True})] == [
        False,
        True,
        True,
    ]
    assert spec(firmware=virt.Firmware.UEFI).uefi

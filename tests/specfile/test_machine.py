"""The parts of a guest's machine in a spec file."""

from pathlib import Path

import pytest

import nova_virt_api as virt
from nova_virt_api.specfile import spec_of
from nova_virt_api.specfile.document import parse_document

FULL = """
name: web
vcpus: 4
memory_bytes: 2G
disks:
- source: {blank: true}
  size_bytes: 1G
  bus: usb
  cache: directsync
  discard: false
  serial: first-1
  limits:
    total_bytes: {per_second: 100M, burst_per_second: 200M, burst_seconds: 10}
    read_operations: {per_second: 100}
nics:
- queues: 2
  mtu: 1400
  link_up: false
  limits: {receive: {bytes_per_second: 1000000, peak_bytes_per_second: 2000000, burst_bytes: 1M}}
secure_boot: true
tpm: {version: "2.0", model: crb}
cpu:
  model: Nehalem
  with_flags: [aes]
  without_flags: [sse4.2]
  topology: {cores: 2, threads: 2}
  dedicated: true
  host_cpus: [4, 5, 6, 7]
numa:
- {vcpus: [0, 1], memory_bytes: 1G, host_cell: 1}
- {vcpus: [2, 3], memory_bytes: 1G}
backing: {page_bytes: 2M, shared: true, locked: true, encryption: sev-es}
watchdog: {action: power_off}
screen: {video: virtio, graphics: spice}
"""


def spec(text: str) -> virt.InstanceSpec:
    return spec_of(parse_document(text, "web.yaml", Path()))


def test_every_part_is_read() -> None:
    mib, gib = virt.MiB, virt.GiB
    assert spec(FULL) == virt.InstanceSpec(
        uuid=virt.stable_uuid("web"),
        name="web",
        vcpus=4,
        memory_bytes=gib(2),
        disks=[
            virt.Disk(
                source=virt.Blank(),
                size_bytes=gib(1),
                bus=virt.DiskBus.USB,
                cache=virt.DiskCache.DIRECT_SYNC,
                discard=False,
                serial="first-1",
                limits=virt.DiskLimits(
                    total_bytes=virt.DiskRate(per_second=mib(100), burst_per_second=mib(200), burst_seconds=10),
                    read_operations=virt.DiskRate(per_second=100),
                ),
            )
        ],
        nics=[
            virt.Nic(
                queues=2,
                mtu=1400,
                link_up=False,
                limits=virt.NicLimits(
                    receive=virt.NicRate(
                        bytes_per_second=1_000_000, peak_bytes_per_second=2_000_000, burst_bytes=mib(1)
                    )
                ),
            )
        ],
        secure_boot=True,
        tpm=virt.Tpm(model=virt.TpmModel.CRB),
        cpu=virt.Cpu(
            model="Nehalem",
            with_flags=["aes"],
            without_flags=["sse4.2"],
            topology=virt.CpuTopology(cores=2, threads=2),
            dedicated=True,
            host_cpus=[4, 5, 6, 7],
        ),
        numa=[
            virt.NumaCell(vcpus=[0, 1], memory_bytes=gib(1), host_cell=1),
            virt.NumaCell(vcpus=[2, 3], memory_bytes=gib(1)),
        ],
        backing=virt.MemoryBacking(
            page_bytes=mib(2), shared=True, locked=True, encryption=virt.MemoryEncryption.SEV_ES
        ),
        watchdog=virt.Watchdog(action=virt.WatchdogAction.POWER_OFF),
        screen=virt.Screen(video=virt.VideoModel.VIRTIO, graphics=virt.Graphics.SPICE),
    )


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("tpm: {version: 2.0}", "tpm.version"),
        ("cpu: {topology: {cores: 3}}", "cpu.topology"),
        ("cpu: {flags: [aes]}", "cpu.flags"),
        ("numa: [{vcpus: [0]}]", "numa[0].memory_bytes"),
        ("backing: {page_bytes: 3M}", "backing.page_bytes"),
        ("disks: [{source: {native: x}, limits: {}}]", "disks[0].limits.total_bytes"),
        ("nics: [{limits: {send: {bytes_per_second: 7}}}]", "nics[0].limits.send.bytes_per_second"),
    ],
)
def test_what_is_wrong_is_named(text: str, field: str) -> None:
    with pytest.raises(virt.InvalidSpec) as caught:
        spec(f"name: web\nmemory_bytes: 1G\n{text}\n")
    assert caught.value.field == field

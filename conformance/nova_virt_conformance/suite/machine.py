"""The machine of a guest is the one that its spec asks for, as the backend sees it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import pytest

from nova_virt_api.capability import Feature
from nova_virt_api.driver.driver import Driver
from nova_virt_api.errors import NoCapacity
from nova_virt_api.model.cpu import Cpu, CpuMode, CpuTopology, NumaCell
from nova_virt_api.model.memory import MemoryBacking, MemoryEncryption
from nova_virt_api.model.screen import Graphics, Screen, VideoModel
from nova_virt_api.model.spec import Firmware
from nova_virt_api.model.tpm import Tpm, TpmModel, TpmVersion
from nova_virt_api.model.units import MiB
from nova_virt_api.model.watchdog import Watchdog, WatchdogAction
from nova_virt_conformance.aftermath import leaving_nothing
from nova_virt_conformance.covers import covers
from nova_virt_conformance.lab import SMALL_MEMORY
from nova_virt_conformance.outcome import NotVerified
from nova_virt_conformance.suite.spec_fields import if_taken, made, told

if TYPE_CHECKING:
    from nova_virt_api.compute.compute import Compute
    from nova_virt_conformance.hardware import Machine
    from nova_virt_conformance.lab import Lab

UEFI_MEMORY: Final = MiB(64)
HUGE: Final = MiB(64)
"""A multiple of huge pages of 2 MiB."""


def machine(lab: Lab, **fields: Any) -> Machine:
    """What the backend has of a running guest with these fields."""
    _, hardware = made(lab, **fields)
    return told(hardware.machine, "what else the guest's machine is")


def cpu(lab: Lab, **fields: Any) -> Cpu:
    """The processor of a running guest with these fields."""
    return told(machine(lab, **fields).cpu, "the guest's processor")


# --- firmware and TPM -------------------------------------------------------------------------------------------------


@covers(Feature.SECURE_BOOT, Driver.spawn)
def test_secure_boot(lab: Lab) -> None:
    """A guest with secure boot has UEFI that starts signed systems only; its variables go with the guest."""
    with leaving_nothing(lab, "the guest's life"):
        spec, hardware = made(lab, secure_boot=True, memory_bytes=UEFI_MEMORY)
        assert told(hardware.machine, "whether its firmware starts signed systems only").secure_boot
        assert told(hardware.firmware, "the firmware") is Firmware.UEFI
        lab.compute.destroy(spec.uuid, timeout=lab.patience)


@covers(Feature.UEFI, Driver.spawn)
def test_no_secure_boot_unless_asked(lab: Lab) -> None:
    """A guest that asks for UEFI alone starts any system."""
    assert not machine(lab, firmware=Firmware.UEFI, memory_bytes=UEFI_MEMORY).secure_boot


@covers(Feature.STATELESS_FIRMWARE, Driver.spawn)
def test_stateless_firmware(lab: Lab) -> None:
    """A guest with stateless firmware has UEFI without a place for variables."""
    _, hardware = made(lab, stateless_firmware=True, memory_bytes=UEFI_MEMORY)
    assert told(hardware.machine, "whether its firmware keeps variables").stateless_firmware
    assert told(hardware.firmware, "the firmware") is Firmware.UEFI


@covers(Feature.TPM, Driver.spawn)
@pytest.mark.parametrize(
    "tpm", [Tpm(), Tpm(model=TpmModel.TIS), Tpm(version=TpmVersion.V1_2)], ids=["2.0", "2.0-tis", "1.2"]
)
def test_tpm(lab: Lab, tpm: Tpm) -> None:
    """A guest has the TPM that was asked for while it runs; what the TPM keeps goes with the guest."""
    with leaving_nothing(lab, "the guest's life"), if_taken(lab, "tpm.version"):
        spec, hardware = made(lab, tpm=tpm)
        found = told(hardware.machine, "its TPM").tpm
        assert found is not None, "it has no TPM"
        assert found.version is tpm.version
        assert tpm.model in (None, found.model), f"{tpm.model} was asked for, it has {found.model}"
        lab.compute.destroy(spec.uuid, timeout=lab.patience)


@covers(Feature.TPM, Driver.spawn)
def test_no_tpm_unless_asked(lab: Lab) -> None:
    """A spec that names no TPM makes a guest without."""
    assert machine(lab).tpm is None


# --- processor --------------------------------------------------------------------------------------------------------


@covers(Feature.CPU_MODEL, Driver.spawn)
@pytest.mark.parametrize("mode", CpuMode, ids=lambda mode: mode.value)
def test_cpu_mode(lab: Lab, mode: CpuMode) -> None:
    """A guest's processor is derived as was asked for, or the spec is refused where the endpoint cannot."""
    with if_taken(lab, "cpu.mode"):
        assert cpu(lab, cpu=Cpu(mode=mode)).mode is mode


@covers(Feature.CPU_MODEL, Driver.spawn)
@pytest.mark.parametrize("model", ["qemu64", "Nehalem", "no-such-processor"])
def test_cpu_model(lab: Lab, model: str) -> None:
    """A guest's processor is the model that was asked for, or the spec is refused where the endpoint has no such."""
    with if_taken(lab, "cpu.model"):
        assert cpu(lab, cpu=Cpu(model=model)).model == model


@covers(Feature.CPU_FLAGS, Driver.spawn)
def test_cpu_flags(lab: Lab) -> None:
    """A guest's processor has the flags that it must have and none that it must not."""
    with if_taken(lab, "cpu.with_flags"):
        found = cpu(lab, cpu=Cpu(with_flags=("ssse3",), without_flags=("popcnt",)))
    assert "ssse3" in found.with_flags
    assert "popcnt" in found.without_flags


@covers(Feature.CPU_TOPOLOGY, Driver.spawn)
def test_cpu_topology(lab: Lab) -> None:
    """A guest's virtual CPUs are arranged as was asked for."""
    topology = CpuTopology(sockets=1, cores=2, threads=2)
    assert cpu(lab, vcpus=4, cpu=Cpu(topology=topology)).topology == topology


@covers(Feature.DEDICATED_CPUS, Driver.spawn, Driver.inventory, NoCapacity)
def test_dedicated_cpus(lab: Lab) -> None:
    """Each dedicated processor of the host is given to one guest; when none is left, the next is refused."""
    free = free_processors(lab.compute)
    if not free:
        raise NotVerified("all of the host's dedicated processors are in use")
    first = told(cpu(lab, cpu=Cpu(dedicated=True)).host_cpus, "the host's processors that it has")
    assert len(first) == 1, f"one virtual CPU runs on the host's processors {first}"
    assert free_processors(lab.compute) == free - 1
    if free > 1:
        second = cpu(lab, cpu=Cpu(dedicated=True)).host_cpus
        assert len(second) == 1, f"one virtual CPU runs on the host's processors {second}"
        assert set(first).isdisjoint(second), f"two guests have the host's processors {first}"
    too_many = lab.spec(vcpus=free + 1, cpu=Cpu(dedicated=True))
    with pytest.raises(NoCapacity) as caught:
        lab.compute.spawn(too_many, timeout=lab.patience)
    assert caught.value.resource == "PCPU"


def free_processors(compute: Compute) -> int:
    """How many dedicated processors can be had on the only node.

    Raises:
        NotVerified: there are several nodes.
    """
    nodes = compute.nodes()
    if len(nodes) > 1:
        raise NotVerified("the endpoint has several nodes, and the kit counts processors of one only")
    for resource in compute.inventory(nodes[0].name).resources:
        if resource.resource_class == "PCPU":
            return resource.total - resource.reserved - (resource.used or 0)
    raise AssertionError("processors can be dedicated, and the inventory has no PCPU")


@covers(Feature.NUMA, Driver.spawn)
def test_numa_cells(lab: Lab) -> None:
    """A guest sees the NUMA cells that were asked for."""
    cells = (
        NumaCell(vcpus=(0, 2), memory_bytes=SMALL_MEMORY),
        NumaCell(vcpus=(1,), memory_bytes=2 * SMALL_MEMORY),
    )
    assert machine(lab, vcpus=3, memory_bytes=3 * SMALL_MEMORY, numa=cells).numa == cells


# --- memory -----------------------------------------------------------------------------------------------------------


@covers(Feature.HUGE_PAGES, Driver.spawn)
def test_huge_pages(lab: Lab) -> None:
    """A guest's memory is made of pages of the size that was asked for, or refused where that size is not there."""
    with if_taken(lab, "backing.page_bytes"):
        found = machine(lab, memory_bytes=HUGE, backing=MemoryBacking(page_bytes=MiB(2)))
    assert told(found.backing, "how its memory is made").page_bytes == MiB(2)


@covers(Feature.FILE_BACKED_MEMORY, Driver.spawn)
def test_file_backed_memory(lab: Lab) -> None:
    """A guest's memory is in a file, which goes with it."""
    with leaving_nothing(lab, "the guest's life"):
        spec, hardware = made(lab, backing=MemoryBacking(file_backed=True))
        backing = told(hardware.machine, "how its memory is made").backing
        assert told(backing, "how its memory is made").file_backed
        lab.compute.destroy(spec.uuid, timeout=lab.patience)


@covers(Feature.SHARED_MEMORY, Driver.spawn)
@pytest.mark.parametrize("shared", [True, False], ids=["shared", "not-shared"])
def test_shared_memory(lab: Lab, shared: bool) -> None:
    """A guest's memory can be used by other processes of the host exactly when that was asked for."""
    backing = machine(lab, backing=MemoryBacking(shared=shared)).backing
    assert told(backing, "how its memory is made").shared is shared


@covers(Feature.LOCKED_MEMORY, Driver.spawn)
def test_locked_memory(lab: Lab) -> None:
    """A guest's memory is never swapped out by the host."""
    refuse_lacking(lab, Feature.LOCKED_MEMORY)
    assert told(machine(lab, backing=MemoryBacking(locked=True)).backing, "how its memory is made").locked


@covers(Feature.MEMORY_ENCRYPTION, Driver.spawn)
@pytest.mark.parametrize("encryption", MemoryEncryption, ids=lambda one: one.value)
def test_memory_encryption(lab: Lab, encryption: MemoryEncryption) -> None:
    """A guest's memory is kept from its host, or the spec is refused where the host cannot in that way."""
    with if_taken(lab, "backing.encryption"):
        found = machine(
            lab,
            firmware=Firmware.UEFI,
            memory_bytes=UEFI_MEMORY,
            backing=MemoryBacking(encryption=encryption),
        )
    assert told(found.backing, "how its memory is made").encryption is encryption


def refuse_lacking(lab: Lab, feature: Feature) -> None:
    """Leave a test out for which the target lacks something that its backend cannot know.

    Raises:
        NotVerified: it does.
    """
    if (lacking := lab.rig.lacking(feature)) is not None:
        raise NotVerified(lacking)


# --- watchdog and screen ----------------------------------------------------------------------------------------------


@covers(Feature.WATCHDOG, Driver.spawn)
@pytest.mark.parametrize("action", WatchdogAction, ids=lambda action: action.value)
def test_watchdog(lab: Lab, action: WatchdogAction) -> None:
    """A guest has a watchdog with the action that was asked for."""
    assert machine(lab, watchdog=Watchdog(action=action)).watchdog == Watchdog(action=action)


@covers(Feature.VIDEO_MODEL, Driver.spawn)
@pytest.mark.parametrize("video", VideoModel, ids=lambda video: video.value)
def test_video_model(lab: Lab, video: VideoModel) -> None:
    """A guest has the video card that was asked for, or the spec is refused where the endpoint has no such."""
    with if_taken(lab, "screen.video"):
        found = machine(lab, screen=Screen(video=video))
    assert told(found.screen, "the screen").video is video


@covers(Feature.GRAPHICS, Driver.spawn)
@pytest.mark.parametrize("graphics", Graphics, ids=lambda graphics: graphics.value)
def test_graphics(lab: Lab, graphics: Graphics) -> None:
    """A guest's screen is reached as was asked for, or the spec is refused where the endpoint has no such way."""
    with if_taken(lab, "screen.graphics"):
        found = machine(lab, screen=Screen(graphics=graphics))
    assert told(found.screen, "the screen").graphics is graphics

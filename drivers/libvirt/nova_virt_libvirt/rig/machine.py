"""What a guest is beside CPUs, memory, disks and interfaces, as libvirt tells of the running machine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from nova_virt_api.model.cpu import Cpu, CpuMode, CpuTopology, NumaCell
from nova_virt_api.model.memory import MemoryBacking, MemoryEncryption
from nova_virt_api.model.screen import Graphics, Screen, VideoModel
from nova_virt_api.model.tpm import Tpm, TpmModel, TpmVersion
from nova_virt_api.model.watchdog import Watchdog, WatchdogAction
from nova_virt_conformance.hardware import Machine
from nova_virt_libvirt.host.cells import cpu_set

if TYPE_CHECKING:
    from collections.abc import Iterator

ACTIONS: Final = {
    "reset": WatchdogAction.RESET,
    "poweroff": WatchdogAction.POWER_OFF,
    "pause": WatchdogAction.PAUSE,
    "none": WatchdogAction.NONE,
}
ENCRYPTED_REGISTERS: Final = 0x4
"""Bit of an SEV policy."""


def machine_of(live: Any, defined: Any) -> Machine:
    """The machine.

    Args:
        live: the definition as it runs; of a guest that is off the same as the other.
        defined: the definition that it starts from, where the processor is still said as it was asked for.
    """
    return Machine(
        secure_boot=live.find("os/loader[@secure='yes']") is not None,
        stateless_firmware=live.find("os/loader[@stateless='yes']") is not None,
        tpm=tpm_of(live),
        cpu=cpu_of(live, defined),
        numa=tuple(cells_of(live)),
        backing=backing_of(live),
        watchdog=watchdog_of(live),
        screen=screen_of(live),
    )


def tpm_of(live: Any) -> Tpm | None:
    """The trusted platform module."""
    tpm = live.find("devices/tpm[@model]/backend[@type='emulator']/..")
    if tpm is None:
        return None
    version = TpmVersion(tpm.find("backend").get("version"))
    return Tpm(version=version, model=TpmModel(tpm.get("model").removeprefix("tpm-")))


def cpu_of(live: Any, defined: Any) -> Cpu:
    """The processor."""
    cpu, shape = defined.find("cpu"), live.find("cpu/topology")
    pins = [cpu_set("cpuset", pin.get("cpuset")) for pin in live.iterfind("cputune/vcpupin")]
    alone = bool(pins) and all(len(pin) == 1 for pin in pins)
    custom = cpu.get("mode") == "custom"
    return Cpu(
        mode=None if custom else CpuMode(cpu.get("mode")),
        model=cpu.findtext("model") if custom else None,
        with_flags=tuple(cpu.xpath("feature[@policy='require']/@name")),
        without_flags=tuple(cpu.xpath("feature[@policy='disable']/@name")),
        topology=None
        if shape is None
        else CpuTopology(**{n: int(shape.get(n)) for n in ("sockets", "cores", "threads")}),
        dedicated=alone,
        host_cpus=tuple(min(pin) for pin in pins) if alone else (),
    )


def cells_of(live: Any) -> Iterator[NumaCell]:
    """The NUMA cells."""
    for cell in live.iterfind("cpu/numa/cell"):
        place = live.find(f"numatune/memnode[@cellid='{cell.get('id')}']")
        yield NumaCell(
            vcpus=tuple(sorted(cpu_set("cpus", cell.get("cpus")))),
            memory_bytes=int(cell.get("memory")) * 1024,
            host_cell=None if place is None else int(place.get("nodeset")),
        )


def backing_of(live: Any) -> MemoryBacking:
    """How its memory is made."""
    page = live.find("memoryBacking/hugepages/page")
    policy = live.findtext("launchSecurity[@type='sev']/policy")
    kinds = {False: MemoryEncryption.SEV, True: MemoryEncryption.SEV_ES}
    return MemoryBacking(
        page_bytes=None if page is None else int(page.get("size")) * 1024,
        file_backed=live.find("memoryBacking/source[@type='file']") is not None,
        shared=live.find("memoryBacking/access[@mode='shared']") is not None,
        locked=live.find("memoryBacking/locked") is not None,
        encryption=None if policy is None else kinds[bool(int(policy, 16) & ENCRYPTED_REGISTERS)],
    )


def watchdog_of(live: Any) -> Watchdog | None:
    """The watchdog that was asked for; newer machines have another one by themselves."""
    watchdog = live.find("devices/watchdog[@model='i6300esb']")
    return None if watchdog is None else Watchdog(action=ACTIONS[watchdog.get("action")])


def screen_of(live: Any) -> Screen | None:
    """The screen; None for a guest of other making that has none."""
    graphics, model = live.find("devices/graphics"), live.find("devices/video/model")
    if model is None:
        return None
    return Screen(
        video=VideoModel(model.get("type")),
        graphics=Graphics.NONE if graphics is None else Graphics(graphics.get("type")),
    )

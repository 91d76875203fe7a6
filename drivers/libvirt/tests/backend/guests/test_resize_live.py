"""Guests that are given CPUs and memory, and have them taken away, while they run."""

import base64
import json
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import libvirt
import libvirt_qemu
import pytest
from lxml import etree

from nova_virt_api.capability import Feature
from nova_virt_api.errors import InvalidSpec, InvalidState, NotSupported, StateAfter, Timeout
from nova_virt_api.model.cpu import Cpu, CpuTopology, NumaCell
from nova_virt_api.model.disk import Disk
from nova_virt_api.model.image import LocalFile
from nova_virt_api.model.instance import Instance, Lifecycle, PowerOff
from nova_virt_api.model.memory import MemoryBacking
from nova_virt_api.model.size import Size
from nova_virt_api.model.units import GiB, MiB
from nova_virt_libvirt import letting_go
from nova_virt_libvirt.machine.plugged_memory import plugged_memory
from nova_virt_libvirt.machine.spare_cpus import vcpus_of
from nova_virt_libvirt.resize import live_memory, live_vcpus

OWNER = "nova-virt-tests"
SCRIPT = Path(__file__).with_name("resizing_process.py")
START = {"vcpus": 2, "max_vcpus": 4, "memory_bytes": MiB(256), "max_memory_bytes": MiB(640)}
LOOK = "nproc; sed -n 's/^MemTotal: *\\([0-9]*\\) kB/\\1/p' /proc/meminfo"


class Inside:
    """What the guest's own system says, by its agent."""

    def __init__(self, native: Any, guest: Instance) -> None:
        self._domain = native.lookupByUUID(guest.uuid.bytes)

    def sees(self) -> tuple[int, int]:
        """Its CPUs, and its memory in bytes."""
        cpus, memory = self._run(LOOK).split()
        return int(cpus), int(memory) * 1024

    def _run(self, script: str) -> str:
        arguments = {"path": "/bin/sh", "arg": ["-c", script], "capture-output": True}
        process = self._ask("guest-exec", arguments)["pid"]
        while not (done := self._ask("guest-exec-status", {"pid": process}))["exited"]:
            pass
        return base64.b64decode(done["out-data"]).decode()

    def _ask(self, command: str, arguments: dict[str, Any]) -> Any:
        text = json.dumps({"execute": command, "arguments": arguments})
        return json.loads(libvirt_qemu.qemuAgentCommand(self._domain, text, 30, 0))["return"]


def told(native: Any, guest: Instance) -> list[tuple[int, int]]:
    """CPUs and memory beyond the guest's own, as it runs and as it is started."""
    domain = native.lookupByUUID(guest.uuid.bytes)
    found = []
    for flags in (0, libvirt.VIR_DOMAIN_XML_INACTIVE):
        definition = etree.fromstring(domain.XMLDesc(flags))
        memory = plugged_memory(definition)
        found.append((vcpus_of(definition).count, 0 if memory is None else memory.requested_bytes))
    return found


@pytest.fixture
def booted(
    guest_image: Any, spawn: Any, make_spec: Any, driver: Any, eventually: Callable[..., None]
) -> Callable[[], Instance]:
    """Makes a guest of the image, which has booted."""

    def boot() -> Instance:
        disks = [Disk(source=LocalFile(guest_image), size_bytes=GiB(1))]
        guest: Instance = spawn(make_spec(name="web", disks=disks, power_on=True, **START), timeout=200.0)
        eventually(lambda: driver.instance(guest.ref, fresh=True).agent, "its agent is connected", 150.0)
        return guest

    return boot


@pytest.mark.timeout(400)
def test_life_of_a_guest_that_grows_and_shrinks(
    booted: Callable[[], Instance],
    driver: Any,
    run: Any,
    native: Any,
    daemon: Any,
    run_program: Any,
    eventually: Callable[..., None],
) -> None:
    """All of it in one guest, as a boot takes its time."""
    guest = booted()
    inside = Inside(native, guest)
    cpus, small = inside.sees()
    assert cpus == 2
    assert small < MiB(256)

    here = f'uri="{daemon.uri}", pool="nova-virt", owner="{OWNER}"'
    assert run_program("grow", {'uri="qemu:///system"': here}) == ["4 528"]
    seen = driver.instance(guest.ref, fresh=True)
    assert (seen.vcpus, seen.memory_bytes, seen.lifecycle) == (4, MiB(320), Lifecycle.READY)
    eventually(lambda: inside.sees()[0] == 4, "it uses the new CPUs", 60.0)
    assert inside.sees()[1] - small == pytest.approx(MiB(64), rel=0.1)
    assert told(native, guest) == [(4, MiB(64))] * 2

    grown = run(driver.resize_live, guest.ref, Size(memory_bytes=MiB(528)))
    assert (grown.vcpus, grown.memory_bytes) == (4, MiB(528))
    assert inside.sees()[1] - small == pytest.approx(MiB(272), rel=0.1)
    assert told(native, guest) == [(4, MiB(272))] * 2
    run(driver.resize_live, guest.ref, Size(memory_bytes=MiB(320)))

    with pytest.raises(NotSupported) as caught:
        run(driver.resize_live, guest.ref, Size(vcpus=2, memory_bytes=MiB(528)))
    assert caught.value.capability is Feature.LIVE_VCPUS_REMOVAL
    assert told(native, guest) == [(4, MiB(64))] * 2

    run(driver.suspend, guest.ref)
    run(driver.resume, guest.ref)
    eventually(lambda: driver.instance(guest.ref, fresh=True).agent, "its agent is connected again", 60.0)
    assert inside.sees()[1] - small == pytest.approx(MiB(64), rel=0.1)
    run(driver.resize_live, guest.ref, Size(memory_bytes=MiB(640)))
    assert inside.sees()[1] - small == pytest.approx(MiB(384), rel=0.1)

    run(driver.power_off, guest.ref, mode=PowerOff.HARD, grace_seconds=0.0)
    stopped = driver.instance(guest.ref, fresh=True)
    assert (stopped.vcpus, stopped.memory_bytes) == (4, MiB(640))
    run(driver.power_on, guest.ref)
    eventually(lambda: driver.instance(guest.ref, fresh=True).agent, "it has started again", 150.0)
    eventually(lambda: inside.sees() >= (4, MiB(500)), "it has all of it again", 60.0)


@pytest.mark.timeout(300)
def test_a_guest_gives_cpus_back(
    booted: Callable[[], Instance],
    make_driver: Any,
    run: Any,
    raw: Any,
    daemon: Any,
    eventually: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The guest does; that libvirt is not told of it without KVM is what a look by a new libvirtd makes good."""
    guest, driver = booted(), make_driver()
    monkeypatch.setattr(live_vcpus, "tells_of_removal", lambda _: True)
    monkeypatch.setattr(letting_go, "LET_GO_SECONDS", 1.0)
    with pytest.raises(Timeout) as caught:
        run(driver.resize_live, guest.ref, Size(vcpus=1))
    assert "did not give back" in caught.value.message
    assert caught.value.state_after is StateAfter.UNKNOWN
    assert told(raw(), guest) == [(2, 0)] * 2
    eventually(lambda: Inside(raw(), guest).sees()[0] == 1, "it uses one CPU", 60.0)
    driver.close()
    daemon.do("restart")
    driver = make_driver()
    assert run(driver.resize_live, guest.ref, Size(vcpus=1)).vcpus == 1
    assert told(raw(), guest) == [(1, 0)] * 2


@pytest.fixture
def blank(spawn: Any, make_spec: Any) -> Instance:
    """A guest without a system, which runs and can be given more of both."""
    guest: Instance = spawn(make_spec(power_on=True, max_vcpus=4, max_memory_bytes=MiB(64)))
    return guest


def test_memory_that_no_system_takes_is_as_before(
    blank: Instance, driver: Any, run: Any, native: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_memory, "STANDSTILL_SECONDS", 0.5)
    with pytest.raises(Timeout) as caught:
        run(driver.resize_live, blank.ref, Size(vcpus=2, memory_bytes=MiB(32)))
    assert (caught.value.state_after, "virtio_mem" in caught.value.hint) == (StateAfter.UNCHANGED, True)
    assert told(native, blank) == [(1, 0)] * 2
    assert driver.instance(blank.ref, fresh=True) == blank


def test_other_connections_are_told(blank: Instance, make_driver: Any, driver: Any, run: Any, eventually: Any) -> None:
    other = make_driver()
    assert other.instance(blank.ref).vcpus == 1
    used = {each.resource_class: each.used for each in other.inventory().resources}
    run(driver.resize_live, blank.ref, Size(vcpus=3))
    eventually(lambda: [each.vcpus for each in other.instances() if each.uuid == blank.uuid] == [3], "it is told")
    assert {each.resource_class: each.used for each in other.inventory().resources}["VCPU"] == used["VCPU"] + 2


@pytest.mark.parametrize(
    ("size", "field"),
    [
        (Size(vcpus=5), "size.vcpus"),
        (Size(memory_bytes=MiB(66)), "size.memory_bytes"),
        (Size(memory_bytes=MiB(8)), "size.memory_bytes"),
        (Size(memory_bytes=MiB(17)), "size.memory_bytes"),
    ],
)
def test_what_is_beyond_the_ceilings_is_refused(
    size: Size, field: str, blank: Instance, driver: Any, run: Any, native: Any
) -> None:
    with pytest.raises(InvalidSpec) as caught:
        run(driver.resize_live, blank.ref, size)
    assert caught.value.field == field
    assert told(native, blank) == [(1, 0)] * 2


def test_guests_without_ceilings_and_stopped_ones(spawn: Any, make_spec: Any, driver: Any, run: Any) -> None:
    plain = spawn(make_spec(power_on=True))
    for size in (Size(vcpus=2), Size(memory_bytes=MiB(32))):
        with pytest.raises(InvalidSpec):
            run(driver.resize_live, plain.ref, size)
    assert run(driver.resize_live, plain.ref, Size(vcpus=1, memory_bytes=MiB(16))) == plain
    run(driver.pause, plain.ref)
    with pytest.raises(InvalidState):
        run(driver.resize_live, plain.ref, Size(vcpus=1))


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"backing": MemoryBacking(locked=True)}, "max_memory_bytes"),
        (
            {
                "vcpus": 2,
                "numa": [NumaCell(vcpus=[index], memory_bytes=MiB(8)) for index in range(2)],
            },
            "max_memory_bytes",
        ),
    ],
)
def test_memory_that_cannot_grow_is_refused(
    fields: dict[str, Any], field: str, spawn: Any, make_spec: Any, traces: Any
) -> None:
    before = traces.volumes()
    with pytest.raises(InvalidSpec) as caught:
        spawn(make_spec(max_memory_bytes=MiB(64), **fields))
    assert (caught.value.field, traces.volumes()) == (field, before)


def test_cells_and_topology_have_room_for_all(spawn: Any, make_spec: Any, driver: Any, run: Any, native: Any) -> None:
    spec = make_spec(
        power_on=True,
        vcpus=2,
        max_vcpus=4,
        cpu=Cpu(topology=CpuTopology(sockets=2, cores=2)),
        numa=[NumaCell(vcpus=[0, 2], memory_bytes=MiB(8)), NumaCell(vcpus=[1, 3], memory_bytes=MiB(8))],
    )
    guest = spawn(spec)
    assert run(driver.resize_live, guest.ref, Size(vcpus=4)).vcpus == 4
    run(driver.power_off, guest.ref, mode=PowerOff.HARD, grace_seconds=0.0)
    run(driver.power_on, guest.ref)
    assert told(native, guest) == [(4, 0)] * 2


def test_resize_of_a_stopped_guest_keeps_its_ceilings(blank: Instance, driver: Any, run: Any, native: Any) -> None:
    run(driver.resize_live, blank.ref, Size(vcpus=3))
    run(driver.power_off, blank.ref, mode=PowerOff.HARD, grace_seconds=0.0)
    run(driver.resize, blank.ref, Size(vcpus=2, memory_bytes=MiB(32)))
    run(driver.power_on, blank.ref)
    run(driver.confirm_resize, blank.ref)
    resized = driver.instance(blank.ref, fresh=True)
    assert (resized.vcpus, resized.memory_bytes) == (2, MiB(32))
    assert run(driver.resize_live, blank.ref, Size(vcpus=4)).vcpus == 4
    definition = etree.fromstring(native.lookupByUUID(blank.uuid.bytes).XMLDesc(0))
    memory = plugged_memory(definition)
    assert memory is not None
    assert (memory.size_bytes, memory.requested_bytes) == (MiB(32), 0)


@pytest.mark.timeout(200)
def test_a_killed_call_is_brought_to_its_end(
    spawn: Any, make_spec: Any, driver: Any, run: Any, native: Any, daemon: Any, tmp_path: Path
) -> None:
    """By a repeated one; or, as no system takes memory here, by one that wants the old size."""
    for size, then in ((Size(vcpus=3), Size(vcpus=3)), (Size(memory_bytes=MiB(32)), Size(memory_bytes=MiB(16)))):
        for step in (4, 6):  # between what runs and what is started next, and right after both
            guest = spawn(make_spec(power_on=True, max_vcpus=4, max_memory_bytes=MiB(64)))
            asked = {
                "verb": "resize live",
                "guest": str(guest.uuid),
                "step": step,
                "size": size.encode(),
                "owner": OWNER,
                "home": str(tmp_path / "home"),
                "options": {"uri": daemon.uri},
            }
            done = subprocess.run([sys.executable, str(SCRIPT)], input=json.dumps(asked), text=True, check=False)
            assert done.returncode == -signal.SIGKILL
            found = run(driver.resize_live, guest.ref, then)
            assert (found.vcpus, found.memory_bytes) == (then.vcpus or 1, MiB(16))
            assert told(native, guest) == [(then.vcpus or 1, 0)] * 2

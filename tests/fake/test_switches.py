"""The switches: latency, failures, hangs, a lost connection, and what is felt by whom."""

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

import nova_virt_api as virt
from nova_virt_api import GiB, MiB
from nova_virt_api.fake.steps import CLONE_STEPS, STAGES, Step
from nova_virt_api.fake.switches import Switches

Connect = Callable[..., virt.Compute]
SwitchesOf = Callable[[virt.Compute], Switches]

VOLUME = virt.Volume(id="data", connection=virt.FileVolume(path="/srv/data.raw"))
SHARE = virt.Share(tag="work", source=virt.HostDirectory(path="/srv/shares/work"))
COPY = virt.CloneSpec(uuid=virt.stable_uuid("copy"), name="copy")
SIMPLE = {
    Step.POWER_ON: lambda submit, guest: submit.power_on(guest),
    Step.POWER_OFF: lambda submit, guest: submit.power_off(guest),
    Step.REBOOT: lambda submit, guest: submit.reboot(guest),
    Step.UPDATE: lambda submit, guest: submit.update(guest, virt.InstanceUpdate(name="renamed")),
    Step.PAUSE: lambda submit, guest: submit.pause(guest),
    Step.UNPAUSE: lambda submit, guest: submit.unpause(guest),
    Step.SUSPEND: lambda submit, guest: submit.suspend(guest),
    Step.RESUME: lambda submit, guest: submit.resume(guest),
    Step.SNAPSHOT_REST: lambda submit, guest: submit.snapshot(guest, virt.NativeTarget("image")),
    Step.SNAPSHOT_READ: lambda submit, guest: submit.snapshot(guest, virt.NativeTarget("image")),
    Step.SNAPSHOT_WRITE: lambda submit, guest: submit.snapshot(guest, virt.NativeTarget("image")),
    Step.PREFETCH_IMAGE: lambda submit, guest: submit.prefetch_image(virt.Native("cirros")),
    Step.PRUNE_IMAGE: lambda submit, guest: submit.prune_images(),
    **dict.fromkeys(CLONE_STEPS, lambda submit, guest: submit.clone(guest, COPY)),
    Step.BEGIN_BACKUP: lambda submit, guest: submit.begin_backup(guest),
    Step.SET_PASSWORD: lambda submit, guest: submit.set_password(guest, virt.Secret("new")),
    Step.QUIESCE: lambda submit, guest: submit.quiesce(guest),
    Step.UNQUIESCE: lambda submit, guest: submit.unquiesce(guest),
    Step.CREATE_CHECKPOINT: lambda submit, guest: submit.create_checkpoint(guest, "now"),
    Step.REVERT_TO_CHECKPOINT: lambda submit, guest: submit.revert_to_checkpoint(guest, "before"),
    Step.DELETE_CHECKPOINT: lambda submit, guest: submit.delete_checkpoint(guest, "before"),
    Step.REBUILD_IMAGE: lambda submit, guest: submit.rebuild(guest),
    Step.REBUILD_STOP: lambda submit, guest: submit.rebuild(guest),
    Step.PREPARE_RESIZE: lambda submit, guest: submit.prepare_resize(guest, virt.Size(vcpus=4)),
    Step.FINISH_RESIZE: lambda submit, guest: submit.resize(guest, virt.Size(vcpus=4)),
    Step.RESIZE_LIVE: lambda submit, guest: submit.resize_live(guest, virt.Size(vcpus=guest.vcpus)),
    Step.CONFIRM_RESIZE: lambda submit, guest: submit.confirm_resize(guest),
    Step.REVERT_RESIZE: lambda submit, guest: submit.revert_resize(guest),
    Step.RESCUE_IMAGE: lambda submit, guest: submit.rescue(guest, image=virt.Native("cirros")),
    Step.RESCUE: lambda submit, guest: submit.rescue(guest),
    Step.UNRESCUE: lambda submit, guest: submit.unrescue(guest),
    Step.ATTACH_INTERFACE: lambda submit, guest: submit.attach_interface(guest, virt.Nic()),
    Step.DETACH_INTERFACE: lambda submit, guest: submit.detach_interface(guest, f"{guest.uuid}-nic0"),
    Step.ATTACH_VOLUME: lambda submit, guest: submit.attach_volume(guest, VOLUME),
    Step.DETACH_VOLUME: lambda submit, guest: submit.detach_volume(guest, "there"),
    Step.EXTEND_VOLUME: lambda submit, guest: submit.extend_volume(guest, "there", virt.GiB(2)),
    Step.COPY_VOLUME: lambda submit, guest: submit.swap_volume(guest, "there", VOLUME),
    Step.SWITCH_VOLUME: lambda submit, guest: submit.swap_volume(guest, "there", VOLUME),
    Step.ATTACH_SHARE: lambda submit, guest: submit.attach_share(guest, SHARE),
    Step.DETACH_SHARE: lambda submit, guest: submit.detach_share(guest, SHARE.tag),
    Step.CRASH_DUMP: lambda submit, guest: submit.trigger_crash_dump(guest),
    Step.ENTER_MAINTENANCE: lambda submit, guest: submit.enter_maintenance(guest.node, "a fan"),
    Step.LEAVE_MAINTENANCE: lambda submit, guest: submit.leave_maintenance(guest.node),
    Step.ADOPT: lambda submit, guest: submit.adopt(guest),
    Step.RELEASE: lambda submit, guest: submit.release(guest),
}
STEPS = pytest.mark.parametrize("step", SIMPLE, ids=lambda step: step.name)

WHILE_OFF = {
    Step.POWER_ON,
    Step.PREPARE_RESIZE,
    Step.FINISH_RESIZE,
    Step.CONFIRM_RESIZE,
    Step.REVERT_RESIZE,
    Step.ATTACH_SHARE,
    Step.DETACH_SHARE,
}


def prepare(compute: virt.Compute, guest: virt.Instance, step: Step) -> virt.Instance:
    if step in WHILE_OFF:
        compute.power_off(guest)
    if step is Step.UNPAUSE:
        compute.pause(guest)
    if step is Step.RESUME:
        compute.suspend(guest)
    if step is Step.PRUNE_IMAGE:
        compute.prefetch_image(virt.Native("cirros"))
    if step is Step.UNQUIESCE:
        compute.quiesce(guest)
    if step in (Step.REVERT_TO_CHECKPOINT, Step.DELETE_CHECKPOINT):
        compute.create_checkpoint(guest, "before")
    if step in (Step.CONFIRM_RESIZE, Step.REVERT_RESIZE):
        compute.resize(guest, virt.Size(vcpus=4))
    if step in (Step.DETACH_VOLUME, Step.EXTEND_VOLUME, Step.COPY_VOLUME, Step.SWITCH_VOLUME):
        compute.attach_volume(guest, replace(VOLUME, id="there"))
    if step is Step.DETACH_SHARE:
        compute.attach_share(guest, SHARE)
    if step is Step.UNRESCUE:
        compute.rescue(guest)
    if step is Step.ADOPT:
        compute.release(guest)
    return compute.instance(guest)


def test_every_step_of_a_verb_has_a_stage() -> None:
    assert set(Step) - set(STAGES) == {Step.READ, Step.CONSOLE}
    without_way_back = {Step.REBUILD_WRITE, Step.REBUILD_START}
    of_two_worlds = {step for step in STAGES if step.value.startswith("live migration")}
    of_a_session = {Step.FINISH_BACKUP, Step.ABORT_BACKUP, Step.FORGET_BACKUP_POINT}
    of_no_guest = {
        Step.CREATE_VOLUME,
        Step.UPLOAD_VOLUME,
        Step.RESIZE_VOLUME,
        Step.DELETE_VOLUME,
        Step.DOWNLOAD_VOLUME,
    }
    elsewhere = without_way_back | of_two_worlds | of_a_session | of_no_guest | {Step.FETCH_RESIZED, Step.CLONE_UNDO}
    assert set(SIMPLE) == {
        step for step in STAGES if not step.name.startswith(("SPAWN_", "DESTROY_")) and step not in elsewhere
    }


@STEPS
def test_a_failed_step_changes_nothing(
    step: Step, fake_compute: virt.Compute, fake_switches: Switches, web: virt.Instance
) -> None:
    before, objects = prepare(fake_compute, web, step), fake_switches.outside.objects()
    fake_switches.fail_at(step, virt.BackendError("no"))
    with pytest.raises(virt.BackendError, match="no"):
        SIMPLE[step](fake_compute.submit, web).result()
    assert fake_compute.instance(web) == before
    assert fake_switches.outside.objects() == objects
    SIMPLE[step](fake_compute.submit, web).result()


@STEPS
def test_a_cancelled_step_changes_nothing(
    step: Step, fake_compute: virt.Compute, fake_switches: Switches, web: virt.Instance
) -> None:
    before, objects = prepare(fake_compute, web, step), fake_switches.outside.objects()
    with fake_switches.hang_at(step) as hang:
        operation = SIMPLE[step](fake_compute.submit, web)
        assert hang.wait_reached()
        assert operation.stage == getattr(STAGES[step], "value", STAGES[step])
        operation.cancel()
        assert operation.wait(10)
    assert operation.state is virt.OperationState.CANCELLED
    assert fake_compute.instance(web) == before
    assert fake_switches.outside.objects() == objects


def test_a_deaf_call_is_abandoned_and_ends_when_it_is_released(
    fake_compute: virt.Compute, fake_switches: Switches, web: virt.Instance
) -> None:
    with fake_switches.hang_at(Step.PAUSE, deaf=True) as hang:
        operation = fake_compute.submit.pause(web, timeout=0.05)
        with pytest.raises(virt.Timeout) as caught:
            operation.result()
        assert caught.value.state_after is virt.StateAfter.UNKNOWN
        abandoned = operation.state
        hang.release()
        assert operation.wait(10)
    assert (abandoned, operation.state) == (virt.OperationState.ABANDONED, virt.OperationState.COMPLETED)
    assert fake_compute.instance(web).power_state is virt.PowerState.PAUSED


def test_latency_is_spent_and_ends_at_once_when_cancelled(
    fake_compute: virt.Compute, fake_switches: Switches, web: virt.Instance
) -> None:
    fake_switches.latency(0.05, Step.PAUSE)
    began = time.monotonic()
    fake_compute.pause(web)
    assert time.monotonic() - began >= 0.05
    fake_switches.latency(3600.0)
    fake_switches.latency(0.0, Step.READ)
    operation = fake_compute.submit.unpause(web)
    operation.cancel()
    assert operation.wait(10)
    assert operation.state is virt.OperationState.CANCELLED
    fake_switches.latency(0.0)
    fake_compute.unpause(web)


def test_a_failure_strikes_as_often_as_asked(
    fake_compute: virt.Compute, fake_switches: Switches, web: virt.Instance
) -> None:
    fake_switches.fail_at(Step.PAUSE, virt.BackendError("no"), skip=1, times=2)
    outcomes = []
    for _ in range(4):
        try:
            fake_compute.pause(web)
        except virt.BackendError:
            outcomes.append("failed")
        else:
            outcomes.append("done")
        fake_compute.unpause(web)
    assert outcomes == ["done", "failed", "failed", "done"]
    fake_switches.fail_at(Step.PAUSE, RuntimeError, times=None)
    for _ in range(3):
        with pytest.raises(virt.DriverBug):
            fake_compute.pause(web)
    fake_switches.reset()
    fake_compute.pause(web)


def test_a_read_survives_one_lost_connection_and_not_two(
    fake_compute: virt.Compute, fake_switches: Switches, web: virt.Instance
) -> None:
    fake_switches.lose_connection()
    assert list(fake_compute.instances()) == [web]
    fake_switches.lose_connection(2)
    with pytest.raises(virt.ConnectionLost):
        fake_compute.instance(web)
    assert fake_compute.instance(web) is web


READS: dict[str, Callable[[virt.Compute, virt.Instance], Any]] = {
    "inventory": lambda compute, guest: compute.inventory(),
    "instances": lambda compute, guest: compute.instances(),
    "instance": lambda compute, guest: compute.instance(guest),
    "leftovers": lambda compute, guest: compute.leftovers(),
    "nodes": lambda compute, guest: compute.nodes(),
    "storage_pools": lambda compute, guest: compute.storage_pools(),
    "networks": lambda compute, guest: compute.networks(),
    "console_log": lambda compute, guest: compute.console_log(guest),
    "console": lambda compute, guest: compute.console(guest, virt.ConsoleKind.SERIAL),
    "interfaces": lambda compute, guest: compute.interfaces(guest),
    "diagnostics": lambda compute, guest: compute.diagnostics(guest),
    "metrics": lambda compute, guest: compute.metrics(),
    "cached_images": lambda compute, guest: compute.cached_images(),
    "devices": lambda compute, guest: compute.devices(),
    "volume_connector": lambda compute, guest: compute.volume_connector(),
    "volumes": lambda compute, guest: compute.volumes(guest),
    "adopt_all": lambda compute, guest: compute.adopt_all([guest], dry_run=True),
}


@pytest.mark.parametrize("read", READS)
def test_every_read_feels_the_lost_connection(
    read: str, fake_compute: virt.Compute, fake_switches: Switches, web: virt.Instance
) -> None:
    fake_switches.lose_connection(None)
    with pytest.raises(virt.ConnectionLost):
        READS[read](fake_compute, web)
    fake_switches.restore_connection()
    READS[read](fake_compute, web)


def test_faults_are_felt_by_their_connection_only(
    connect: Connect, switches: SwitchesOf, world: str, make_spec: Any
) -> None:
    faulty, sound = connect(world=world), connect(world=world)
    switches(faulty).lose_connection(None)
    switches(faulty).withdraw(virt.Capability.PAUSE)
    guest = sound.spawn(make_spec())
    sound.pause(guest)
    with pytest.raises(virt.ConnectionLost):
        faulty.instances()


@pytest.mark.parametrize("mode", ["power_off", "reboot"])
def test_a_guest_that_ignores_the_request_gets_its_grace_time(
    mode: str, fake_compute: virt.Compute, fake_switches: Switches, web: virt.Instance
) -> None:
    fake_switches.outside.ignore_shutdown(web)
    began = time.monotonic()
    getattr(fake_compute, mode)(web, mode=virt.PowerOff.GRACEFUL, grace_seconds=0.1)
    assert time.monotonic() - began >= 0.1
    expected = virt.PowerState.SHUTDOWN if mode == "power_off" else virt.PowerState.RUNNING
    assert fake_compute.instance(web).power_state is expected


@pytest.mark.parametrize("happens", ["shut_down", "crash"])
def test_grace_time_ends_when_the_guest_does(
    happens: str, fake_compute: virt.Compute, fake_switches: Switches, web: virt.Instance
) -> None:
    fake_switches.outside.ignore_shutdown(web)
    asked = threading.Event()
    operation = fake_compute.submit.power_off(web, grace_seconds=3600.0, on_progress=lambda operation: asked.set())
    assert asked.wait(10)
    getattr(fake_switches.outside, happens)(web)
    assert operation.wait(10)
    assert operation.state is virt.OperationState.COMPLETED
    assert fake_compute.instance(web).power_state is virt.PowerState.SHUTDOWN


def test_waiting_for_a_guest_to_obey_can_be_cancelled(
    fake_compute: virt.Compute, fake_switches: Switches, web: virt.Instance
) -> None:
    fake_switches.outside.ignore_shutdown(web)
    operation = fake_compute.submit.power_off(web, grace_seconds=3600.0)
    operation.cancel()
    assert operation.wait(10)
    assert operation.state is virt.OperationState.CANCELLED
    assert fake_compute.instance(web).power_state is virt.PowerState.RUNNING


def test_hands_from_outside_show_at_once(
    fake_compute: virt.Compute, fake_switches: Switches, web: virt.Instance
) -> None:
    outside = fake_switches.outside
    outside.crash(web)
    assert fake_compute.instance(web).power_state is virt.PowerState.CRASHED
    outside.set_health(web, virt.Condition.UNRESPONSIVE, "the monitor does not answer")
    health = fake_compute.instances()[0].health
    assert (health.condition, health.reason) == (virt.Condition.UNRESPONSIVE, "the monitor does not answer")
    fake_compute.power_on(web)
    assert fake_compute.instance(web).health.condition is virt.Condition.OK
    outside.alter(web, name="renamed", vcpus=5, memory_bytes=2**30, labels={"a": "b"})
    guest = fake_compute.instance(web)
    assert (guest.name, guest.vcpus, guest.memory_bytes, guest.labels) == ("renamed", 5, 2**30, {"a": "b"})
    outside.set_agent(web, connected=False)
    assert fake_compute.instance(web).agent is False
    outside.add_image("golden", 2**31)
    golden = virt.Disk(source=virt.Native("golden"))
    spec = virt.InstanceSpec(uuid=virt.stable_uuid("db"), name="db", memory_bytes=2**30, disks=[golden])
    fake_compute.spawn(spec)
    assert [pool.free_bytes for pool in fake_compute.storage_pools()] == [GiB(4096 - 20 - 2) - MiB(2)]

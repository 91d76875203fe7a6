"""Every verb in every power state: the result, or InvalidState and nothing changed."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest

import nova_virt_api as virt
from nova_virt_api.fake.switches import Switches

RUNNING, PAUSED, SHUTDOWN, CRASHED, SUSPENDED = (
    virt.PowerState.RUNNING,
    virt.PowerState.PAUSED,
    virt.PowerState.SHUTDOWN,
    virt.PowerState.CRASHED,
    virt.PowerState.SUSPENDED,
)
STATES: Final = (RUNNING, PAUSED, SHUTDOWN, CRASHED, SUSPENDED)
NO: Final = None
"""InvalidState."""

SAME: Final = "same"
GONE: Final = "gone"

COPY: Final = virt.CloneSpec(uuid=virt.stable_uuid("copy"), name="copy", power_on=False)
Verb = Callable[[virt.Compute, virt.Instance, Path], Any]
VERBS: Final[dict[str, Verb]] = {
    "power_on": lambda compute, guest, _: compute.power_on(guest),
    "power_off graceful": lambda compute, guest, _: compute.power_off(guest, mode=virt.PowerOff.GRACEFUL),
    "power_off hard": lambda compute, guest, _: compute.power_off(guest, mode=virt.PowerOff.HARD),
    "reboot graceful": lambda compute, guest, _: compute.reboot(guest, mode=virt.PowerOff.GRACEFUL),
    "reboot hard": lambda compute, guest, _: compute.reboot(guest, mode=virt.PowerOff.HARD),
    "pause": lambda compute, guest, _: compute.pause(guest),
    "unpause": lambda compute, guest, _: compute.unpause(guest),
    "suspend": lambda compute, guest, _: compute.suspend(guest),
    "resume": lambda compute, guest, _: compute.resume(guest),
    "snapshot": lambda compute, guest, path: compute.snapshot(guest, virt.LocalTarget(path / "image.qcow2")),
    "clone": lambda compute, guest, _: compute.clone(guest, COPY),
    "update": lambda compute, guest, _: compute.update(guest, virt.InstanceUpdate(labels={"new": "label"})),
    "console": lambda compute, guest, _: compute.console(guest, virt.ConsoleKind.VNC),
    "console_log": lambda compute, guest, _: compute.console_log(guest),
    "rebuild": lambda compute, guest, _: compute.rebuild(guest, source=virt.Native("cirros")),
    "resize": lambda compute, guest, _: compute.resize(guest, virt.Size(vcpus=4)),
    "prepare_resize": lambda compute, guest, _: compute.prepare_resize(guest, virt.Size(vcpus=4)),
    "confirm_resize": lambda compute, guest, _: compute.confirm_resize(guest),
    "revert_resize": lambda compute, guest, _: compute.revert_resize(guest),
    "rescue": lambda compute, guest, _: compute.rescue(guest),
    "unrescue": lambda compute, guest, _: compute.unrescue(guest),
    "interfaces": lambda compute, guest, _: compute.interfaces(guest),
    "attach_interface": lambda compute, guest, _: compute.attach_interface(guest, virt.Nic(mac="52:54:00:00:aa:01")),
    "detach_interface": lambda compute, guest, _: compute.detach_interface(guest, f"{guest.uuid}-nic0"),
    "crash dump": lambda compute, guest, _: compute.trigger_crash_dump(guest),
    "diagnostics": lambda compute, guest, _: compute.diagnostics(guest),
    "adopt": lambda compute, guest, _: compute.adopt(guest),
    "release": lambda compute, guest, _: compute.release(guest),
    "destroy": lambda compute, guest, _: compute.destroy(guest),
}
TABLE: Final = {
    #                      RUNNING    PAUSED    SHUTDOWN  CRASHED   SUSPENDED
    "power_on":           (RUNNING,   NO,       RUNNING,  RUNNING,  NO),
    "power_off graceful": (SHUTDOWN,  SHUTDOWN, SHUTDOWN, SHUTDOWN, NO),
    "power_off hard":     (SHUTDOWN,  SHUTDOWN, SHUTDOWN, SHUTDOWN, NO),
    "reboot graceful":    (RUNNING,   RUNNING,  RUNNING,  RUNNING,  NO),
    "reboot hard":        (RUNNING,   RUNNING,  RUNNING,  RUNNING,  NO),
    "pause":              (PAUSED,    PAUSED,   NO,       NO,       NO),
    "unpause":            (RUNNING,   RUNNING,  NO,       NO,       NO),
    "suspend":            (SUSPENDED, SUSPENDED, NO,      NO,       SUSPENDED),
    "resume":             (RUNNING,   NO,       NO,       NO,       RUNNING),
    "snapshot":           (SAME,      SAME,     SAME,     NO,       NO),
    "clone":              (SAME,      SAME,     SAME,     NO,       NO),
    "update":             (SAME,      SAME,     SAME,     SAME,     SAME),
    "console":            (SAME,      SAME,     NO,       NO,       NO),
    "console_log":        (SAME,      SAME,     SAME,     SAME,     SAME),
    "rebuild":            (RUNNING,   RUNNING,  RUNNING,  RUNNING,  NO),
    "resize":             (NO,        NO,       SHUTDOWN, NO,       NO),
    "prepare_resize":     (NO,        NO,       SHUTDOWN, NO,       NO),
    "confirm_resize":     (SAME,      SAME,     SAME,     SAME,     SAME),
    "revert_resize":      (SAME,      SAME,     SAME,     SAME,     SAME),
    "rescue":             (RUNNING,   RUNNING,  RUNNING,  RUNNING,  NO),
    "unrescue":           (SAME,      SAME,     SAME,     SAME,     SAME),
    "interfaces":         (SAME,      SAME,     SAME,     SAME,     SAME),
    "attach_interface":   (SAME,      SAME,     SAME,     NO,       NO),
    "detach_interface":   (SAME,      SAME,     SAME,     NO,       NO),
    "crash dump":         (SAME,      NO,       NO,       NO,       NO),
    "diagnostics":        (SAME,      SAME,     SAME,     SAME,     SAME),
    "adopt":              (SAME,      SAME,     SAME,     SAME,     SAME),
    "release":            (SAME,      SAME,     SAME,     SAME,     SAME),
    "destroy":            (GONE,      GONE,     GONE,     GONE,     GONE),
}  # fmt: skip

READS: Final = {"console_log", "interfaces", "diagnostics"}
MUTATING_ONCE: Final = {"reboot graceful", "reboot hard", "update", "snapshot", "rebuild", "crash dump"}
"""Verbs whose repetition does something again."""


def enter(compute: virt.Compute, switches: Switches, guest: virt.Instance, state: virt.PowerState) -> virt.Instance:
    if state is PAUSED:
        compute.pause(guest)
    elif state is SHUTDOWN:
        compute.power_off(guest)
    elif state is CRASHED:
        switches.outside.crash(guest)
    elif state is SUSPENDED:
        compute.suspend(guest)
    found = compute.instance(guest, fresh=True)
    assert found.power_state is state
    return found


def test_the_table_knows_every_verb() -> None:
    assert TABLE.keys() == VERBS.keys()


@pytest.mark.parametrize("state", STATES, ids=lambda state: state.value)
@pytest.mark.parametrize("verb", VERBS)
def test_verb_in_state(
    verb: str,
    state: virt.PowerState,
    fake_compute: virt.Compute,
    fake_switches: Switches,
    web: virt.Instance,
    tmp_path: Path,
) -> None:
    before = enter(fake_compute, fake_switches, web, state)
    objects = fake_switches.outside.objects()
    expected = TABLE[verb][STATES.index(state)]
    if expected is NO:
        with pytest.raises(virt.InvalidState) as caught:
            VERBS[verb](fake_compute, before, tmp_path)
        assert caught.value.current is state
        assert caught.value.state_after is virt.StateAfter.UNCHANGED
        assert fake_compute.instance(web, fresh=True) is before
        assert fake_switches.outside.objects() == objects
        assert not (tmp_path / "image.qcow2").exists()
        return
    VERBS[verb](fake_compute, before, tmp_path)
    if expected == GONE:
        assert fake_compute.instances() == ()
        assert fake_switches.outside.objects() == ()
    else:
        after = fake_compute.instance(web, fresh=True)
        assert after.power_state is (state if expected == SAME else expected)


@pytest.mark.parametrize("verb", [verb for verb in VERBS if verb not in MUTATING_ONCE | {"destroy"}])
def test_a_repeated_verb_changes_nothing(
    verb: str, fake_compute: virt.Compute, fake_switches: Switches, web: virt.Instance, tmp_path: Path
) -> None:
    state = next(state for state, expected in zip(STATES, TABLE[verb], strict=True) if expected is not NO)
    enter(fake_compute, fake_switches, web, state)
    VERBS[verb](fake_compute, web, tmp_path)
    before, objects = fake_compute.instance(web), fake_switches.outside.objects()
    VERBS[verb](fake_compute, web, tmp_path)
    assert fake_compute.instance(web, fresh=True) is before
    assert fake_switches.outside.objects() == objects


@pytest.mark.parametrize("verb", [verb for verb in VERBS if verb not in {"destroy", "confirm_resize"}])
def test_no_verb_finds_a_guest_that_is_not_there(verb: str, fake_compute: virt.Compute, tmp_path: Path) -> None:
    ref = virt.InstanceRef(uuid=virt.stable_uuid("nobody"))
    with pytest.raises(virt.InstanceNotFound):
        VERBS[verb](fake_compute, ref, tmp_path)  # type: ignore[arg-type]


def test_destroy_says_that_there_was_nothing(fake_compute: virt.Compute) -> None:
    assert fake_compute.destroy(virt.stable_uuid("nobody")) is False


@pytest.mark.parametrize("verb", [verb for verb in VERBS if verb not in READS | {"destroy"}])
def test_a_guest_that_was_never_finished_takes_only_destroy(
    verb: str, fake_compute: virt.Compute, fake_switches: Switches, make_spec: Any, tmp_path: Path
) -> None:
    from nova_virt_api.fake.steps import Step

    fake_switches.crash_at(Step.SPAWN_FINISH)
    with pytest.raises(virt.ConnectionLost):
        fake_compute.spawn(make_spec())
    guest = fake_compute.find("web")
    assert guest.lifecycle is virt.Lifecycle.BUILDING
    with pytest.raises(virt.InvalidState) as caught:
        VERBS[verb](fake_compute, guest, tmp_path)
    assert caught.value.current is virt.Lifecycle.BUILDING
    assert fake_compute.instance(guest) is guest

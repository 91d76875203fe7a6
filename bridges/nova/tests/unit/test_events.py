"""Changes that nobody at Nova made, as Nova's lifecycle events."""

import contextlib
import queue
import threading
import time
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import pytest
from nova.virt import event

import nova_virt_api as virt
from nova_virt_bridge import events
from nova_virt_bridge.events import transition_of

PATIENCE = 120.0
STARTED, STOPPED, PAUSED, RESUMED, SUSPENDED = range(5)


@pytest.fixture
def heard(driver: Any) -> "queue.Queue[tuple[str, int]]":
    """What nova-compute is told."""
    told: queue.Queue[tuple[str, int]] = queue.Queue()
    driver.register_event_listener(lambda each: told.put((each.get_instance_uuid(), each.get_transition())))
    return told


def test_a_guest_that_stops_and_goes_is_told(
    driver: Any, instance: Any, images: Any, spawn: Any, heard: Any, beside: virt.Compute
) -> None:
    spawn(driver, instance)
    uuid = UUID(instance.uuid)
    assert heard.get(timeout=PATIENCE) == (instance.uuid, STARTED)
    for change, transition in (
        (lambda: beside.pause(uuid), PAUSED),
        (lambda: beside.unpause(uuid), RESUMED),
        (lambda: beside.suspend(uuid), SUSPENDED),
        (lambda: beside.resume(uuid), RESUMED),
        (lambda: beside.power_off(uuid, mode=virt.PowerOff.HARD), STOPPED),
        (lambda: beside.destroy(uuid), STOPPED),
    ):
        change()
        assert heard.get(timeout=PATIENCE) == (instance.uuid, transition)


def test_after_it_was_taken_back_nothing_is_told(
    driver: Any, instance: Any, images: Any, spawn: Any, heard: Any, beside: virt.Compute
) -> None:
    spawn(driver, instance)
    assert heard.get(timeout=PATIENCE)
    driver.register_event_listener(None)
    beside.power_off(UUID(instance.uuid), mode=virt.PowerOff.HARD)
    assert heard.empty()


def test_a_listener_that_fails_hears_the_next_event(driver: Any, instance: Any, images: Any, spawn: Any) -> None:
    told: queue.Queue[int] = queue.Queue()

    def listener(each: Any) -> None:
        told.put(each.get_transition())
        raise RuntimeError("the database is away")

    driver.register_event_listener(listener)
    spawn(driver, instance)
    assert told.get(timeout=PATIENCE) == STARTED
    driver.pause(instance)
    assert told.get(timeout=PATIENCE) == PAUSED


class Broken:
    """An endpoint whose watches begin with what is there; all but the last of them fail then.

    Args:
        states: the guest's state when the first, second ... watch begins.
    """

    def __init__(self, *states: virt.PowerState) -> None:
        self._states = iter(states)
        self._left = len(states)
        self._closed = threading.Event()

    def watch(self, *, scope: virt.Scope) -> Any:
        """The next watch."""
        return contextlib.nullcontext(self)

    def __iter__(self) -> Iterator[virt.InstanceEvent]:
        self._left -= 1
        yield virt.InstanceEvent(change=virt.Change.PRESENT, instance=guest(next(self._states)))
        if self._left:
            raise virt.PermissionDenied("the account was changed")
        assert self._closed.wait(PATIENCE)

    def close(self) -> None:
        """End the last watch."""
        self._closed.set()


def test_what_changed_between_two_watches_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "PAUSE_SECONDS", 0.01)
    told: queue.Queue[int] = queue.Queue()
    compute: Any = Broken(virt.PowerState.RUNNING, virt.PowerState.SHUTDOWN)
    watcher = events.Watcher(compute, lambda each: told.put(each.get_transition()))
    watcher.start()
    assert told.get(timeout=PATIENCE) == STOPPED
    watcher.stop()
    assert told.empty()


class Slow(Broken):
    """An endpoint that takes a moment until it is watched."""

    watched = False

    def watch(self, *, scope: virt.Scope) -> Any:
        """The watch, later."""
        time.sleep(0.2)
        self.watched = True
        return super().watch(scope=scope)


def test_the_endpoint_is_watched_before_nova_goes_on() -> None:
    compute: Any = Slow(virt.PowerState.RUNNING)
    watcher = events.Watcher(compute, lambda each: None)
    watcher.start()
    assert compute.watched
    watcher.stop()


def test_a_listener_that_hangs_does_not_keep_nova_compute_from_ending(
    driver: Any, instance: Any, images: Any, spawn: Any, monkeypatch: pytest.MonkeyPatch, caplog: Any
) -> None:
    monkeypatch.setattr(events, "PATIENCE_SECONDS", 0.01)
    heard, release = threading.Event(), threading.Event()

    def listener(each: Any) -> None:
        heard.set()
        assert release.wait(PATIENCE)

    driver.register_event_listener(listener)
    spawn(driver, instance)
    assert heard.wait(PATIENCE)
    driver.register_event_listener(None)
    release.set()
    assert "the last event has not been taken" in caplog.text


def guest(state: virt.PowerState, lifecycle: virt.Lifecycle = virt.Lifecycle.READY) -> virt.Instance:
    return virt.Instance(
        uuid=virt.stable_uuid("x"),
        name="x",
        power_state=state,
        lifecycle=lifecycle,
        native_id="1",
        vcpus=1,
        memory_bytes=virt.MiB(1),
    )


@pytest.mark.parametrize("lifecycle", [virt.Lifecycle.BUILDING, virt.Lifecycle.DELETING, virt.Lifecycle.MIGRATING])
def test_what_nova_is_at_work_on_is_not_told(lifecycle: virt.Lifecycle) -> None:
    before, now = guest(virt.PowerState.RUNNING), guest(virt.PowerState.SHUTDOWN, lifecycle)
    assert transition_of(virt.InstanceEvent(change=virt.Change.CHANGED, instance=now, previous=before)) is None


@pytest.mark.parametrize("lifecycle", [virt.Lifecycle.BUILDING, virt.Lifecycle.MIGRATING])
def test_how_a_guest_is_when_nova_is_done_with_it_is_told(lifecycle: virt.Lifecycle) -> None:
    """What it was meanwhile was not: it may have stopped by itself since it was started."""
    before, now = guest(virt.PowerState.SHUTDOWN, lifecycle), guest(virt.PowerState.SHUTDOWN)
    seen = virt.InstanceEvent(change=virt.Change.CHANGED, instance=now, previous=before)
    assert transition_of(seen) == event.EVENT_LIFECYCLE_STOPPED


def test_a_guest_that_has_gone_to_another_host_or_back_has_not_stopped() -> None:
    last = guest(virt.PowerState.PAUSED, virt.Lifecycle.MIGRATING)
    assert transition_of(virt.InstanceEvent(change=virt.Change.GONE, instance=last, previous=last)) is None


@pytest.mark.parametrize(
    ("change", "before", "now", "transition"),
    [
        (virt.Change.PRESENT, None, virt.PowerState.SHUTDOWN, event.EVENT_LIFECYCLE_STOPPED),
        (virt.Change.APPEARED, None, virt.PowerState.RUNNING, event.EVENT_LIFECYCLE_STARTED),
        (virt.Change.APPEARED, None, virt.PowerState.NOSTATE, None),
        (virt.Change.CHANGED, virt.PowerState.RUNNING, virt.PowerState.RUNNING, None),
        (virt.Change.CHANGED, virt.PowerState.RUNNING, virt.PowerState.CRASHED, event.EVENT_LIFECYCLE_STOPPED),
        (virt.Change.CHANGED, virt.PowerState.PAUSED, virt.PowerState.RUNNING, event.EVENT_LIFECYCLE_RESUMED),
        (virt.Change.CHANGED, virt.PowerState.SUSPENDED, virt.PowerState.RUNNING, event.EVENT_LIFECYCLE_RESUMED),
        (virt.Change.GONE, virt.PowerState.RUNNING, virt.PowerState.RUNNING, event.EVENT_LIFECYCLE_STOPPED),
    ],
)
def test_transition(
    change: virt.Change, before: virt.PowerState | None, now: virt.PowerState, transition: int | None
) -> None:
    previous = None if before is None else guest(before)
    assert transition_of(virt.InstanceEvent(change=change, instance=guest(now), previous=previous)) == transition

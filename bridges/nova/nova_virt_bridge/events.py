"""Guests that change by themselves, told to nova-compute as lifecycle events."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING, Any, Final

from nova.virt import event

import nova_virt_api as virt
from nova_virt_bridge.site import Bridged

if TYPE_CHECKING:
    from collections.abc import Callable

    from nova_virt_api.compute.watch import Watch
    from nova_virt_api.events import InstanceEvent

LOG = logging.getLogger(__name__)
PAUSE_SECONDS: Final = 5.0
PATIENCE_SECONDS: Final = 60.0
BEGIN_SECONDS: Final = 60.0

UNFINISHED: Final = (virt.Lifecycle.BUILDING, virt.Lifecycle.DELETING, virt.Lifecycle.MIGRATING)
HALTED: Final = (virt.PowerState.PAUSED, virt.PowerState.SUSPENDED)
TRANSITIONS: Final = {
    virt.PowerState.RUNNING: event.EVENT_LIFECYCLE_STARTED,
    virt.PowerState.PAUSED: event.EVENT_LIFECYCLE_PAUSED,
    virt.PowerState.SHUTDOWN: event.EVENT_LIFECYCLE_STOPPED,
    virt.PowerState.CRASHED: event.EVENT_LIFECYCLE_STOPPED,
    virt.PowerState.SUSPENDED: event.EVENT_LIFECYCLE_SUSPENDED,
}


class Events(Bridged):
    """Nova's way to hear of changes: it registers a callback when it has started, and takes it back when it ends."""

    _watcher: Watcher | None = None

    def register_event_listener(self, callback: Callable[[Any], None] | None) -> None:
        super().register_event_listener(callback)  # type: ignore[misc]  # ComputeDriver's, which comes after this class
        if self._watcher is not None:
            self._watcher.stop()
            self._watcher = None
        if callback is not None:
            self._watcher = Watcher(self.compute, self.emit_event)  # type: ignore[attr-defined]
            self._watcher.start()


class Watcher:
    """A thread of its own that watches the endpoint; what it tells may take as long as nova-compute's database.

    What is there when the first watch begins is not told: Nova asks for each guest's state when it starts. A watch that
    had to be begun again tells it, as something may have changed in between; Nova compares.

    Args:
        compute: the endpoint.
        tell: takes Nova's event.
    """

    def __init__(self, compute: virt.Compute, tell: Callable[[Any], None]) -> None:
        self._compute = compute
        self._tell = tell
        self._thread = threading.Thread(target=self._run, name="nova-virt-events", daemon=True)
        self._lock = threading.Lock()
        self._begun = threading.Event()
        self._stopped = threading.Event()
        self._watch: Watch | None = None

    def start(self) -> None:
        """Begin to tell what changes from now on; returns once the endpoint is watched, or could not be.

        Nova asks for each guest's state right after that, and nobody would tell what changed in between.
        """
        self._thread.start()
        if not self._begun.wait(BEGIN_SECONDS):
            LOG.warning("the endpoint is not watched after %s s; nova-compute goes on", BEGIN_SECONDS)

    def stop(self) -> None:
        """Tell nothing more; waits a while until the last event was told, unless called by the one that is told."""
        with self._lock:
            self._stopped.set()
            if self._watch is not None:
                self._watch.close()
        if threading.current_thread() is not self._thread:
            self._thread.join(PATIENCE_SECONDS)
            if self._thread.is_alive():
                LOG.warning("the last event has not been taken within %s s; nova-compute goes on", PATIENCE_SECONDS)

    def _run(self) -> None:
        again = False
        while not self._stopped.is_set():
            try:
                self._watch_once(again=again)
            except virt.VirtError as error:
                LOG.warning("watching the endpoint failed, again in %s s: %s", PAUSE_SECONDS, error)
            finally:
                self._begun.set()
            again = True
            self._stopped.wait(PAUSE_SECONDS)

    def _watch_once(self, *, again: bool) -> None:
        with self._compute.watch(scope=virt.Scope.OWNED) as watch:
            with self._lock:
                if self._stopped.is_set():
                    return
                self._watch = watch
            self._begun.set()
            for seen in watch:
                if isinstance(seen, virt.InstanceEvent) and (again or seen.change is not virt.Change.PRESENT):
                    self._tell_of(seen)

    def _tell_of(self, seen: InstanceEvent) -> None:
        transition = transition_of(seen)
        if transition is not None:
            self._tell(event.LifecycleEvent(str(seen.instance.uuid), transition))


def transition_of(seen: InstanceEvent) -> int | None:
    """What Nova calls a change; None for one that it does not want to hear of.

    A guest that is being made, moved or removed changes because Nova wants it to; how it is in the end is told. A guest
    that is gone while it is moved is on the other host.
    """
    if seen.change is virt.Change.GONE:
        moved = seen.instance.lifecycle is virt.Lifecycle.MIGRATING
        return None if moved else int(event.EVENT_LIFECYCLE_STOPPED)
    told = None if seen.previous is None or seen.previous.lifecycle in UNFINISHED else seen.previous
    before = None if told is None else told.power_state
    now = seen.instance.power_state
    if before is now or seen.instance.lifecycle in UNFINISHED:
        return None
    if now is virt.PowerState.RUNNING and before in HALTED:
        return int(event.EVENT_LIFECYCLE_RESUMED)
    return TRANSITIONS.get(now)

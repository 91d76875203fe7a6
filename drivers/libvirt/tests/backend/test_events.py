"""Events: they come, they say how a guest is now, and they come again after the daemon was away."""

import queue
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from nova_virt_api.compute.compute import Compute
from nova_virt_api.errors import ConnectionLost, Unavailable
from nova_virt_api.events import Change, Changed, DriverEvent, Gap, Gone, InstanceEvent
from nova_virt_api.model.identity import InstanceRef
from nova_virt_api.model.instance import Instance, PowerState
from nova_virt_libvirt.driver import LibvirtDriver
from nova_virt_libvirt.metadata import Mark, read_mark, write_mark


class Listener:
    """Collects events."""

    def __init__(self) -> None:
        self.events: queue.SimpleQueue[DriverEvent] = queue.SimpleQueue()

    def __call__(self, event: DriverEvent) -> None:
        self.events.put(event)

    def until(self, wanted: Callable[[DriverEvent], bool], seconds: float = 20.0) -> list[DriverEvent]:
        """All events up to the one wanted."""
        end = time.monotonic() + seconds
        seen: list[DriverEvent] = []
        while not seen or not wanted(seen[-1]):
            try:
                seen.append(self.events.get(timeout=max(0.0, end - time.monotonic())))
            except queue.Empty:
                pytest.fail(f"the event did not come; these did: {seen}")
        return seen


def changed(guest: InstanceRef, **fields: Any) -> Callable[[DriverEvent], bool]:
    """An event that says of the guest what is wanted."""

    def matches(event: DriverEvent) -> bool:
        return (
            isinstance(event, Changed)
            and event.instance.uuid == guest.uuid
            and all(getattr(event.instance, name) == value for name, value in fields.items())
        )

    return matches


def test_a_guests_life_is_told(driver: LibvirtDriver, native: Any, blank: Callable[..., InstanceRef]) -> None:
    listener = Listener()
    subscription = driver.events(listener)
    guest = blank("life")
    domain = native.lookupByUUID(guest.uuid.bytes)
    steps: list[tuple[Callable[[], object], PowerState]] = [
        (domain.create, PowerState.RUNNING),
        (domain.suspend, PowerState.PAUSED),
        (domain.resume, PowerState.RUNNING),
        (lambda: domain.managedSave(0), PowerState.SUSPENDED),
        (domain.create, PowerState.RUNNING),
        (domain.destroy, PowerState.SHUTDOWN),
    ]
    for step, state in steps:
        step()
        listener.until(changed(guest, power_state=state))
    domain.undefine()
    listener.until(lambda event: event == Gone(guest.uuid))
    subscription.close()


def test_a_changed_mark_and_name_are_told(
    driver: LibvirtDriver, native: Any, blank: Callable[..., InstanceRef]
) -> None:
    guest = blank("first")
    listener = Listener()
    driver.events(listener)
    domain = native.lookupByUUID(guest.uuid.bytes)
    mark = read_mark(domain)
    assert mark is not None
    write_mark(domain, Mark(mark.record, {"tier": "back"}))
    told = listener.until(changed(guest, labels={"tier": "back"}))[-1]
    assert isinstance(told, Changed)
    domain.rename("second")
    listener.until(changed(guest, name="second"))


def test_events_and_the_next_listing_show_the_same_object(
    driver: LibvirtDriver, native: Any, blank: Callable[..., InstanceRef]
) -> None:
    listener = Listener()
    driver.events(listener)
    guest = blank("same")
    told = listener.until(changed(guest))[-1]
    assert isinstance(told, Changed)
    assert [instance for instance in driver.instances() if instance.uuid == guest.uuid] == [told.instance]


def test_what_libvirt_tells_of_by_no_event_is_told(
    driver: LibvirtDriver, native: Any, blank: Callable[..., InstanceRef]
) -> None:
    guest = blank("saved", on=True)
    listener = Listener()
    driver.events(listener)
    domain = native.lookupByUUID(guest.uuid.bytes)
    domain.managedSave(0)
    listener.until(changed(guest, power_state=PowerState.SUSPENDED))
    domain.managedSaveRemove(0)
    listener.until(changed(guest, power_state=PowerState.SHUTDOWN))


def test_a_steady_stream_of_events_hides_nothing(
    driver: LibvirtDriver, native: Any, blank: Callable[..., InstanceRef]
) -> None:
    saved, chatty = blank("saved", on=True), blank("chatty")
    domain, other = (native.lookupByUUID(guest.uuid.bytes) for guest in (saved, chatty))
    listener = Listener()
    subscription = driver.events(listener)
    domain.managedSave(0)
    listener.until(changed(saved, power_state=PowerState.SUSPENDED))
    mark, over = read_mark(other), threading.Event()
    assert isinstance(mark, Mark)

    def chatter() -> None:
        while not over.wait(0.2):
            write_mark(other, mark)

    thread = threading.Thread(target=chatter)
    thread.start()
    try:
        domain.managedSaveRemove(0)  # of which libvirt tells nobody
        listener.until(changed(saved, power_state=PowerState.SHUTDOWN))
    finally:
        over.set()
        thread.join()
        subscription.close()


def test_nothing_is_told_after_closing(driver: LibvirtDriver, native: Any, blank: Callable[..., InstanceRef]) -> None:
    closed, open_ = Listener(), Listener()
    subscription = driver.events(closed)
    subscription.close()
    subscription.close()
    driver.events(open_)
    open_.until(changed(blank("later")))
    assert closed.events.empty()


def test_a_restart_of_the_daemon_is_a_gap_and_then_events_again(
    driver: LibvirtDriver, daemon: Any, raw: Callable[[], Any], blank: Callable[..., InstanceRef]
) -> None:
    guest = blank("survivor", on=True)
    listener = Listener()
    driver.events(listener)
    driver.instances()
    daemon.do("restart")
    assert isinstance(listener.until(lambda event: isinstance(event, Gap))[-1], Gap)
    raw().lookupByUUID(guest.uuid.bytes).suspend()
    listener.until(changed(guest, power_state=PowerState.PAUSED))
    assert driver.instance(guest).power_state is PowerState.PAUSED


def test_a_users_watch_survives_a_restart_of_the_daemon(
    driver: LibvirtDriver, daemon: Any, raw: Callable[[], Any], blank: Callable[..., InstanceRef]
) -> None:
    guest = blank("watched", on=True)
    compute = Compute(driver)
    with compute.watch() as watch:
        present = watch.next(20.0)
        assert isinstance(present, InstanceEvent)
        assert (present.change, present.instance.uuid) == (Change.PRESENT, guest.uuid)
        daemon.do("restart")
        while not isinstance(event := watch.next(20.0), Gap):
            assert event is not None, "no gap came"
        raw().lookupByUUID(guest.uuid.bytes).suspend()
        while not (isinstance(event, InstanceEvent) and event.instance.power_state is PowerState.PAUSED):
            event = watch.next(20.0)
            assert event is not None, "no event came after the gap"
        assert event.instance.uuid == guest.uuid


def test_what_changed_while_the_daemon_was_away_is_seen(
    driver: LibvirtDriver, daemon: Any, raw: Callable[[], Any], blank: Callable[..., InstanceRef]
) -> None:
    guest = blank("renamed")
    assert names(driver)[guest.uuid] == "renamed"
    listener = Listener()
    driver.events(listener)
    daemon.do("stop")
    path = daemon.directory / "etc" / "qemu" / "renamed.xml"
    path.with_name("otherwise.xml").write_text(path.read_text().replace("<name>renamed<", "<name>otherwise<"))
    path.unlink()
    with pytest.raises((Unavailable, ConnectionLost)):
        driver.instances()
    daemon.do("start")
    listener.until(lambda event: isinstance(event, Gap))
    assert names(driver)[guest.uuid] == "otherwise"


def names(driver: LibvirtDriver) -> dict[UUID, str]:
    instances: list[Instance] = list(driver.instances())
    return {instance.uuid: instance.name for instance in instances}


def test_a_restart_leaves_no_descriptors_and_no_threads(
    driver: LibvirtDriver, daemon: Any, eventually: Callable[..., None]
) -> None:
    listener = Listener()
    driver.events(listener)

    def used() -> int:
        driver.instances()
        _ = driver.connection.native
        return len(list(Path("/proc/self/fd").iterdir())) + threading.active_count()

    def restart() -> None:
        daemon.do("restart")
        listener.until(lambda event: isinstance(event, Gap))

    restart()
    before = used()
    restart()
    restart()
    eventually(lambda: used() <= before, "what the lost connections held is free")


def test_verbs_work_again_after_a_restart(
    driver: LibvirtDriver, daemon: Any, blank: Callable[..., InstanceRef], op: Any
) -> None:
    guest = blank("again")
    driver.power_on(guest, op)
    daemon.do("restart")
    driver.pause(guest, op)
    assert driver.instance(guest).power_state is PowerState.PAUSED


def test_closing_ends_the_threads(make_driver: Callable[..., LibvirtDriver], eventually: Callable[..., None]) -> None:
    before = {thread.name for thread in threading.enumerate()}
    driver = make_driver()
    driver.close()
    driver.close()

    def more() -> set[str]:
        return {thread.name for thread in threading.enumerate()} - before - {"nova-virt-libvirt-events"}

    eventually(lambda: not more(), "its threads have ended")
    with pytest.raises(Unavailable):
        driver.instances()

"""Events: immediate, in order, every transition, and honest about gaps."""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import nova_virt_api as virt
from nova_virt_api.driver.endpoint import Endpoint
from nova_virt_api.events import Changed, DriverEvent, Gap, Gone
from nova_virt_api.fake.driver import FakeDriver
from nova_virt_api.fake.options import OPTIONS
from nova_virt_api.fake.switches import Switches

Connect = Callable[..., virt.Compute]
SwitchesOf = Callable[[virt.Compute], Switches]


@pytest.fixture
def driver(tmp_path: Path, world: str) -> Iterator[FakeDriver]:
    options = {option.dest: option.default for option in OPTIONS} | {"world": world}
    endpoint = Endpoint(
        driver="fake", options=SimpleNamespace(**options), owner="me", cache_dir=tmp_path, state_dir=tmp_path
    )
    opened = FakeDriver(endpoint)
    opened.open()
    yield opened
    opened.close()


def test_every_transition_is_told_in_order(driver: FakeDriver, connect: Connect, world: str, make_spec: Any) -> None:
    told: list[DriverEvent] = []
    subscription = driver.events(told.append)
    compute = connect(world=world)
    guest = compute.spawn(make_spec())
    compute.pause(guest)
    compute.unpause(guest)
    compute.reboot(guest)
    compute.destroy(guest)
    seen = [
        (event.instance.lifecycle.value, event.instance.power_state.value) if isinstance(event, Changed) else event
        for event in told
    ]
    assert seen == [
        ("building", "shutdown"),
        ("building", "running"),
        ("ready", "running"),
        ("ready", "paused"),
        ("ready", "running"),
        ("ready", "shutdown"),
        ("ready", "running"),
        ("deleting", "running"),
        ("deleting", "shutdown"),
        Gone(guest.uuid),
    ]
    subscription.close()
    compute.spawn(make_spec())
    assert told[-1] == Gone(guest.uuid)


def test_a_watcher_may_read_and_change_from_its_callback(driver: FakeDriver, connect: Connect, world: str) -> None:
    listings: list[int] = []

    def look(event: DriverEvent) -> None:
        listings.append(len(driver.instances()))
        if len(listings) == 1:
            driver.native().outside.add_guest("second")

    driver.events(look)
    driver.native().outside.add_guest("first")
    assert listings == [1, 2]


def test_no_event_comes_after_close_has_returned(driver: FakeDriver) -> None:
    entered, leave = threading.Event(), threading.Event()
    told: list[DriverEvent] = []

    def slow(event: DriverEvent) -> None:
        told.append(event)
        entered.set()
        leave.wait(10)

    subscription = driver.events(slow)
    outside = driver.native().outside
    changing = threading.Thread(target=outside.add_guest, args=("first",))
    changing.start()
    assert entered.wait(10)
    outside.add_guest("second")
    closing = threading.Thread(target=subscription.close)
    closing.start()
    leave.set()
    closing.join(10)
    changing.join(10)
    assert not closing.is_alive()
    count = len(told)
    outside.add_guest("third")
    assert len(told) == count
    subscription.close()


def test_a_lost_connection_loses_events_and_ends_in_a_gap(driver: FakeDriver) -> None:
    told: list[DriverEvent] = []
    driver.events(told.append)
    switches = driver.native()
    switches.lose_connection()
    switches.outside.add_guest("unseen")
    assert told == []
    with pytest.raises(virt.ConnectionLost):
        driver.instances()
    assert [type(event) for event in told] == [Gap]
    switches.outside.add_guest("seen")
    assert isinstance(told[-1], Changed)
    assert told[-1].instance.name == "seen"


def test_a_closed_subscription_takes_no_part_in_a_lost_connection(driver: FakeDriver) -> None:
    told: list[DriverEvent] = []
    driver.events(told.append).close()
    driver.native().lose_connection()
    with pytest.raises(virt.ConnectionLost):
        driver.instances()
    assert driver.instances() == ()
    assert told == []


def test_a_watch_finds_what_happened_during_the_gap(
    fake_compute: virt.Compute, fake_switches: Switches, web: virt.Instance
) -> None:
    with fake_compute.watch() as watch:
        events = iter(watch)
        assert next(events) == virt.InstanceEvent(change=virt.Change.PRESENT, instance=web)
        fake_switches.lose_connection(None)
        fake_switches.outside.crash(web)
        fake_switches.restore_connection()
        assert isinstance(next(events), virt.Gap)
        event = next(events)
        assert isinstance(event, virt.InstanceEvent)
        assert event.synthetic
        assert event.instance.power_state is virt.PowerState.CRASHED


def test_a_boot_that_takes_time_is_awaited(connect: Connect, make_spec: Any) -> None:
    compute = connect(boot_seconds=1.0)
    guest = compute.spawn(make_spec())
    assert (guest.addresses, guest.agent) == ((), False)
    assert b"login:" not in compute.console_log(guest)
    booted = compute.wait_for(guest, virt.until.address(family=4), timeout=10)
    assert booted is not None
    assert [str(address) for address in booted.addresses or ()] == ["192.0.2.1"]
    assert booted.agent
    assert compute.console_log(guest).endswith(b"web login: \n")


def test_a_boot_that_was_cut_short_does_not_end(connect: Connect, make_spec: Any) -> None:
    compute = connect(boot_seconds=1.0)
    guest = compute.spawn(make_spec())
    compute.power_off(guest)
    with pytest.raises(virt.Timeout):
        compute.wait_for(guest, virt.until.address(), timeout=1.5)
    assert compute.console_log(guest).count(b"login:") == 0


def test_clocks_stop_with_what_they_are_for(connect: Connect, make_spec: Any) -> None:
    def clocks() -> int:
        return sum(
            isinstance(thread, threading.Timer) and not thread.finished.is_set() for thread in threading.enumerate()
        )

    before = clocks()
    compute = connect(boot_seconds=3600.0)
    guests = [compute.spawn(make_spec(name)) for name in ("web", "db", "mail")]
    assert clocks() == before + 3
    compute.reboot(guests[0])
    assert clocks() == before + 3
    assert compute.console_log(guests[0]).count(b"boot 2") == 1
    compute.power_off(guests[0])
    compute.destroy(guests[1])
    assert clocks() == before + 1
    compute.close()
    assert clocks() == before


def test_a_guest_claimed_twice_is_told_about(driver: FakeDriver, connect: Connect, world: str, make_spec: Any) -> None:
    guest = connect(world=world).spawn(make_spec())
    told: list[DriverEvent] = []
    driver.events(told.append)
    outside = driver.native().outside
    outside.claim_twice(guest, "impostor")
    impostor = driver.instances()[-1]
    outside.remove(impostor)
    last = told[-1]
    assert isinstance(last, Changed)
    assert last.instance.name == "web"
    assert last.instance.health.condition is virt.Condition.OK

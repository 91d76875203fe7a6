"""What the disks and the memory of real QEMU guests hold before and after."""

from collections.abc import Callable
from typing import Any

import pytest

from nova_virt_api.model.instance import PowerState


def test_a_guest_that_is_off_goes_back(guest: Any) -> None:
    guest.write(1)
    guest.write(1, disk=1)
    info = guest.create("one", description="before")
    assert (info.name, info.power_state, info.parent, info.is_current) == ("one", PowerState.SHUTDOWN, None, True)
    guest.write(2)
    guest.write(2, disk=1)
    guest.revert("one")
    assert guest.state() is PowerState.SHUTDOWN
    assert guest.reads(1)
    assert guest.reads(1, disk=1)
    assert guest.driver.checkpoints(guest.ref) == [info]


def test_a_guest_that_runs_goes_back(guest: Any) -> None:
    guest.on()
    guest.write(1)
    guest.create("one")
    guest.write(2)
    assert guest.state() is PowerState.RUNNING
    guest.create("two")
    guest.write(3)
    guest.revert("one")
    assert guest.state() is PowerState.SHUTDOWN
    assert guest.reads(1)
    guest.on()
    guest.write(4)
    guest.create("other")
    guest.off()
    assert [(info.name, info.parent) for info in guest.driver.checkpoints(guest.ref)] == [
        ("one", None),
        ("two", "one"),
        ("other", "one"),
    ]
    guest.revert("two")
    assert guest.reads(2)
    guest.revert("other")
    assert guest.reads(4)


def test_memory_comes_back_with_the_disks(guest: Any, eventually: Callable[..., None]) -> None:
    guest.on()
    eventually(guest.counter, "the guest to count")
    guest.write(1)
    guest.domain.suspend()
    then = guest.counter()
    info = guest.create("paused", memory=True)
    assert info.has_memory
    assert info.power_state is PowerState.PAUSED
    guest.domain.resume()
    guest.write(2)
    guest.create("running", memory=True)
    eventually(lambda: guest.counter() != then, "the guest to count on")
    guest.create("later")
    guest.revert("paused")
    assert guest.state() is PowerState.PAUSED
    assert guest.counter() == then
    assert guest.current() == "paused"
    assert guest.names() == ["paused", "running", "later"]
    guest.revert("running")
    assert guest.state() is PowerState.RUNNING
    guest.off()
    assert guest.reads(2)
    guest.revert("paused")
    guest.off()
    assert guest.reads(1)


@pytest.mark.parametrize("running", [True, False])
def test_deleting_leaves_content_and_gives_back_room(guest: Any, running: bool) -> None:
    """One in the middle, the last, the first: what is left can still be gone back to."""
    before = guest.volumes()
    for number in range(1, 5):
        guest.write(number)
        guest.write(number, at=65536 * (number + 1))
        guest.create(f"at {number}")
    guest.write(5)
    if running:
        guest.on()
    guest.delete("at 2")
    guest.delete("at 4")
    guest.delete("at 1")
    assert guest.names() == ["at 3"]
    assert len(guest.volumes()) == len(before) + 2
    if running:
        guest.off()
    assert guest.reads(5)
    guest.revert("at 3")
    assert guest.reads(3)
    assert all(guest.reads(number, at=65536 * (number + 1)) for number in (1, 2, 3))
    assert guest.reads(0, at=65536 * 5)
    guest.delete("at 3")
    assert guest.volumes() == before
    assert guest.reads(3)

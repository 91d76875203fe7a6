"""Processes that die right before each call of a verb about checkpoints that changes something."""

import itertools
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from nova_virt_api.model.instance import PowerState

FIRST = 3
"""Before that call the guest is claimed only, which other tests are about."""

Dying = Callable[[str], Iterator[int]]


@pytest.fixture
def dying(processes: Any, guest: Any) -> Dying:
    """Lets processes die at one place after the other, and ends when one of them gets through."""

    def dying(verb: str) -> Iterator[int]:
        for number in itertools.count(FIRST):
            if not processes.dies(verb, guest.ref.uuid, number):
                assert number > FIRST + 2, "it changed nothing"
                return
            yield number

    return dying


@pytest.mark.timeout(900)
def test_create_killed_anywhere_is_repeated(guest: Any, dying: Dying) -> None:
    """The guest runs on as it was; the next verb makes the checkpoint, and nothing is left of the first."""
    guest.on()
    guest.write(1)
    guest.write(1, disk=1)
    volumes = guest.volumes()
    for number in dying("create_checkpoint"):
        assert guest.state() is PowerState.RUNNING, number
        assert guest.names() in ([], ["two"]), number
        if number % 2:
            guest.create("two", memory=True)
            assert guest.names() == ["two"], number
        guest.delete("two")
        assert guest.volumes() == volumes, number
    guest.write(2)
    guest.write(2, disk=1)
    guest.revert("two")
    guest.off()
    assert guest.reads(1)
    assert guest.reads(1, disk=1)


@pytest.mark.timeout(900)
def test_revert_killed_anywhere_is_repeated(guest: Any, dying: Dying) -> None:
    """Whatever is left, the same call again brings the guest to the checkpoint."""
    guest.on()
    guest.create("one")
    guest.write(2)
    guest.create("two", memory=True)
    guest.write(3)
    guest.create("three")
    volumes = len(guest.volumes())
    for number in dying("revert_to_checkpoint"):
        assert guest.names() == ["one", "two", "three"], number
        assert guest.state() in (PowerState.RUNNING, PowerState.SHUTDOWN), number
        if number % 2:
            guest.revert("two")
            assert guest.state() is PowerState.RUNNING, number
            assert guest.current() == "two", number
            guest.off()
            assert guest.reads(2), number
        if guest.state() is PowerState.SHUTDOWN:
            guest.on()
        guest.write(4)
    assert guest.current() == "two"
    guest.revert("three")
    assert guest.reads(3)
    assert len(guest.volumes()) == volumes


@pytest.mark.timeout(900)
@pytest.mark.parametrize("running", [True, False])
def test_delete_killed_anywhere_is_finished_by_the_next(guest: Any, processes: Any, running: bool) -> None:
    """What the disk and the other checkpoints hold is untouched, and no room is lost."""
    guest.write(1)
    guest.create("one")
    guest.write(3, at=2 * 65536)
    if running:
        guest.on()
    for number in itertools.count(FIRST, 1 if running else 3):
        guest.write(2)
        guest.create("two")
        guest.write(3)
        guest.create("three")
        volumes = len(guest.volumes()) - 2
        if not processes.dies("delete_checkpoint", guest.ref.uuid, number):
            break
        assert guest.state() is (PowerState.RUNNING if running else PowerState.SHUTDOWN), number
        assert set(guest.names()) >= {"one", "three"}, number
        guest.delete("two")
        assert guest.names() == ["one", "three"], number
        assert len(guest.volumes()) == volumes, number
        guest.delete("three")
    assert number > 6, "it changed nothing"
    assert len(guest.volumes()) == volumes
    if running:
        guest.off()
    assert guest.reads(3)
    assert guest.reads(3, at=2 * 65536)
    guest.revert("three")
    assert guest.reads(3)
    guest.revert("one")
    assert guest.reads(1)
    assert guest.reads(0, at=2 * 65536)

"""Processes that die in the middle of a verb, before any change that it makes; the next caller ends it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import libvirt
import pytest

Die = Callable[..., bool]


@pytest.fixture
def die(dying: Callable[..., Any], root: Path) -> Die:
    """Does a verb in another process that dies before a change; False if the verb was done before that."""
    dies = dying("verbs_of_guests.py", share_directories=[str(root)])

    def die(number: int, verb: str, guest: Any, share: Any) -> bool:
        found: bool = dies(number, verb, guest=str(guest.uuid), tag=share.tag, path=share.source.path)
        return found

    return die


@pytest.mark.timeout(300)
def test_verbs_that_were_killed_are_done(
    die: Die, driver: Any, run: Any, spawn: Any, new_share: Any, definition: Any, servers: Any
) -> None:
    share, killed = new_share("one"), 0
    for number in range(20):
        guest = spawn()
        attached = not die(number, "attach_share", guest, share)
        killed += not attached
        assert driver.shares(guest) in ((), (share,))
        run(driver.attach_share, guest, share)
        assert driver.shares(guest) == (share,)
        assert len(definition(guest, libvirt.VIR_DOMAIN_XML_INACTIVE).findall("devices/filesystem")) == 1
        detached = not die(number, "detach_share", guest, share)
        killed += not detached
        run(driver.detach_share, guest, "one")
        assert driver.shares(guest) == ()
        run(driver.power_on, guest)
        assert servers.processes() == []
        run(driver.destroy, guest)
        assert driver.leftovers() == []
        if attached and detached:
            break
    assert killed > 2


@pytest.mark.timeout(300)
def test_an_attachment_that_was_killed_is_no_hindrance(
    die: Die, driver: Any, run: Any, spawn: Any, new_share: Any, servers: Any
) -> None:
    share = new_share("one")
    for number in range(20):
        guest = spawn()
        done = not die(number, "attach_share", guest, share)
        run(driver.power_on, guest)
        run(driver.destroy, guest)
        servers.await_end()
        assert driver.leftovers() == []
        if done:
            break
    assert number > 2

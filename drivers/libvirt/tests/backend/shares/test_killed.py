"""Processes that die in the middle of a verb, before any change that it makes; the next caller ends it."""

import json
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import libvirt
import pytest

SCRIPT = Path(__file__).with_name("dying_process.py")

Die = Callable[..., bool]


@pytest.fixture
def die(daemon: Any, root: Path, tmp_path: Path) -> Die:
    """Does a verb in another process that dies before a change; False if the verb was done before that."""

    def die(number: int, verb: str, guest: Any, share: Any) -> bool:
        asked = {
            "uri": daemon.uri,
            "pool": "nova-virt",
            "owner": "nova-virt-tests",
            "home": str(tmp_path),
            "root": str(root),
            "number": number,
            "verb": verb,
            "guest": str(guest.uuid),
            "tag": share.tag,
            "path": share.source.path,
        }
        command = [sys.executable, str(SCRIPT)]
        done = subprocess.run(
            command, input=json.dumps(asked), capture_output=True, text=True, check=False, timeout=120
        )
        assert done.returncode in (0, -signal.SIGKILL), done.stderr
        return done.returncode != 0

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

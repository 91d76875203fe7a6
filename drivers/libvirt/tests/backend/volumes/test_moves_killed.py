"""Processes that are killed at each step of a resize or move of a guest with an encrypted volume."""

import json
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import libvirt
import pytest

from nova_virt_api.model.instance import Lifecycle
from nova_virt_api.model.size import Size
from nova_virt_libvirt import peers

SCRIPT = Path(__file__).parents[1] / "guests" / "resizing_process.py"
INACTIVE = libvirt.VIR_DOMAIN_XML_INACTIVE
SIZE = Size(vcpus=2)
EACH = 5
"""Not at each step, but before one and after another in turns."""


@pytest.fixture
def killed(daemon: Any, tmp_path: Path) -> Callable[..., bool]:
    """Does a verb in a process that is killed at a step; whether it got that far."""

    def kill(
        verb: str, guest: Any, step: int, *, uri: str = "", ticket: str = "", luks: Any = None, **options: Any
    ) -> bool:
        asked = {
            "verb": verb,
            "guest": str(guest.uuid),
            "step": step,
            "size": SIZE.encode(),
            "ticket": ticket,
            "owner": "nova-virt-tests",
            "home": str(tmp_path),
            "options": {"uri": uri or daemon.uri, **options},
            "luks": {
                "id": luks.id,
                "path": luks.connection.path,
                "passphrase": luks.encryption.passphrase.reveal(),
            },
        }
        done = subprocess.run(
            [sys.executable, str(SCRIPT)], input=json.dumps(asked), text=True, capture_output=True, check=False
        )
        assert done.returncode in (0, -signal.SIGKILL), done.stderr
        return done.returncode != 0

    return kill


def ids(disks: list[Any]) -> list[str]:
    """The serial numbers of a guest's disks."""
    return [disk.findtext("serial") or "" for disk in disks]


@pytest.mark.timeout(600)
def test_finish_here_killed_at_each_step(killed: Any, files: Any, spawn: Any, driver: Any, run: Any, seen: Any) -> None:
    """It is finished or reverted, in turns; libvirt keeps the passwords of the volumes in use, and no others."""
    luks = files.luks()
    guest = spawn(power_on=False, volumes=[luks])
    secrets, before, step, again = seen.secrets(), ids(seen.disks(guest, INACTIVE)), 1, True
    while again:
        ticket = run(driver.prepare_resize, guest.ref, SIZE)
        again = killed("finish", guest, step, ticket=ticket.encode(), luks=luks)
        if step // EACH % 2:
            run(driver.finish_resize, ticket)
        run(driver.revert_resize, guest.ref)
        assert seen.secrets() == secrets, f"killed at step {step}"
        assert ids(seen.disks(guest, INACTIVE)) == before, f"killed at step {step}"
        step += EACH
    assert step > 2 * EACH
    run(driver.power_on, guest.ref)


@pytest.fixture
def there(
    make_driver: Any, native: Any, daemon: Any, second_daemon: Any, second_raw: Any
) -> tuple[Any, dict[str, Any]]:
    """A driver of a second host, and its options."""
    second_raw()
    options = {"uri": second_daemon.uri, "peers": {native.getHostname(): daemon.uri}}
    return make_driver(**options), options


@pytest.mark.timeout(600)
def test_move_killed_at_each_step(
    killed: Any, files: Any, spawn: Any, driver: Any, there: Any, run: Any, seen: Any, far_seen: Any
) -> None:
    """Whatever the destination was killed at, no password is left there once the guest is removed."""
    luks = files.luks()
    guest = spawn(power_on=False, volumes=[luks])
    (far, options), secrets, step, again = there, seen.secrets(), 1, True
    while again:
        ticket = run(driver.prepare_resize, guest.ref, SIZE)
        peers.OPEN.clear()
        again = killed("finish", guest, step, ticket=ticket.encode(), luks=luks, **options)
        run(far.destroy, guest.ref)
        assert far_seen.secrets() == [], f"killed at step {step}"
        run(driver.revert_resize, guest.ref)
        assert driver.instance(guest.ref, fresh=True).lifecycle is Lifecycle.READY
        assert seen.secrets() == secrets
        step += EACH
    assert step > 4 * EACH
    assert not far.leftovers()
    run(driver.power_on, guest.ref)

"""Processes that are killed at each step of a resize; the next one finishes or undoes it, and nothing is left."""

import json
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nova_virt_api.errors import InstanceNotFound
from nova_virt_api.model.instance import Lifecycle
from nova_virt_api.model.size import Size
from nova_virt_api.model.units import GiB, MiB
from nova_virt_libvirt import peers

OWNER = "nova-virt-tests"
SCRIPT = Path(__file__).with_name("resizing_process.py")
SIZE = Size(vcpus=2, memory_bytes=MiB(32), disks=[GiB(2)])
EACH = 3
"""Not at each step, but before one and after another in turns."""


@pytest.fixture
def killed(daemon: Any, tmp_path_factory: Any) -> Callable[..., bool]:
    """Does a verb in a process that is killed at a step; whether it got that far."""
    home = tmp_path_factory.getbasetemp() / "resizing"

    def kill(verb: str, guest: Any, step: int, *, uri: str = "", ticket: str = "", **options: Any) -> bool:
        asked = {
            "verb": verb,
            "guest": str(guest.uuid),
            "step": step,
            "size": SIZE.encode(),
            "ticket": ticket,
            "owner": OWNER,
            "home": str(home),
            "options": {"uri": uri or daemon.uri, **options},
        }
        done = subprocess.run(
            [sys.executable, str(SCRIPT)], input=json.dumps(asked), text=True, capture_output=True, check=False
        )
        assert done.returncode in (0, -signal.SIGKILL), done.stderr
        return done.returncode != 0

    return kill


def without_claims(traces: Any, guest: Any) -> set[str]:
    """The guest's volumes but for links of a claim that nothing refers to; they go with the guest."""
    return {name for name in traces.volumes(guest.uuid) if ".claim." not in name}


class Far:
    """The other host, as the destination.

    Args:
        driver: a driver there, which reaches the first host.
        options: its options.
        directory: where its volumes are.
    """

    def __init__(self, driver: Any, options: dict[str, Any], directory: Path) -> None:
        self.driver = driver
        self.options = options
        self._directory = directory

    def volumes(self, guest: Any) -> list[str]:
        """Files of the guest."""
        return [path.name for path in self._directory.iterdir() if str(guest.uuid) in path.name]


@pytest.fixture
def far(make_driver: Any, second_daemon: Any, second_raw: Any, native: Any, daemon: Any) -> Far:
    """The other host."""
    second_raw()
    options = {"uri": second_daemon.uri, "peers": {native.getHostname(): daemon.uri}}
    return Far(make_driver(**options), options, second_daemon.directory / "images")


@pytest.mark.timeout(600)
def test_resize_killed_at_each_step(
    killed: Any, spawn: Any, make_spec: Any, driver: Any, run: Any, traces: Any
) -> None:
    """It is finished by the same call, or taken back; in turns, so that each step is met by both."""
    guest = spawn(make_spec())
    before, step = without_claims(traces, guest), 1
    while killed("resize", guest, step):
        if step // EACH % 2:
            assert run(driver.resize, guest.ref, SIZE).vcpus == 2
        run(driver.revert_resize, guest.ref)
        seen = driver.instance(guest.ref, fresh=True)
        assert (seen.lifecycle, seen.vcpus) == (Lifecycle.READY, 1), f"killed at step {step}"
        assert without_claims(traces, guest) == before, f"killed at step {step}"
        step += EACH
    assert step > 5 * EACH
    assert not driver.leftovers()


@pytest.mark.timeout(600)
def test_revert_killed_at_each_step(
    killed: Any, spawn: Any, make_spec: Any, driver: Any, run: Any, traces: Any
) -> None:
    guest = spawn(make_spec())
    before, step, again = without_claims(traces, guest), 1, True
    while again:
        run(driver.resize, guest.ref, SIZE)
        again = killed("revert", guest, step)
        run(driver.revert_resize, guest.ref)
        seen = driver.instance(guest.ref, fresh=True)
        assert (seen.lifecycle, seen.vcpus) == (Lifecycle.READY, 1), f"killed at step {step}"
        assert without_claims(traces, guest) == before, f"killed at step {step}"
        step += EACH
    assert step > 4 * EACH


@pytest.mark.timeout(600)
def test_move_killed_at_each_step(
    killed: Any, spawn: Any, make_spec: Any, driver: Any, run: Any, traces: Any, far: Far
) -> None:
    """Whatever the destination was killed at, it finishes, or its remains are removed and the source takes over."""
    guest = spawn(make_spec())
    before, step, again = without_claims(traces, guest), 1, True
    while again:
        ticket = run(driver.prepare_resize, guest.ref, SIZE)
        peers.OPEN.clear()
        again = killed("finish", guest, step, ticket=ticket.encode(), **far.options)
        if step // EACH % 2:
            assert run(far.driver.finish_resize, ticket).lifecycle is Lifecycle.READY
        run(far.driver.destroy, guest.ref)
        run(driver.revert_resize, guest.ref)
        assert driver.instance(guest.ref, fresh=True).lifecycle is Lifecycle.READY
        assert without_claims(traces, guest) == before, f"killed at step {step}"
        assert not far.volumes(guest), f"killed at step {step}"
        step += EACH
    assert step > 8 * EACH
    assert not far.driver.leftovers()
    assert not far.driver.instances(fresh=True)


@pytest.mark.timeout(600)
def test_confirmed_move_killed_at_each_step(
    killed: Any, spawn: Any, make_spec: Any, driver: Any, run: Any, traces: Any, made_elsewhere: Any
) -> None:
    """The guest that has gone elsewhere is removed by the next confirmation."""
    step, again = 1, True
    while again:
        guest = spawn(make_spec())
        run(driver.prepare_resize, guest.ref, SIZE)
        made_elsewhere(guest)
        again = killed("confirm", guest, step)
        run(driver.confirm_resize, guest.ref)
        with pytest.raises(InstanceNotFound):
            driver.instance(guest.ref, fresh=True)
        assert not traces.of(guest.uuid), f"killed at step {step}"
        step += EACH
    assert step > 3 * EACH

"""A guest whose QEMU stands still: whoever wants to change it gets an answer when his time is over."""

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from nova_virt_api.errors import VirtError
from nova_virt_api.model.instance import Instance, PowerOff
from nova_virt_api.model.nic import Nic
from nova_virt_api.model.size import Size

MAC = "52:54:00:aa:bb:07"
SECONDS = 3.0
PATIENCE = 60.0


@contextmanager
def standing_still(guest: Instance) -> Iterator[None]:
    """Stop a guest's QEMU, as if it hung."""
    process = process_of(guest)
    os.kill(process, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(process, signal.SIGCONT)


def process_of(guest: Instance) -> int:
    """The process id of a guest's QEMU."""
    for line in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = line.read_bytes().split(b"\0")
        except OSError:  # it has ended
            continue
        if b"qemu-system" in words[0] and str(guest.uuid).encode() in words:
            return int(line.parent.name)
    raise AssertionError("the guest has no QEMU")


def answer(run: Callable[..., Any], verb: Callable[..., Any], *arguments: Any) -> VirtError:
    """The error of a verb that has little time; fails if it goes on without end."""
    found: list[VirtError] = []

    def ask() -> None:
        try:
            run(verb, *arguments, timeout=SECONDS)
        except VirtError as error:
            found.append(error)

    asking = threading.Thread(target=ask, daemon=True)
    asking.start()
    asking.join(PATIENCE)
    assert not asking.is_alive(), f"{verb.__name__} goes on and on"
    assert found, f"{verb.__name__} says that it was done"
    return found[0]


@pytest.mark.timeout(300)
def test_whoever_waits_for_it_is_told_in_time(spawn: Any, make_spec: Any, driver: Any, run: Any) -> None:
    guest = spawn(make_spec(power_on=True, max_vcpus=4, nics=[Nic(mac=MAC)]))
    with standing_still(guest):
        for verb, *arguments in (
            (driver.resize_live, guest.ref, Size(vcpus=2)),
            (driver.attach_interface, guest.ref, Nic(network="default")),
            (driver.detach_interface, guest.ref, MAC),
        ):
            assert answer(run, verb, *arguments).code == "timeout", verb
    run(driver.power_off, guest.ref, mode=PowerOff.HARD, grace_seconds=0.0)
    run(driver.power_on, guest.ref)

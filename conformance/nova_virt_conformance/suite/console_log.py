"""What a guest wrote to its serial port."""

from __future__ import annotations

import time
from typing import Any

from nova_virt_api.capability import Capability
from nova_virt_api.compute.operation import Operation
from nova_virt_api.driver.console_log import ConsoleLog
from nova_virt_api.model.disk import Disk
from nova_virt_api.model.instance import Instance, PowerOff
from nova_virt_api.model.units import MiB
from nova_virt_conformance.covers import covers
from nova_virt_conformance.lab import PATIENCE, Lab
from nova_virt_conformance.outcome import NotVerified
from nova_virt_conformance.verbs import shown

CHEAP_SECONDS = 2.0
"""A read does not wait for the guest."""

FEW_BYTES = 16
IMAGE_MEMORY = MiB(128)


@covers(Capability.CONSOLE_LOG, ConsoleLog.console_log)
def test_guest_that_was_never_started_has_written_nothing(lab: Lab, stopped: Instance) -> None:
    """The console log of a guest that was never started is empty."""
    assert lab.compute.console_log(stopped) == b""


@covers(Capability.CONSOLE_LOG, ConsoleLog.console_log)
def test_console_log_is_a_read(lab: Lab, running: Instance) -> None:
    """The console log of a guest that says nothing comes at once, and reading it changes nothing."""
    began = time.monotonic()
    log = lab.compute.console_log(running)
    assert time.monotonic() - began < CHEAP_SECONDS
    assert isinstance(log, bytes)
    assert shown(lab.compute.instance(running, fresh=True)) == shown(running)


@covers(Capability.CONSOLE_LOG, ConsoleLog.console_log)
def test_console_log_is_as_short_as_asked_for(lab: Lab) -> None:
    """Of a longer log come the last bytes, as many as were asked for; the log outlives the guest's stop."""
    guest = guest_that_wrote(lab)
    lab.compute.power_off(guest, mode=PowerOff.HARD)
    whole = lab.compute.console_log(guest)
    for length in (1, 7, len(whole) - 1, len(whole), len(whole) + 1):
        assert lab.compute.console_log(guest, max_bytes=length) == whole[-length:]


def guest_that_wrote(lab: Lab) -> Instance:
    """A guest with something in its console log: a blank one if its firmware writes, else one from the image."""
    guest = lab.spawn()
    if len(lab.compute.console_log(guest)) >= FEW_BYTES:
        return guest
    if lab.target.image is None:
        raise NotVerified("blank guests write nothing here, and the target names no image")
    talkative = lab.spawn(disks=(Disk(source=lab.target.image),), memory_bytes=IMAGE_MEMORY)
    waiting = Operation[Any]("wait for the console log", talkative.uuid, timeout=PATIENCE)
    waiting.wait_until(lambda: len(lab.compute.console_log(talkative)) >= FEW_BYTES)
    return talkative

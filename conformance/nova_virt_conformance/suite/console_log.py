"""What a guest wrote to its serial port."""

from __future__ import annotations

import time

from nova_virt_api.capability import Capability
from nova_virt_api.driver.console_log import ConsoleLog
from nova_virt_api.model.instance import Instance
from nova_virt_conformance.covers import covers
from nova_virt_conformance.lab import Lab
from nova_virt_conformance.verb import shown

CHEAP_SECONDS = 2.0
"""A read does not wait for the guest."""

FEW_BYTES = 16
"""What is enough to be cut short."""

WHOLE_LOG = 2**24


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
    """Of a longer log come the last bytes, as many as were asked for, and never more."""
    guest = guest_that_wrote(lab)
    length = len(lab.compute.console_log(guest, max_bytes=WHOLE_LOG))
    for wanted in (1, FEW_BYTES, length - 1):
        before = len(lab.compute.console_log(guest, max_bytes=WHOLE_LOG))
        end = lab.compute.console_log(guest, max_bytes=wanted)
        whole = lab.compute.console_log(guest, max_bytes=WHOLE_LOG)
        ends = {whole[until - wanted : until] for until in range(before, len(whole) + 1)}  # it may write meanwhile
        assert end in ends, f"of {len(whole)} bytes, not the last {wanted} were returned but {len(end)} others"


def guest_that_wrote(lab: Lab) -> Instance:
    """A guest with something in its console log: a blank one if its firmware writes, else one from the image."""
    guest = lab.spawn()
    if len(lab.compute.console_log(guest)) > FEW_BYTES:
        return guest
    return lab.booted.running().guest

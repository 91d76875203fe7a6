"""Verbs that were called before: they change nothing any more."""

from __future__ import annotations

import time
from typing import Final

import pytest

from nova_virt_api.driver.driver import Driver
from nova_virt_api.model.instance import Instance, PowerOff
from nova_virt_conformance.covers import covers
from nova_virt_conformance.lab import Lab
from nova_virt_conformance.promise import Promise
from nova_virt_conformance.verb import Verb, difference, shown
from nova_virt_conformance.verbs import IDEMPOTENT

OFTEN: Final = 10
SELDOM: Final = 2
QUICK_SECONDS: Final = 1.0


@pytest.mark.parametrize("verb", [pytest.param(verb, id=verb.name, marks=verb.marks) for verb in IDEMPOTENT])
def test_verb_repeated_changes_nothing(lab: Lab, verb: Verb) -> None:
    """A verb whose goal is reached already succeeds again, ten times where it is quick, and changes nothing."""
    start = next(state for state, after in verb.becomes.items() if state not in verb.may_refuse)
    guest = verb.guest(lab, start)
    began = time.monotonic()
    verb.call(lab.compute, guest, lab)
    quick = time.monotonic() - began < QUICK_SECONDS
    reached = shown(lab.compute.instance(guest, fresh=True))
    assert reached["power_state"] is verb.becomes[start]
    for _ in range((OFTEN if quick else SELDOM) - 1):
        verb.call(lab.compute, guest, lab)
        wrong = difference(reached, shown(lab.compute.instance(guest, fresh=True)))
        assert not wrong, f"{verb.name} again changed something: {wrong}"


@covers(Promise.POWER, Driver.power_on)
def test_power_on_does_not_restart_a_running_guest(lab: Lab, running: Instance) -> None:
    """A guest that runs goes on running when it is started again."""
    before = lab.rig.boots(running)
    lab.compute.power_on(running, timeout=lab.patience)
    assert lab.rig.boots(running) == before, "the guest was started anew"


@covers(Promise.POWER, Driver.reboot)
def test_reboot_restarts_once_per_call(lab: Lab, running: Instance) -> None:
    """Each reboot starts the guest anew, once."""
    before = lab.rig.boots(running)
    for number in (1, 2):
        lab.compute.reboot(running, mode=PowerOff.HARD, timeout=lab.patience)
        started = lab.rig.boots(running) - before
        assert started == number, f"{number} reboots started the guest {started} times"

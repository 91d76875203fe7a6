"""Interrupting a guest so that its kernel dumps its memory."""

from nova_virt_api.capability import Capability
from nova_virt_api.driver.crash_dump import CrashDump
from nova_virt_api.model.instance import Instance
from nova_virt_conformance.covers import covers
from nova_virt_conformance.lab import Lab


@covers(Capability.CRASH_DUMP, CrashDump.trigger_crash_dump)
def test_each_call_interrupts_the_guest_once(lab: Lab, running: Instance) -> None:
    """Each call sends the guest one interrupt, and no other guest."""
    other = lab.spawn()
    before = lab.rig.interrupts(running)
    for number in (1, 2):
        lab.compute.trigger_crash_dump(running, timeout=lab.patience)
        assert lab.rig.interrupts(running) - before == number
    assert lab.rig.interrupts(other) == 0, "another guest was interrupted"


@covers(Capability.CRASH_DUMP, CrashDump.trigger_crash_dump)
def test_interrupt_restarts_nothing(lab: Lab, running: Instance) -> None:
    """A guest that is not set up for dumps is not started anew by an interrupt."""
    before = lab.rig.boots(running)
    lab.compute.trigger_crash_dump(running, timeout=lab.patience)
    assert lab.rig.boots(running) == before, "the guest was started anew"

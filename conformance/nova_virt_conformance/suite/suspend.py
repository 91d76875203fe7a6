"""Putting a guest's memory away and taking it back."""

from __future__ import annotations

from nova_virt_api.capability import Capability
from nova_virt_api.driver.suspend import Suspend
from nova_virt_api.model.instance import Instance, Lifecycle, PowerState
from nova_virt_conformance.covers import covers
from nova_virt_conformance.lab import Lab
from nova_virt_conformance.verb import shown


@covers(Capability.SUSPEND, Suspend.suspend, Suspend.resume)
def test_suspend_and_resume(lab: Lab, running: Instance) -> None:
    """A suspended guest is still the same guest, and it is again when it was resumed."""
    lab.compute.suspend(running)
    suspended = lab.compute.instance(running, fresh=True)
    assert shown(suspended) == shown(running) | {"power_state": PowerState.SUSPENDED}
    assert suspended.lifecycle is Lifecycle.READY
    lab.compute.resume(running)
    assert shown(lab.compute.instance(running, fresh=True)) == shown(running)


@covers(Capability.SUSPEND, Suspend.suspend, Suspend.resume)
def test_suspend_keeps_the_memory(lab: Lab, running: Instance) -> None:
    """A resumed guest goes on where it was: its memory is restored, it is not started anew."""
    before = lab.rig.boots(running)
    lab.compute.suspend(running)
    lab.compute.resume(running)
    assert lab.rig.boots(running) == before, "the guest was started anew"


@covers(Capability.SUSPEND, Suspend.resume)
def test_suspended_guest_survives_a_reconnect(lab: Lab) -> None:
    """A guest that was suspended over a connection which is closed by now is shown so, and resumed, over another."""
    first = lab.connect()
    guest = lab.spawn()
    first.suspend(guest)
    lab.disconnect(first)
    assert lab.second.instance(guest, fresh=True).power_state is PowerState.SUSPENDED
    lab.second.resume(guest)
    assert lab.second.instance(guest, fresh=True).power_state is PowerState.RUNNING

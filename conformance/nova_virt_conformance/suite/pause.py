"""Stopping and continuing a guest's virtual CPUs."""

from nova_virt_api.capability import Capability
from nova_virt_api.compute.compute import Compute
from nova_virt_api.driver.pause import Pause
from nova_virt_api.model.instance import Instance, PowerState
from nova_virt_conformance.covers import covers
from nova_virt_conformance.lab import Lab


@covers(Capability.PAUSE, Pause.pause, Pause.unpause)
def test_pause_and_unpause(compute: Compute, running: Instance) -> None:
    """A paused guest is shown as paused, and runs again after unpause."""
    compute.pause(running)
    assert compute.instance(running, fresh=True).power_state is PowerState.PAUSED
    compute.unpause(running)
    assert compute.instance(running, fresh=True).power_state is PowerState.RUNNING


@covers(Capability.PAUSE, Pause.pause, Pause.unpause)
def test_pause_keeps_the_memory(lab: Lab, running: Instance) -> None:
    """A guest that was paused goes on where it was; it is not started anew."""
    before = lab.rig.boots(running)
    lab.compute.pause(running)
    lab.compute.unpause(running)
    assert lab.rig.boots(running) == before, "the guest was started anew"


@covers(Capability.PAUSE, Pause.pause)
def test_pause_is_undone_by_another_connection(lab: Lab, running: Instance) -> None:
    """A guest that one connection paused is let go on by another."""
    lab.compute.pause(running)
    lab.second.unpause(running)
    assert lab.compute.instance(running, fresh=True).power_state is PowerState.RUNNING

"""Stopping and continuing a guest's virtual CPUs."""

from nova_virt_api.capability import Capability
from nova_virt_api.compute.compute import Compute
from nova_virt_api.driver.pause import Pause
from nova_virt_api.model.instance import Instance, PowerState
from nova_virt_conformance.covers import covers


@covers(Capability.PAUSE, Pause.pause, Pause.unpause)
def test_pause_and_unpause(compute: Compute, running: Instance) -> None:
    """A paused guest is shown as paused, and runs again after unpause."""
    compute.pause(running)
    assert compute.instance(running, fresh=True).power_state is PowerState.PAUSED
    compute.unpause(running)
    assert compute.instance(running, fresh=True).power_state is PowerState.RUNNING

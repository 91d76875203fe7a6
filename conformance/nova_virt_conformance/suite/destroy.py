"""Removing guests: from every state, any number of times, and all that they owned."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

from nova_virt_api.capability import Feature
from nova_virt_api.compute.operation import Operation, OperationState
from nova_virt_api.driver.driver import Driver
from nova_virt_api.driver.operation import Stage
from nova_virt_api.errors import InstanceNotFound
from nova_virt_api.model.instance import DiskPolicy, Instance, PowerState
from nova_virt_conformance.aftermath import check_gone, leaving_nothing
from nova_virt_conformance.covers import covers
from nova_virt_conformance.held import LONGEST
from nova_virt_conformance.lab import Lab
from nova_virt_conformance.promise import Promise
from nova_virt_conformance.verb import STATES

if TYPE_CHECKING:
    from collections.abc import Callable

    from nova_virt_api.model.spec import InstanceSpec


@covers(Promise.DESTROY, Driver.destroy)
@pytest.mark.parametrize("state", STATES, ids=lambda state: state.value)
def test_destroy_in_state(lab: Lab, state: PowerState) -> None:
    """Destroy works in every power state, says that there was something, and takes all that the guest owned."""
    with leaving_nothing(lab, "a guest's life"):
        guest = lab.guest(state)
        assert lab.compute.destroy(guest, timeout=lab.patience) is True
    check_gone(lab, guest.uuid)
    with pytest.raises(InstanceNotFound):
        lab.compute.instance(guest, fresh=True)


@covers(Promise.DESTROY, Driver.destroy)
def test_destroy_is_idempotent(lab: Lab, stopped: Instance) -> None:
    """A guest can be destroyed any number of times, over any connection; only the first time there was something."""
    answers = [lab.compute.destroy(stopped, timeout=lab.patience) for _ in range(3)]
    answers += [lab.second.destroy(stopped.uuid, timeout=lab.patience)]
    assert answers == [True, False, False, False]


@covers(Promise.DESTROY, Driver.destroy)
def test_destroy_of_a_guest_that_never_was(lab: Lab) -> None:
    """Destroying a uuid that nobody has ever seen returns False and leaves no trace."""
    with leaving_nothing(lab, "the destroy"):
        assert lab.compute.destroy(uuid4(), timeout=lab.patience) is False


@covers(Promise.DESTROY, Driver.destroy, Driver.spawn)
def test_uuid_is_free_after_destroy(lab: Lab, spec: InstanceSpec) -> None:
    """After destroy the same spec makes a new guest."""
    lab.compute.spawn(spec, timeout=lab.patience)
    lab.compute.destroy(spec.uuid, timeout=lab.patience)
    again = lab.compute.spawn(spec, timeout=lab.patience)
    assert lab.compute.instance(again, fresh=True).power_state is PowerState.RUNNING


@covers(Feature.KEEP_DISKS, Driver.destroy)
def test_kept_disks_stay(lab: Lab) -> None:
    """With disks=KEEP the guest goes and its disks stay, under names with its uuid; a later destroy leaves them too."""
    lab.rig.remove_kept_disks(uuid4())  # says now if the rig cannot clean up after this test
    before = frozenset(lab.rig.backend_objects())
    guest = lab.guest(PowerState.SHUTDOWN)
    try:
        assert lab.compute.destroy(guest, disks=DiskPolicy.KEEP, timeout=lab.patience) is True
        kept = frozenset(lab.rig.backend_objects()) - before
        assert lab.compute.destroy(guest.uuid, timeout=lab.patience) is False
        later = frozenset(lab.rig.backend_objects()) - before
        check_gone(lab, guest.uuid)
    finally:
        lab.rig.remove_kept_disks(guest.uuid)
    assert len(kept) == 1, f"of a guest with one disk this was kept: {', '.join(sorted(kept)) or 'nothing'}"
    assert all(str(guest.uuid) in name for name in kept), f"{kept} does not carry the uuid {guest.uuid}"
    assert later == kept, "a second destroy touched the disks that the first one had kept"


@covers(Promise.DESTROY, Driver.destroy, Driver.spawn)
def test_destroy_ends_a_spawn_under_way(lab: Lab, spec: InstanceSpec) -> None:
    """Destroy cancels the guest's running spawn, or comes after it; either way nothing of the guest is left."""
    reached, go_on = threading.Event(), threading.Event()
    with leaving_nothing(lab, "a spawn and its destroy"):
        spawn = lab.compute.submit.spawn(
            spec, timeout=lab.patience, hooks={Stage.BEFORE_START: waiting_for(reached, go_on)}
        )
        try:
            assert reached.wait(lab.patience), f"the spawn did not reach its last hook: {spawn.error}"
            destroy = lab.compute.submit.destroy(spec.uuid, timeout=lab.patience)
        finally:
            go_on.set()
        assert spawn.wait(lab.patience)
        in_time = spawn.state is OperationState.CANCELLED
        assert in_time or spawn.state is OperationState.COMPLETED, f"the spawn failed: {spawn.error}"
        assert destroy.result() is not in_time, "who comes too late to cancel finds something to remove, and only he"
    check_gone(lab, spec.uuid)


def waiting_for(reached: threading.Event, go_on: threading.Event) -> Callable[[Operation[Any]], None]:
    """A hook that says that it was reached and waits until it may go on."""

    def hook(_: Operation[Any]) -> None:
        reached.set()
        assert go_on.wait(LONGEST)

    return hook

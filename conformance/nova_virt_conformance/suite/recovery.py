"""After an accident: what is left is named, found again, and used or removed."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Final

import pytest

from nova_virt_api.driver.driver import Driver
from nova_virt_api.driver.operation import Stage
from nova_virt_api.errors import ConnectionLost, InstanceExists, InstanceNotFound, StateAfter, Unavailable, VirtError
from nova_virt_api.model.instance import Lifecycle, PowerOff, PowerState
from nova_virt_conformance.aftermath import check_gone, leaving_nothing
from nova_virt_conformance.covers import covers
from nova_virt_conformance.lab import Lab
from nova_virt_conformance.outcome import NotVerified
from nova_virt_conformance.promise import Promise

if TYPE_CHECKING:
    from uuid import UUID

    from nova_virt_api.compute.operation import Operation
    from nova_virt_api.model.leftover import Leftover
    from nova_virt_api.model.spec import InstanceSpec

HOOKS: Final = (Stage.NETWORK_READY, Stage.DISKS_READY, Stage.BEFORE_START)


def spawn_cut_off(lab: Lab, spec: InstanceSpec, stage: Stage) -> VirtError:
    """What a spawn ends with whose connection breaks at this stage; at the return the connection is there again."""
    with ExitStack() as cut:

        def hook(_: Operation[Any]) -> None:
            cut.enter_context(lab.rig.cut_connection(lab.compute))

        operation = lab.compute.submit.spawn(spec, timeout=lab.patience, hooks={stage: hook})
        assert operation.wait(lab.patience), "the spawn did not end after its connection was lost"
    error = operation.error
    if isinstance(error, VirtError) and isinstance(error.__cause__, NotVerified):
        raise error.__cause__
    assert error is not None, "the spawn succeeded without its connection"
    return error


def remains_of(lab: Lab, guest: UUID) -> list[Leftover]:
    """What the driver lists as left of a guest."""
    return [leftover for leftover in lab.compute.leftovers() if leftover.uuid == guest]


# --- a lost connection ------------------------------------------------------------------------------------------------


@covers(Promise.RECOVERY, Driver.spawn, Driver.leftovers)
@pytest.mark.parametrize("stage", HOOKS, ids=lambda stage: stage.name.lower())
def test_spawn_that_lost_its_connection_is_finished_by_the_next(lab: Lab, spec: InstanceSpec, stage: Stage) -> None:
    """A spawn that lost its connection says so and names what it left; the same spawn then makes the guest whole."""
    before = lab.objects()
    error = spawn_cut_off(lab, spec, stage)
    assert isinstance(error, ConnectionLost | Unavailable), repr(error)
    left = lab.objects() - before
    if left:
        assert error.state_after is not StateAfter.UNCHANGED, f"the error says unchanged, and left {sorted(left)}"
        assert error.leftovers, f"the error does not name what it left: {sorted(left)}"
    assert all(leftover.uuid == spec.uuid for leftover in error.leftovers)
    guest = lab.compute.spawn(spec, timeout=lab.patience)
    assert guest.lifecycle is Lifecycle.READY
    assert lab.compute.instance(guest, fresh=True).power_state is PowerState.RUNNING
    assert not remains_of(lab, spec.uuid), "a finished guest is listed as a leftover"


@covers(Promise.RECOVERY, Driver.spawn, Driver.leftovers, Driver.destroy)
def test_destroy_removes_what_an_interrupted_spawn_left(lab: Lab, spec: InstanceSpec) -> None:
    """leftovers() lists what a spawn left that lost its connection; destroy of its uuid removes all of it."""
    with leaving_nothing(lab, "the spawn and its destroy"):
        before = lab.objects()
        error = spawn_cut_off(lab, spec, Stage.BEFORE_START)
        left = lab.objects() - before
        listed = remains_of(lab, spec.uuid)
        assert bool(listed) == bool(left), f"left is {sorted(left)}, listed is {[str(one) for one in listed]}"
        named = {leftover.name for leftover in error.leftovers}
        assert named >= {leftover.name for leftover in listed}, f"the error names only {sorted(named)}"
        assert all(leftover.owner in (None, lab.target.owner) for leftover in listed)
        assert not any(leftover.uuid == spec.uuid for leftover in lab.other.leftovers())
        assert lab.compute.destroy(spec.uuid, timeout=lab.patience) is bool(left)
    check_gone(lab, spec.uuid)


@covers(Promise.RECOVERY, Driver.destroy)
def test_another_connection_removes_what_an_interrupted_spawn_left(lab: Lab, spec: InstanceSpec) -> None:
    """What a spawn left can be listed and removed by the owner's next process."""
    with leaving_nothing(lab, "the spawn and its destroy"):
        before = lab.objects()
        spawn_cut_off(lab, spec, Stage.BEFORE_START)
        left = lab.objects() - before
        assert bool([one for one in lab.second.leftovers() if one.uuid == spec.uuid]) == bool(left)
        assert lab.second.destroy(spec.uuid, timeout=lab.patience) is bool(left)
    check_gone(lab, spec.uuid)


# --- a guest that was removed by somebody else ------------------------------------------------------------------------


@covers(Promise.RECOVERY, Driver.instance, Driver.power_on, Driver.power_off, Driver.leftovers, Driver.destroy)
def test_guest_that_vanished_is_not_found_and_its_remains_are(lab: Lab) -> None:
    """A guest that was removed natively is InstanceNotFound; leftovers lists what remains, destroy removes it."""
    with leaving_nothing(lab, "the guest's life"):
        before = lab.objects()
        guest = lab.guest(PowerState.SHUTDOWN)
        lab.rig.vanish(guest)
        with pytest.raises(InstanceNotFound):
            lab.compute.instance(guest, fresh=True)
        with pytest.raises(InstanceNotFound):
            lab.compute.power_on(guest, timeout=lab.patience)
        with pytest.raises(InstanceNotFound):
            lab.compute.power_off(guest, mode=PowerOff.HARD, timeout=lab.patience)
        left = lab.objects() - before
        assert bool(remains_of(lab, guest.uuid)) == bool(left), f"there is still: {', '.join(sorted(left))}"
        assert lab.compute.destroy(guest, timeout=lab.patience) is bool(left)
    check_gone(lab, guest.uuid)


@covers(Promise.RECOVERY, Driver.spawn)
def test_same_spawn_after_the_guest_vanished(lab: Lab) -> None:
    """After a guest was removed natively the same spawn makes it anew, or is InstanceExists and touches no remains."""
    spec = lab.spec(power_on=False)
    lab.rig.vanish(lab.compute.spawn(spec, timeout=lab.patience))
    remains = lab.objects()
    try:
        again = lab.compute.spawn(spec, timeout=lab.patience)
    except InstanceExists:
        assert lab.objects() == remains, "the refused spawn touched what remains of the guest"
        assert remains_of(lab, spec.uuid)
    else:
        assert lab.compute.instance(again, fresh=True).lifecycle is Lifecycle.READY
        assert not remains_of(lab, spec.uuid)


# --- no accident ------------------------------------------------------------------------------------------------------


@covers(Promise.RECOVERY, Driver.leftovers)
def test_guests_are_no_leftovers(lab: Lab) -> None:
    """Guests that are whole, whatever their state and whoever looks, are no leftovers."""
    guests = {lab.guest(state).uuid for state in (PowerState.RUNNING, PowerState.SHUTDOWN)}
    for compute in (lab.compute, lab.second, lab.other):
        assert not guests & {leftover.uuid for leftover in compute.leftovers()}


@covers(Promise.RECOVERY, Driver.leftovers, Driver.spawn)
def test_what_a_living_process_works_on_is_no_leftover(lab: Lab, spec: InstanceSpec) -> None:
    """While a spawn is under way over another connection, nothing of its guest is a leftover, and it ends well."""
    seen: list[UUID] = []

    def look(_: Operation[Any]) -> None:
        for compute in (lab.compute, lab.second, lab.other):
            seen.extend(leftover.uuid for leftover in compute.leftovers())

    guest = lab.second.spawn(spec, timeout=lab.patience, hooks=dict.fromkeys(HOOKS, look))
    assert spec.uuid not in seen
    assert guest.lifecycle is Lifecycle.READY

"""Callers side by side: on different guests they do not wait for each other, on one guest nothing is mixed up."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Final

from nova_virt_api.capability import Capability
from nova_virt_api.compute.operation import Operation, OperationState
from nova_virt_api.driver.driver import Driver
from nova_virt_api.driver.operation import Stage
from nova_virt_api.driver.pause import Pause
from nova_virt_api.errors import Busy, Cancelled, InstanceNotFound, InvalidState, VirtError
from nova_virt_api.model.instance import Instance, PowerOff
from nova_virt_conformance.aftermath import check_gone, present
from nova_virt_conformance.covers import covers
from nova_virt_conformance.held import Held, HeldUntilCancelled
from nova_virt_conformance.lab import Lab
from nova_virt_conformance.promise import Promise
from nova_virt_conformance.verb import PAUSED, RUNNING, SHUTDOWN, shown

if TYPE_CHECKING:
    from collections.abc import Callable

    from nova_virt_api.compute.compute import Compute
    from nova_virt_api.model.spec import InstanceSpec

CALLERS: Final = 8
SIDE_BY_SIDE_SECONDS: Final = 15.0
"""Within this time all guests must have come to the same point; were they made one after another, they never would."""


@covers(Promise.CONCURRENCY, Driver.spawn, Driver.power_off)
def test_eight_guests_side_by_side(lab: Lab) -> None:
    """Eight guests are made, and then stopped, at the same time: no caller waits for another one's guest."""
    meeting = threading.Barrier(CALLERS)

    def meet(_: Operation[Any]) -> None:
        meeting.wait(SIDE_BY_SIDE_SECONDS)

    specs = [lab.spec() for _ in range(CALLERS)]
    hooks = {Stage.BEFORE_START: meet}
    spawns = [lab.compute.submit.spawn(spec, hooks=hooks, timeout=lab.patience) for spec in specs]
    guests = [spawn.result() for spawn in spawns]
    assert [guest.uuid for guest in guests] == [spec.uuid for spec in specs]
    for stop in [lab.compute.submit.power_off(guest, mode=PowerOff.HARD, timeout=lab.patience) for guest in guests]:
        stop.result()
    seen = {guest.uuid: guest for guest in lab.compute.instances(fresh=True)}
    for spec in specs:
        assert (seen[spec.uuid].name, seen[spec.uuid].power_state) == (spec.name, SHUTDOWN)


@covers(Promise.CONCURRENCY, Driver.power_on, Driver.instance)
def test_reads_do_not_wait_for_verbs(lab: Lab, stopped: Instance) -> None:
    """While a verb is at work on a guest, the guest can be read over the same connection."""
    with Held() as held:
        starting = lab.compute.submit.power_on(stopped, hooks={Stage.BEFORE_START: held})
        held.wait_reached(starting)
        with ThreadPoolExecutor(1) as pool:
            read = pool.submit(lab.compute.instance, stopped, fresh=True)
            assert read.result(SIDE_BY_SIDE_SECONDS).power_state is SHUTDOWN
    starting.result()


@covers(Promise.CONCURRENCY, Driver.power_off, Driver.power_on)
def test_verbs_of_one_guest_are_done_in_order(lab: Lab, running: Instance) -> None:
    """Verbs on one guest over one connection are done one at a time, in the order in which they were asked for."""
    ended: list[int] = []
    last = threading.Event()

    def note(number: int) -> None:
        ended.append(number)
        if len(ended) == CALLERS:
            last.set()

    operations: list[Operation[None]] = []
    for number in range(0, CALLERS, 2):
        stop = lab.compute.submit.power_off(running, mode=PowerOff.HARD, timeout=lab.patience)
        start = lab.compute.submit.power_on(running, timeout=lab.patience)
        stop.add_done_callback(lambda _, number=number: note(number))  # type: ignore[misc]
        start.add_done_callback(lambda _, number=number: note(number + 1))  # type: ignore[misc]
        operations += [stop, start]
    for operation in operations:
        operation.result()
    assert last.wait(SIDE_BY_SIDE_SECONDS), f"of {CALLERS} verbs only these were told to have ended: {ended}"
    assert ended == list(range(CALLERS))
    assert lab.compute.instance(running, fresh=True).power_state is RUNNING


@covers(Promise.CONCURRENCY, Driver.power_off, Driver.reboot)
def test_two_connections_at_one_guest(lab: Lab, running: Instance) -> None:
    """Two connections that change one guest get through or are told that it is busy; it is whole afterwards."""
    outcomes = at_once(
        lambda: lab.compute.power_off(running, mode=PowerOff.HARD, timeout=lab.patience),
        lambda: lab.second.reboot(running, mode=PowerOff.HARD, timeout=lab.patience),
    )
    see_only(outcomes, Busy, InvalidState)
    assert None in outcomes, "neither of the two got through"
    see_agreement(lab, running)
    lab.second.power_off(running, mode=PowerOff.HARD, timeout=lab.patience)
    lab.compute.power_on(running, timeout=lab.patience)
    assert shown(lab.second.instance(running, fresh=True)) == shown(running)


@covers(Capability.PAUSE, Promise.CONCURRENCY, Pause.pause, Pause.unpause)
def test_pause_against_unpause(lab: Lab, running: Instance) -> None:
    """A pause and an unpause at once get through or are told that the guest is busy; it is paused or runs."""
    for _ in range(3):
        outcomes = at_once(
            lambda: lab.compute.pause(running, timeout=lab.patience),
            lambda: lab.second.unpause(running, timeout=lab.patience),
        )
        see_only(outcomes, Busy)
        assert see_agreement(lab, running).power_state in (PAUSED, RUNNING)
    lab.compute.unpause(running, timeout=lab.patience)


@covers(Promise.CONCURRENCY, Driver.spawn)
def test_eight_spawns_of_one_uuid(lab: Lab, spec: InstanceSpec) -> None:
    """Eight callers of two connections who ask for the same guest get the same one, or are told that it is busy."""
    made: list[Instance] = []

    def spawn(compute: Compute) -> Callable[[], None]:
        return lambda: made.append(compute.spawn(spec, timeout=lab.patience))

    see_only(at_once(*[spawn(compute) for compute in (lab.compute, lab.second) * (CALLERS // 2)]), Busy)
    assert made, "nobody got the guest"
    assert {(guest.uuid, guest.name) for guest in made} == {(spec.uuid, spec.name)}
    assert len({guest.native_id for guest in made}) == 1, "more than one guest was made"
    listed = [
        guest for guest in lab.compute.instances(fresh=True) if spec.uuid == guest.uuid or spec.name == guest.name
    ]
    assert [guest.power_state for guest in listed] == [RUNNING]
    assert not [leftover for leftover in lab.compute.leftovers() if leftover.uuid == spec.uuid]


@covers(Promise.CONCURRENCY, Driver.destroy, Driver.power_on)
def test_destroy_against_power_on(lab: Lab, stopped: Instance) -> None:
    """A destroy and a power_on of two connections at once: the guest is gone or whole, and never half of it."""
    outcomes = at_once(
        lambda: lab.compute.power_on(stopped, timeout=lab.patience),
        lambda: lab.second.destroy(stopped, timeout=lab.patience),
    )
    see_only(outcomes[:1], Busy, InstanceNotFound, InvalidState)
    see_only(outcomes[1:], Busy)
    if outcomes[1] is not None:
        assert present(lab, stopped.uuid)
        assert lab.second.destroy(stopped, timeout=lab.patience)
    check_gone(lab, stopped.uuid)


@covers(Promise.CONCURRENCY, Driver.destroy, Driver.power_on)
def test_destroy_pre_empts_what_runs(lab: Lab, stopped: Instance) -> None:
    """A destroy cancels the verb that is at work on the guest, and those that wait, and removes the guest."""
    with HeldUntilCancelled() as held:
        starting = lab.compute.submit.power_on(stopped, hooks={Stage.BEFORE_START: held})
        held.wait_reached(starting)
        waiting = lab.compute.submit.power_off(stopped, mode=PowerOff.HARD)
        assert lab.compute.destroy(stopped, timeout=lab.patience)
    assert starting.wait(lab.patience)
    assert isinstance(starting.error, Cancelled), f"it ended with {starting.error}"
    assert waiting.state is OperationState.CANCELLED
    check_gone(lab, stopped.uuid)


# --- beneath the tests ------------------------------------------------------------------------------------------------


def at_once(*calls: Callable[[], object]) -> list[BaseException | None]:
    """Make all calls at the same time, each on a thread of its own; what each raised, or None."""
    start = threading.Barrier(len(calls))

    def run(call: Callable[[], object]) -> BaseException | None:
        start.wait(SIDE_BY_SIDE_SECONDS)
        try:
            call()
        except VirtError as error:
            return error
        return None

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(run, calls))


def see_only(outcomes: list[BaseException | None], *allowed: type[BaseException]) -> None:
    """See that every call succeeded or was refused for one of these reasons."""
    others = [f"{type(error).__name__}: {error}" for error in outcomes if error and not isinstance(error, allowed)]
    assert not others, f"unexpected: {'; '.join(others)}"


def see_agreement(lab: Lab, guest: Instance) -> Instance:
    """See that two connections see the same guest, complete; returns it."""
    first, second = (compute.instance(guest, fresh=True) for compute in (lab.compute, lab.second))
    assert shown(first) == shown(second)
    assert first.lifecycle is guest.lifecycle
    assert first.native_id == guest.native_id
    return first

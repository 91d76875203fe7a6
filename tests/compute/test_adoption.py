"""Adopting many guests at once: each has its own outcome, and one that is refused keeps no other."""

import asyncio
import threading
from typing import Any
from uuid import UUID

import pytest

import nova_virt_api as virt
from nova_virt_api import aio
from nova_virt_api.compute.aio import AsyncCompute
from nova_virt_api.fake.steps import Step
from nova_virt_api.fake.switches import Switches

ADOPTED, ADOPTABLE, OWNED, REFUSED = virt.AdoptionOutcome


@pytest.fixture
def legacy(switches: Switches) -> list[UUID]:
    """Three guests of nobody, after one of somebody else's."""
    switches.outside.add_guest("theirs", owner="them")
    return [switches.outside.add_guest(f"legacy{number}") for number in range(3)]


def outcomes(report: tuple[virt.Adoption, ...]) -> list[tuple[str, virt.AdoptionOutcome]]:
    return [(entry.instance.name if entry.instance else "", entry.outcome) for entry in report]


def test_each_guest_has_its_outcome(compute: virt.Compute, guest: virt.Instance, legacy: list[UUID]) -> None:
    report = compute.adopt_all(lambda _: True)
    assert outcomes(report) == [
        ("web", OWNED),
        ("theirs", REFUSED),
        ("legacy0", ADOPTED),
        ("legacy1", ADOPTED),
        ("legacy2", ADOPTED),
    ]
    refused = report[1].error
    assert isinstance(refused, virt.PermissionDenied)
    assert (refused.verb, refused.guest) == ("adopt", str(report[1].guest.uuid))
    assert all(entry.error is None for entry in report if entry is not report[1])
    assert {instance.name for instance in compute.instances(scope=virt.Scope.OWNED)} == {
        "web",
        "legacy0",
        "legacy1",
        "legacy2",
    }
    assert all(entry.instance and entry.instance.owned for entry in report[2:])


def test_a_dry_run_tells_the_same_and_changes_nothing(
    compute: virt.Compute, guest: virt.Instance, legacy: list[UUID]
) -> None:
    before = compute.instances()
    report = compute.adopt_all(lambda _: True, dry_run=True)
    assert outcomes(report)[:3] == [("web", OWNED), ("theirs", REFUSED), ("legacy0", ADOPTABLE)]
    assert isinstance(report[1].error, virt.PermissionDenied)
    assert compute.instances() is before


def test_guests_are_named_or_chosen(compute: virt.Compute, legacy: list[UUID]) -> None:
    assert outcomes(compute.adopt_all(lambda guest: guest.name == "legacy1")) == [("legacy1", ADOPTED)]
    named: list[Any] = [compute.instance(legacy[0]), legacy[1], virt.InstanceRef(uuid=legacy[0])]
    assert outcomes(compute.adopt_all(named)) == [("legacy0", ADOPTED), ("legacy1", OWNED)]
    assert compute.adopt_all([]) == ()
    assert compute.adopt_all(lambda _: False) == ()


@pytest.mark.parametrize("dry_run", [False, True])
def test_a_guest_that_is_not_there_is_refused(compute: virt.Compute, legacy: list[UUID], dry_run: bool) -> None:
    nobody = virt.stable_uuid("nobody")
    report = compute.adopt_all([nobody, legacy[0]], dry_run=dry_run)
    assert [entry.outcome for entry in report] == [REFUSED, ADOPTABLE if dry_run else ADOPTED]
    assert isinstance(report[0].error, virt.InstanceNotFound)
    assert (report[0].guest.uuid, report[0].instance) == (nobody, None)


@pytest.mark.parametrize("guests", [None, "web", 7, virt.stable_uuid("web"), ["web"]])
def test_what_names_no_guests_is_refused(compute: virt.Compute, guests: Any) -> None:
    with pytest.raises(virt.InvalidSpec, match="guest"):
        compute.adopt_all(guests)


def test_a_chooser_that_raises_is_the_callers(compute: virt.Compute, legacy: list[UUID]) -> None:
    def choose(guest: virt.Instance) -> bool:
        raise KeyError("rack")

    with pytest.raises(virt.HookFailed, match="rack") as caught:
        compute.adopt_all(choose)
    assert isinstance(caught.value.__cause__, KeyError)


def test_a_native_error_of_one_is_a_bug_of_the_driver_there_and_keeps_no_other(
    compute: virt.Compute, switches: Switches, legacy: list[UUID]
) -> None:
    switches.fail_at(Step.ADOPT, RuntimeError("oops"))
    report = compute.adopt_all(legacy)
    assert sorted(entry.outcome.value for entry in report) == ["adopted", "adopted", "refused"]
    (error,) = [entry.error for entry in report if entry.error is not None]
    assert isinstance(error, virt.DriverBug)


def test_progress_is_told(compute: virt.Compute, legacy: list[UUID]) -> None:
    seen: list[tuple[float, float]] = []
    compute.adopt_all(legacy, on_progress=lambda operation: seen.append(operation.counters))
    assert (2.0, 3.0) in seen
    assert seen[0] == (0.0, 0.0)


def test_a_cancel_says_what_was_done(compute: virt.Compute, switches: Switches, legacy: list[UUID]) -> None:
    compute.adopt(legacy[0])
    compute.release(legacy[0])
    with switches.hang_at(Step.ADOPT) as hang:
        operation = compute.submit.adopt_all(legacy)
        assert hang.wait_reached(verbs=3)
        operation.cancel()
        assert operation.wait(10)
    assert isinstance(operation.error, virt.Cancelled)
    assert "0 of 3" in str(operation.error)
    assert operation.error.state_after is virt.StateAfter.UNCHANGED
    assert operation.state is virt.OperationState.CANCELLED
    assert not compute.instances(scope=virt.Scope.OWNED)


def test_each_guest_waits_for_its_turn(compute: virt.Compute, switches: Switches, guest: virt.Instance) -> None:
    compute.release(guest)
    with switches.hang_at(Step.ADOPT) as hang:
        adopting = compute.submit.adopt_all([guest])
        assert hang.wait_reached()
        verbs = {(operation.verb, operation.subject) for operation in compute.operations()}
        pausing = compute.submit.pause(guest)
        assert pausing.state is virt.OperationState.PENDING
    assert [entry.outcome for entry in adopting.result()] == [ADOPTED]
    assert pausing.result() is None
    assert verbs == {("adopt_all", ""), ("adopt", str(guest.uuid))}


def test_many_adoptions_of_many_do_not_starve_each_other(compute: virt.Compute, legacy: list[UUID]) -> None:
    bulks = [compute.submit.adopt_all(lambda guest: guest.owner is None) for _ in range(200)]
    assert all(bulk.wait(60) for bulk in bulks)
    assert sum(len(bulk.result()) for bulk in bulks) == 3


def test_from_a_callback_it_would_wait_for_itself(compute: virt.Compute, guest: virt.Instance) -> None:
    refused = threading.Event()

    def adopt(operation: virt.Operation[Any]) -> None:
        with pytest.raises(virt.Busy):
            compute.adopt_all([guest])
        refused.set()

    compute.power_off(guest, on_progress=adopt)
    assert refused.is_set()


def test_it_is_awaitable(switches: Switches) -> None:
    async def main() -> None:
        async with await aio.connect("fake") as compute:
            await adopt(compute)

    async def adopt(compute: AsyncCompute) -> None:
        with compute.compute.native() as handle:
            uuid = handle.outside.add_guest("legacy")  # type: ignore[attr-defined]
        (entry,) = await compute.adopt_all([uuid])
        assert entry.outcome is ADOPTED
        await compute.release(uuid)
        assert (await compute.adopt(uuid)).owned
        await compute.rescue(uuid)
        await compute.unrescue(uuid)
        attached = await compute.attach_interface(uuid, virt.Nic())
        assert await compute.interfaces(uuid) == [attached]
        await compute.detach_interface(uuid, attached)
        await compute.trigger_crash_dump(uuid)
        assert (await compute.diagnostics(uuid)).incidents
        await compute.enter_maintenance("fake-host", "a fan")
        await compute.leave_maintenance("fake-host")
        assert (await compute.volume_connector()).node == "fake-host"
        assert await compute.devices()
        with pytest.raises(virt.InvalidSpec):
            await compute.rebuild(uuid)

    asyncio.run(main())


def test_a_watch_over_ones_own_sees_guests_come_and_go(
    compute: virt.Compute, guest: virt.Instance, legacy: list[UUID]
) -> None:
    with compute.watch(scope=virt.Scope.OWNED) as watch:
        events = iter(watch)
        next(events)
        compute.adopt(legacy[0])
        compute.release(guest)
        seen = [event for event in (watch.next(5), watch.next(5)) if isinstance(event, virt.InstanceEvent)]
    assert [(event.change, event.instance.name) for event in seen] == [
        (virt.Change.APPEARED, "legacy0"),
        (virt.Change.GONE, "web"),
    ]

"""Guests that move between two worlds, or between the hosts of one, while they run."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest

import nova_virt_api as virt
from nova_virt_api.compute import aio
from nova_virt_api.driver.live_migration import LiveMigration
from nova_virt_api.fake.steps import Step
from nova_virt_api.fake.switches import Switches
from nova_virt_api.model.instance import Lifecycle

Connect = Callable[..., virt.Compute]
STEPS = (
    Step.CHECK_MIGRATION,
    Step.PREPARE_MIGRATION,
    Step.COPY_MEMORY,
    Step.ARRIVE,
    Step.LEAVE,
    Step.FINISH_MIGRATION,
)


@pytest.fixture
def there(connect: Connect) -> virt.Compute:
    """A second endpoint."""
    return connect()


def switches_of(compute: virt.Compute) -> Switches:
    with compute.native() as handle:
        assert isinstance(handle, Switches)
        return handle


def where(web: virt.Instance, *ends: virt.Compute) -> list[virt.Instance]:
    """The guest as each end has it, if it does."""
    found = []
    for compute in ends:
        with suppress(virt.InstanceNotFound):
            found.append(compute.instance(web))
    return found


def test_a_guest_moves_and_leaves_nothing(
    fake_compute: virt.Compute, there: virt.Compute, fake_switches: Switches, web: virt.Instance
) -> None:
    boots = switches_of(fake_compute).outside.boots(web)
    moved = fake_compute.live_migrate(web, to=there)
    assert (moved.uuid, moved.power_state, moved.lifecycle, moved.owned) == (
        web.uuid,
        virt.PowerState.RUNNING,
        Lifecycle.READY,
        True,
    )
    assert fake_switches.outside.objects() == ()
    assert switches_of(there).outside.boots(moved) == boots
    assert there.live_migrate(web, to=fake_compute).power_state is virt.PowerState.RUNNING
    assert switches_of(there).outside.objects() == ()


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("end", ["here", "there"])
def test_a_process_that_dies_leaves_one_guest_and_the_next_call_finishes(
    end: str, step: Step, fake_compute: virt.Compute, there: virt.Compute, web: virt.Instance
) -> None:
    switches = switches_of(fake_compute if end == "here" else there)
    switches.crash_at(step)
    with suppress(virt.VirtError):
        fake_compute.live_migrate(web, to=there)
    switches.reset()
    running = [guest for guest in where(web, fake_compute, there) if guest.power_state is virt.PowerState.RUNNING]
    assert running
    with suppress(virt.InstanceExists, virt.InstanceNotFound):  # it had come to its end
        fake_compute.live_migrate(web, to=there)
    assert [guest.lifecycle for guest in where(web, fake_compute, there)] == [Lifecycle.READY]
    assert fake_compute.leftovers() == there.leftovers() == []
    assert there.instance(web).power_state is virt.PowerState.RUNNING


def test_cancelled_it_stays(fake_compute: virt.Compute, there: virt.Compute, web: virt.Instance) -> None:
    def cancel(operation: virt.Operation[Any]) -> None:
        if operation.stage == "copy memory and disks":
            operation.cancel()

    operation = fake_compute.submit.live_migrate(web, to=there, on_progress=cancel)
    with pytest.raises(virt.Cancelled):
        operation.result()
    assert fake_compute.instance(web) == web
    assert switches_of(there).outside.objects() == ()


def test_it_can_be_hastened_once(fake_compute: virt.Compute, there: virt.Compute, web: virt.Instance) -> None:
    answers: list[bool] = []

    def hasten(operation: virt.Operation[Any]) -> None:
        if operation.counters[0]:
            answers.extend((operation.complete_now(), operation.complete_now()))

    operation = fake_compute.submit.live_migrate(web, to=there, on_progress=hasten)
    assert operation.result().power_state is virt.PowerState.RUNNING
    assert answers == [True, False]
    assert not operation.complete_now()


def test_on_its_way_it_says_so(fake_compute: virt.Compute, there: virt.Compute, web: virt.Instance) -> None:
    seen: list[virt.Instance] = []
    with switches_of(fake_compute).hang_at(Step.COPY_MEMORY) as hang:
        operation = fake_compute.submit.live_migrate(web, to=there)
        assert hang.wait_reached()
        seen.append(fake_compute.instance(web))
    operation.result()
    assert seen[0].lifecycle is Lifecycle.MIGRATING


def test_without_room_nothing_changes(fake_compute: virt.Compute, connect: Connect, web: virt.Instance) -> None:
    tiny = connect(vcpus=1, memory_gib=1, pool_gib=1)
    with pytest.raises(virt.NoCapacity):
        fake_compute.live_migrate(web, to=tiny)
    assert fake_compute.instance(web) == web
    assert tiny.leftovers() == []


def test_networks_are_chosen_or_named_alike(fake_compute: virt.Compute, connect: Connect, web: virt.Instance) -> None:
    other = connect(networks=["storage"])
    with pytest.raises(virt.MigrationError, match="network") as raised:
        fake_compute.live_migrate(web, to=other)
    assert raised.value.phase == "prepare"
    moved = fake_compute.live_migrate(web, to=other, nics=[virt.Nic(network="storage")])
    assert [nic.network for nic in other.interfaces(moved)] == ["storage"]


class Waiting:
    """A guest with a processor for itself, which waits to be moved."""

    def __init__(self, guest: virt.Instance, source: virt.Compute, destination: virt.Compute) -> None:
        self.guest, self._source, self._destination = guest, source, destination

    def prepare(self, **parts: Any) -> virt.Ticket:
        """Make room for it."""
        offered = self._at(self._destination, lambda role, op: role.check_destination(self.guest.ref, op))
        plan = self._at(self._source, lambda role, op: role.check_source(self.guest.ref, offered, op))
        made: virt.Ticket = self._at(self._destination, lambda role, op: role.prepare(plan, op, **parts))
        return made

    def roll_back(self, ticket: virt.Ticket) -> None:
        """Take that back."""
        self._at(self._destination, lambda role, op: role.rollback_destination(ticket, op))

    def _at(self, compute: virt.Compute, verb: Callable[[Any, Any], Any]) -> Any:
        return compute.perform(self.guest.ref, LiveMigration, verb)


def processors(compute: virt.Compute, guest: virt.Instance) -> tuple[int, ...]:
    """Those of its host that a guest has for itself."""
    return tuple(switches_of(compute).outside.parts(guest).guest.machine.cpu.host_cpus)


def own_processors(name: str) -> dict[str, Any]:
    return {"uuid": virt.stable_uuid(name), "name": name, "vcpus": 2, "cpu": virt.Cpu(dedicated=True)}


def test_processors_wait_for_the_guest_that_comes(fake_compute: virt.Compute, connect: Connect, make_spec: Any) -> None:
    there = connect(dedicated_cpus=3, persist=True)
    first, second = (
        Waiting(fake_compute.spawn(make_spec(**own_processors(name))), fake_compute, there)
        for name in ("first", "second")
    )
    for _ in range(2):
        ticket = first.prepare()
    (pcpu,) = (one for one in there.inventory().resources if one.resource_class == "PCPU")
    assert (pcpu.total, pcpu.used) == (3, 2)
    with pytest.raises(virt.NoCapacity):
        second.prepare()
    with pytest.raises(virt.NoCapacity):
        there.spawn(make_spec(**own_processors("third")))
    first.roll_back(ticket)
    moved = fake_compute.live_migrate(second.guest, to=there)
    assert processors(there, moved) == (64, 65)
    there.destroy(moved)
    assert processors(there, fake_compute.live_migrate(first.guest, to=there)) == (64, 65)


def test_the_caller_names_processors_and_cells(fake_compute: virt.Compute, connect: Connect, make_spec: Any) -> None:
    there = connect(dedicated_cpus=4)
    cells = [virt.NumaCell(vcpus=[0, 1], memory_bytes=make_spec().memory_bytes)]
    guest = fake_compute.spawn(make_spec(**own_processors("first"), numa=cells))
    for named, field in (
        ({"host_cpus": (0, 1)}, "host_cpus"),
        ({"host_cpus": (67,)}, "host_cpus"),
        ({"host_cells": (1,)}, "host_cells"),
    ):
        with pytest.raises(virt.InvalidSpec) as refused:
            fake_compute.live_migrate(guest, to=there, **named)
        assert refused.value.field == field
        assert there.leftovers() == []
    moved = fake_compute.live_migrate(guest, to=there, host_cpus=(67, 65), host_cells=(0,))
    assert processors(there, moved) == (67, 65)
    (cell,) = switches_of(there).outside.parts(moved).guest.machine.numa
    assert cell.host_cell == 0


def test_from_host_to_host(connect: Connect, make_spec: Any) -> None:
    compute = connect(nodes=["one", "two"])
    guest = compute.spawn(make_spec(placement=virt.Placement(node="one")))
    assert compute.migrate(guest, node="two").node == "two"
    assert compute.migrate(guest).node == "one"
    with pytest.raises(virt.InvalidSpec, match="node"):
        compute.migrate(guest, node="three")


def test_one_host_has_nowhere_to_go(fake_compute: virt.Compute, web: virt.Instance) -> None:
    with pytest.raises(virt.NotSupported):
        fake_compute.migrate(web, node="elsewhere")


@pytest.mark.parametrize("to", ["text", "itself"])
def test_the_destination_is_another_endpoint(to: str, fake_compute: virt.Compute, web: virt.Instance) -> None:
    with pytest.raises(virt.InvalidSpec, match="to: "):
        fake_compute.live_migrate(web, to=fake_compute if to == "itself" else "there")  # type: ignore[arg-type]


def test_a_stopped_guest_stays(fake_compute: virt.Compute, there: virt.Compute, web: virt.Instance) -> None:
    fake_compute.power_off(web)
    with pytest.raises(virt.InvalidState):
        fake_compute.live_migrate(web, to=there)


def test_a_ticket_of_another_move_is_refused(fake_compute: virt.Compute, web: virt.Instance) -> None:
    wrong = virt.Ticket(move=virt.Move.RESIZE, guest=web.uuid, driver="fake", driver_version="1", content="{}")
    with pytest.raises(virt.MigrationError):
        fake_compute.perform(web, LiveMigration, lambda role, op: role.check_source(web.ref, wrong, op))


def test_awaited(fake_compute: virt.Compute, there: virt.Compute, web: virt.Instance) -> None:
    async def there_and_back() -> tuple[virt.Instance, virt.InvalidSpec]:
        moved = await aio.AsyncCompute(fake_compute).live_migrate(web, to=there)
        with pytest.raises(virt.InvalidSpec) as refused:
            await aio.AsyncCompute(there).live_migrate(web, to=fake_compute, host_cpus=(64,))
        return moved, refused.value

    moved, refused = asyncio.run(there_and_back())
    assert (moved.power_state, refused.field) == (virt.PowerState.RUNNING, "host_cpus")

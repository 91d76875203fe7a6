"""Many threads on one world, and the same course of events in each run."""

import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import pytest

import nova_virt_api as virt
from nova_virt_api.fake.steps import Step
from nova_virt_api.fake.switches import Switches

Connect = Callable[..., virt.Compute]
SwitchesOf = Callable[[virt.Compute], Switches]


def at_once(count: int, work: Callable[[int], Any]) -> list[Any]:
    """Let threads begin together; what each of them returned or raised."""
    barrier = threading.Barrier(count)

    def run(number: int) -> Any:
        barrier.wait(10)
        try:
            return work(number)
        except virt.VirtError as error:
            return error

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(run, range(count)))


def spawn_one(compute: virt.Compute, specs: Sequence[virt.InstanceSpec], number: int) -> virt.Instance:
    return compute.spawn(specs[number])


def test_eight_threads_with_a_guest_each(connect: Connect, switches: SwitchesOf, make_spec: Any) -> None:
    compute = connect()

    def live(number: int) -> Sequence[virt.PowerState]:
        states = []
        for _ in range(5):
            guest = compute.spawn(make_spec(f"guest{number}"))
            for verb in (compute.pause, compute.unpause, compute.suspend, compute.resume, compute.reboot):
                verb(guest)
                states.append(compute.instance(guest).power_state)
            assert compute.destroy(guest)
        return states

    running, paused, suspended = virt.PowerState.RUNNING, virt.PowerState.PAUSED, virt.PowerState.SUSPENDED
    assert at_once(8, live) == [[paused, running, suspended, running, running] * 5] * 8
    assert switches(compute).outside.objects() == ()


def test_two_connections_that_spawn_the_same_make_one_guest(
    connect: Connect, switches: SwitchesOf, world: str, make_spec: Any
) -> None:
    computes = [connect(world=world), connect(world=world)]
    for _ in range(20):
        outcomes = at_once(2, lambda number: computes[number].spawn(make_spec()))
        assert any(isinstance(outcome, virt.Instance) for outcome in outcomes)
        assert all(isinstance(outcome, virt.Instance | virt.Busy) for outcome in outcomes)
        (guest,) = computes[0].instances()
        assert guest.lifecycle is virt.Lifecycle.READY
        outcomes = at_once(2, lambda number: computes[number].destroy(make_spec().uuid))
        assert outcomes.count(True) == 1
        assert switches(computes[0]).outside.objects() == ()


def test_another_connection_at_work_is_busy(connect: Connect, switches: SwitchesOf, world: str, make_spec: Any) -> None:
    mine, other = connect(world=world), connect(world=world)
    guest = mine.spawn(make_spec())
    with switches(mine).hang_at(Step.REBOOT) as hang:
        operation = mine.submit.reboot(guest)
        assert hang.wait_reached()
        for verb in (other.pause, other.destroy, other.power_off):
            with pytest.raises(virt.Busy, match="reboot") as caught:
                verb(guest)
            assert f"process {os.getpid()} " in caught.value.holder
        assert other.instance(guest).power_state is virt.PowerState.RUNNING
    operation.result()


def test_two_guests_that_want_the_last_name_or_the_last_memory(connect: Connect, make_spec: Any) -> None:
    compute = connect(memory_gib=2)
    for change in ({"name": "same"}, {}):
        specs = [make_spec(f"guest{number}", **change) for number in range(2)]
        outcomes = at_once(2, partial(spawn_one, compute, specs))
        assert sum(isinstance(outcome, virt.Instance) for outcome in outcomes) == 1
        assert sum(isinstance(outcome, virt.InstanceExists | virt.NoCapacity) for outcome in outcomes) == 1
        (guest,) = compute.instances()
        compute.destroy(guest)
        assert compute.leftovers() == []


def test_each_run_is_the_same(connect: Connect, switches: SwitchesOf, make_spec: Any) -> None:
    def course() -> tuple[object, ...]:
        compute = connect(pools=["a", "b"])
        place = virt.Placement(pool="b")
        first = compute.spawn(make_spec("first", placement=place))
        foreign = switches(compute).outside.add_guest("foreign")
        compute.spawn(make_spec("second", placement=place))
        compute.destroy(first)
        third = compute.spawn(make_spec("third", placement=place, nics=[virt.Nic(), virt.Nic()]))
        compute.reboot(third)
        return (
            compute.instances(),
            foreign,
            compute.console_log(third),
            compute.storage_pools(),
            switches(compute).outside.objects(),
            compute.console(third, virt.ConsoleKind.VNC),
        )

    assert course() == course()

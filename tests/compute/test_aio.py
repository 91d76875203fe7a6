"""The asyncio face."""

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from typing import cast

import pytest

import nova_virt_api as virt
from nova_virt_api import aio, until
from nova_virt_api.compute.aio import AsyncCompute
from nova_virt_api.compute.submit import Submit
from nova_virt_api.fake.steps import Step
from nova_virt_api.fake.switches import Switches

SPEC = virt.InstanceSpec(uuid=virt.stable_uuid("web"), name="web", memory_bytes=virt.MiB(64))


def on_loop(work: Callable[[AsyncCompute], Awaitable[None]]) -> None:
    async def main() -> None:
        async with await aio.connect("fake") as compute:
            await asyncio.wait_for(work(compute), 30)

    asyncio.run(main())


async def switches_of(compute: AsyncCompute) -> Switches:
    with compute.compute.native() as handle:
        return cast("Switches", handle)


def test_every_verb_is_awaitable_with_the_same_arguments() -> None:
    left_out = {"role", "native", "operations", "waiting", "watching", "listening"}
    for name, verb in inspect.getmembers(virt.Compute, inspect.isfunction):
        if name.startswith("_") or name in left_out:
            continue
        mine = getattr(AsyncCompute, name)
        assert inspect.iscoroutinefunction(mine) or inspect.isasyncgenfunction(mine), name
        assert str(inspect.signature(mine)).split(" ->")[0] == str(inspect.signature(verb)).split(" ->")[0], name


def test_every_verb_that_can_be_submitted_can_be_called() -> None:
    for name, verb in inspect.getmembers(Submit, inspect.isfunction):
        if not name.startswith("_"):
            mine = getattr(virt.Compute, name)
            assert str(inspect.signature(mine)).split(" ->")[0] == str(inspect.signature(verb)).split(" ->")[0], name


def test_verbs_and_reads() -> None:
    async def work(compute: AsyncCompute) -> None:
        guest = await compute.spawn(SPEC)
        assert [found.name for found in await compute.instances()] == ["web"]
        await compute.pause(guest)
        assert (await compute.find("web")).power_state is virt.PowerState.PAUSED
        await compute.unpause(guest)
        assert (await compute.wait_for(guest, until.state(virt.PowerState.RUNNING), timeout=5)).uuid == guest.uuid
        assert await compute.destroy(guest)
        await compute.wait_for(guest, until.gone(), timeout=5)

    on_loop(work)


def test_errors_are_those_of_the_verb() -> None:
    async def work(compute: AsyncCompute) -> None:
        with pytest.raises(virt.InstanceNotFound, match="power_on"):
            await compute.power_on(SPEC.uuid)
        with pytest.raises(virt.InvalidSpec):
            await compute.power_on("web")  # type: ignore[arg-type]

    on_loop(work)


def test_cancelling_the_task_cancels_the_operation_and_leaves_nothing() -> None:
    async def work(compute: AsyncCompute) -> None:
        switches = await switches_of(compute)
        with switches.hang_at(Step.SPAWN_DEFINE) as hang:
            task = asyncio.create_task(compute.spawn(SPEC))
            assert await asyncio.to_thread(hang.wait_reached)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        assert not compute.compute.operations()
        assert not await compute.instances()
        assert not await compute.leftovers()

    on_loop(work)


def test_deadline_abandons_a_deaf_call() -> None:
    async def work(compute: AsyncCompute) -> None:
        switches = await switches_of(compute)
        with switches.hang_at(Step.SPAWN_START, deaf=True), pytest.raises(virt.Timeout):
            await compute.spawn(SPEC, timeout=0.1)
        for operation in compute.compute.operations():
            assert operation.wait(10)
        await compute.wait_for(SPEC.uuid, until.gone(), timeout=10)
        assert not await compute.leftovers()

    on_loop(work)


def test_many_waits_hold_no_threads() -> None:
    async def work(compute: AsyncCompute) -> None:
        guest = await compute.spawn(SPEC)
        waits = [
            asyncio.create_task(compute.wait_for(guest, until.state(virt.PowerState.PAUSED), timeout=20))
            for _ in range(100)
        ]
        await asyncio.sleep(0)
        await compute.pause(guest)
        assert {(await wait).power_state for wait in waits} == {virt.PowerState.PAUSED}

    on_loop(work)


def test_watch() -> None:
    async def work(compute: AsyncCompute) -> None:
        guest = await compute.spawn(SPEC)
        watch = compute.watch()
        first = await anext(watch)
        assert isinstance(first, virt.InstanceEvent)
        assert first.change is virt.Change.PRESENT
        await compute.pause(guest)
        second = await anext(watch)
        assert isinstance(second, virt.InstanceEvent)
        assert second.instance.power_state is virt.PowerState.PAUSED
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(anext(watch), 0.05)

    on_loop(work)

"""Resizes and moves as callers see them: what is refused before a driver is asked, and a move over two endpoints."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

import nova_virt_api as virt
from nova_virt_api import GiB, MiB, aio
from nova_virt_api.fake.steps import Step
from nova_virt_api.fake.switches import Switches

SPEC = virt.InstanceSpec(
    uuid=virt.stable_uuid("web"),
    name="web",
    memory_bytes=MiB(64),
    disks=[virt.Disk(source=virt.Native("cirros"))],
    power_on=False,
)


@pytest.fixture
def web(fake_compute: virt.Compute) -> virt.Instance:
    """A guest that is stopped."""
    return fake_compute.spawn(SPEC)


@pytest.mark.parametrize(
    "call",
    [
        lambda compute, guest: compute.resize(guest, virt.Size(disks=[GiB(30)])),
        lambda compute, guest: compute.prepare_resize(guest, virt.Size(disks=[GiB(30)])),
    ],
)
def test_disks_need_their_feature(
    call: Callable[..., Any], fake_compute: virt.Compute, fake_switches: Switches, web: virt.Instance
) -> None:
    fake_switches.withdraw(virt.Feature.RESIZE_DISKS, "the licence has expired")
    with pytest.raises(virt.NotSupported, match="licence") as caught:
        call(fake_compute, web)
    assert (caught.value.capability, caught.value.field) == (virt.Feature.RESIZE_DISKS, "size.disks")
    assert fake_compute.resize(web, virt.Size(vcpus=2)).vcpus == 2


def test_what_is_of_another_type_is_refused(fake_compute: virt.Compute, web: virt.Instance) -> None:
    compute: Any = fake_compute
    calls: tuple[tuple[Callable[[], Any], str], ...] = (
        (lambda: compute.resize(web, 2), "size"),
        (lambda: compute.finish_resize("ticket"), "ticket"),
        (lambda: compute.revert_resize(web, nics=["default"]), "nic"),
        (lambda: compute.revert_resize(web, volumes=["data"]), "volumes"),
        (lambda: compute.cold_migrate(web, to=None), "to"),
    )
    for call, field in calls:
        with pytest.raises(virt.InvalidSpec) as caught:
            call()
        assert caught.value.field == field
    assert fake_compute.instance(web) == web


def test_a_move_whose_end_is_not_known_is_not_taken_back(fake_compute: virt.Compute, web: virt.Instance) -> None:
    with virt.connect("fake") as there:
        with there.native() as handle:
            assert isinstance(handle, Switches)
            with handle.hang_at(Step.FETCH_RESIZED, deaf=True) as hang:
                with pytest.raises(virt.Timeout) as caught:
                    fake_compute.cold_migrate(web, to=there, timeout=1.0)
                assert caught.value.state_after is virt.StateAfter.UNKNOWN
                assert fake_compute.instance(web).lifecycle is virt.Lifecycle.RESIZE_PENDING
                hang.release()
            operations = there.operations()
        assert all(operation.wait(10) for operation in operations)
    fake_compute.revert_resize(web)
    assert fake_compute.instance(web) == web


def test_a_guest_that_was_finished_elsewhere_is_not_taken_back(fake_compute: virt.Compute, web: virt.Instance) -> None:
    """It would run twice: a third endpoint that cannot take it says nothing about the second, which has it."""
    with virt.connect("fake") as there, virt.connect("fake") as third:
        third.spawn(SPEC)
        fake_compute.cold_migrate(web, to=there)
        with pytest.raises(virt.InstanceExists) as caught:
            fake_compute.cold_migrate(web, to=third)
        assert "waits at its source" in caught.value.__notes__[-1]
        assert fake_compute.instance(web).lifecycle is virt.Lifecycle.RESIZE_PENDING
        with pytest.raises(virt.InvalidState):
            fake_compute.power_on(web)


def test_awaited() -> None:
    async def main() -> None:
        async with await aio.connect("fake") as here, await aio.connect("fake") as there:
            guest = await here.spawn(SPEC)
            moved = await here.cold_migrate(guest, to=there, size=virt.Size(vcpus=2), timeout=30)
            assert (moved.vcpus, (await here.instance(guest)).lifecycle) == (2, virt.Lifecycle.RESIZE_PENDING)
            await here.confirm_resize(guest)
            assert not await here.instances()
            with pytest.raises(virt.InvalidSpec):
                await there.cold_migrate(guest, to=there)
            await there.resize(moved, virt.Size(vcpus=3))
            await there.revert_resize(moved)
            async with await aio.connect("fake") as third:
                await third.spawn(SPEC)
                with pytest.raises(virt.InstanceExists):
                    await there.cold_migrate(moved, to=third)
                assert (await there.instance(moved)).lifecycle is virt.Lifecycle.READY
                await there.prepare_resize(moved, virt.Size())
                with pytest.raises(virt.InstanceExists):
                    await there.cold_migrate(moved, to=third)
            assert (await there.instance(moved)).lifecycle is virt.Lifecycle.RESIZE_PENDING

    asyncio.run(asyncio.wait_for(main(), 60))

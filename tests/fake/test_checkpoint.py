"""Checkpoints of fake guests."""

from collections.abc import Callable
from typing import Any

import pytest

import nova_virt_api as virt
from nova_virt_api.fake.steps import Step
from nova_virt_api.fake.switches import SimulatedCrash, Switches

Connect = Callable[..., virt.Compute]


def disk(switches: Switches, guest: virt.Instance) -> str:
    """What the guest's boot disk reads as."""
    return next(volume.content for volume in switches.outside.parts(guest.uuid).volumes if volume.kind == "disk")


def test_there_and_back(fake_compute: virt.Compute, fake_switches: Switches, web: virt.Instance) -> None:
    objects, before = fake_switches.outside.objects(), disk(fake_switches, web)
    made = fake_compute.create_checkpoint(web, "before", description="the upgrade")
    assert (made.has_memory, made.power_state, made.is_current) == (False, virt.PowerState.RUNNING, True)
    fake_switches.outside.write_disk(web, "upgraded")
    after = disk(fake_switches, web)
    fake_compute.create_checkpoint(web, "after", memory=True)
    fake_compute.revert_to_checkpoint(web, "before")
    assert (disk(fake_switches, web), fake_compute.instance(web).power_state) == (before, virt.PowerState.SHUTDOWN)
    fake_compute.revert_to_checkpoint(web, "after")
    assert (disk(fake_switches, web), fake_compute.instance(web).power_state) == (after, virt.PowerState.RUNNING)
    fake_compute.delete_checkpoint(web, "before", children=True)
    assert fake_compute.checkpoints(web) == []
    assert fake_switches.outside.objects() == objects


def test_memory_of_a_guest_with_volumes_is_refused(
    fake_compute: virt.Compute, make_spec: Callable[..., virt.InstanceSpec]
) -> None:
    volume = virt.Volume(id="volume", connection=virt.IscsiVolume(portal="192.0.2.1:3260", iqn="iqn.2001-04.com.x:y"))
    guest = fake_compute.spawn(make_spec("with-volume", volumes=[volume]))
    with pytest.raises(virt.InvalidSpec) as caught:
        fake_compute.create_checkpoint(guest, "now", memory=True)
    assert caught.value.field == "memory"
    assert fake_compute.create_checkpoint(guest, "now").name == "now"


def test_no_room_for_the_memory(connect: Connect, make_spec: Callable[..., virt.InstanceSpec]) -> None:
    compute = connect(pool_gib=21)
    guest = compute.spawn(make_spec(memory_bytes=virt.GiB(2)))
    with pytest.raises(virt.NoCapacity):
        compute.create_checkpoint(guest, "now", memory=True)
    assert compute.checkpoints(guest) == []


def test_no_room_on_the_host_to_go_back(connect: Connect, make_spec: Callable[..., virt.InstanceSpec]) -> None:
    compute = connect(memory_gib=3)
    guest = compute.spawn(make_spec())
    compute.create_checkpoint(guest, "now", memory=True)
    compute.power_off(guest, mode=virt.PowerOff.HARD)
    compute.spawn(make_spec("other"))
    with pytest.raises(virt.NoCapacity):
        compute.revert_to_checkpoint(guest, "now")
    assert compute.instance(guest).power_state is virt.PowerState.SHUTDOWN


@pytest.mark.parametrize("persist", [False, True])
def test_another_connection_finds_them(persist: bool, connect: Connect, world: str, make_spec: Any) -> None:
    place = {"persist": True} if persist else {"world": world}
    first = connect(**place)
    guest = first.spawn(make_spec())
    made = first.create_checkpoint(guest, "before", memory=True, description="ü")
    first.close()
    second = connect(**place)
    assert second.checkpoints(guest) == [made]
    second.revert_to_checkpoint(guest, "before")
    assert second.destroy(guest) is True


@pytest.mark.parametrize("step", [Step.CREATE_CHECKPOINT, Step.REVERT_TO_CHECKPOINT, Step.DELETE_CHECKPOINT])
def test_whoever_dies_leaves_nothing_half_done(
    step: Step, fake_compute: virt.Compute, fake_switches: Switches, web: virt.Instance
) -> None:
    fake_compute.create_checkpoint(web, "before")
    fake_switches.crash_at(step)
    verbs: dict[Step, Callable[[], object]] = {
        Step.CREATE_CHECKPOINT: lambda: fake_compute.create_checkpoint(web, "after"),
        Step.REVERT_TO_CHECKPOINT: lambda: fake_compute.revert_to_checkpoint(web, "before"),
        Step.DELETE_CHECKPOINT: lambda: fake_compute.delete_checkpoint(web, "before"),
    }
    with pytest.raises(SimulatedCrash):
        verbs[step]()
    assert [info.name for info in fake_compute.checkpoints(web)] == ["before"]
    verbs[step]()

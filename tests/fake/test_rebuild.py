"""Rebuilding guests: the disk is new, all else stays, and nothing is lost before the new image is at hand."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import nova_virt_api as virt
from nova_virt_api.fake.steps import REBUILD_STEPS, Step
from nova_virt_api.fake.switches import Switches

Connect = Callable[..., virt.Compute]
SwitchesOf = Callable[[virt.Compute], Switches]
UNDOABLE = (Step.REBUILD_IMAGE, Step.REBUILD_STOP)


def content(switches: Switches, guest: virt.Instance) -> str:
    return switches.outside.parts(guest).volumes[0].content


def test_the_disk_is_new_and_all_else_stays(
    fake_compute: virt.Compute, fake_switches: Switches, web: virt.Instance
) -> None:
    before, interfaces = fake_switches.outside.objects(), fake_compute.interfaces(web)
    fake_switches.outside.write_disk(web, "a virus")
    rebuilt = fake_compute.rebuild(web)
    assert content(fake_switches, web) == "image debian-13"
    assert (rebuilt.uuid, rebuilt.native_id, rebuilt.node, rebuilt.labels, rebuilt.addresses) == (
        web.uuid,
        web.native_id,
        web.node,
        web.labels,
        web.addresses,
    )
    assert (rebuilt.lifecycle, rebuilt.power_state) == (virt.Lifecycle.READY, virt.PowerState.RUNNING)
    assert fake_compute.interfaces(web) == interfaces
    assert fake_switches.outside.objects() == before


def test_another_image_is_remembered(fake_compute: virt.Compute, fake_switches: Switches, web: virt.Instance) -> None:
    fake_compute.rebuild(web, source=virt.Native("cirros"))
    fake_switches.outside.write_disk(web, "a virus")
    fake_compute.rebuild(web)
    assert content(fake_switches, web) == "image cirros"


def test_a_spawn_still_knows_a_rebuilt_guest(fake_compute: virt.Compute, web: virt.Instance, make_spec: Any) -> None:
    fake_compute.rebuild(web, source=virt.Native("cirros"))
    assert fake_compute.spawn(make_spec()).native_id == web.native_id


def test_new_first_boot_data(fake_compute: virt.Compute, fake_switches: Switches, make_spec: Any) -> None:
    plain = fake_compute.spawn(make_spec(cloud_init=None))
    fake_compute.rebuild(plain, cloud_init=virt.CloudInit(hostname="www"))
    assert fake_compute.console_log(plain).endswith(b"www login: \n")
    assert [volume.kind for volume in fake_switches.outside.parts(plain).volumes] == ["disk", "nvram", "seed"]
    fake_compute.destroy(plain)
    assert fake_switches.outside.objects() == ()


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"disks": []}, "guest"),
        ({"disks": [virt.Disk(source=virt.Blank(), size_bytes=virt.GiB(1))]}, "source"),
        (
            {
                "volumes": [
                    virt.Volume(
                        id="root", boot=True, connection=virt.OpaqueVolume("fibre_channel", virt.Secret('{"lun": 1}'))
                    )
                ]
            },
            "guest",
        ),
    ],
)
def test_what_cannot_be_rebuilt_stays(
    change: dict[str, Any], field: str, fake_compute: virt.Compute, fake_switches: Switches, make_spec: Any
) -> None:
    guest = fake_compute.spawn(make_spec(**change))
    with pytest.raises(virt.InvalidSpec) as caught:
        fake_compute.rebuild(guest)
    assert caught.value.field == field
    assert fake_compute.instance(guest) is guest


@pytest.mark.parametrize(
    ("source", "error"),
    [
        (virt.Native("nope"), virt.ImageNotFound),
        (virt.LocalFile("/nowhere"), virt.ImageNotFound),
        (virt.Native("huge"), virt.InvalidSpec),
        (virt.Template("machine"), virt.InvalidSpec),
    ],
)
def test_a_wrong_image_changes_nothing(
    source: Any, error: type[virt.VirtError], fake_compute: virt.Compute, fake_switches: Switches, web: virt.Instance
) -> None:
    fake_switches.outside.add_image("huge", virt.GiB(21))
    with pytest.raises(error) as caught:
        fake_compute.rebuild(web, source=source)
    assert caught.value.state_after is virt.StateAfter.UNCHANGED
    assert fake_compute.instance(web) is web


@pytest.mark.parametrize("step", [Step.REBUILD_WRITE, Step.REBUILD_START])
def test_a_failure_after_writing_began_is_an_error_that_a_rebuild_mends(
    step: Step, fake_compute: virt.Compute, fake_switches: Switches, web: virt.Instance, make_spec: Any
) -> None:
    fake_switches.fail_at(step, virt.StorageError("the pool is full"))
    with pytest.raises(virt.StorageError) as caught:
        fake_compute.rebuild(web)
    assert caught.value.state_after is virt.StateAfter.CHANGED
    assert fake_compute.instance(web).lifecycle is virt.Lifecycle.ERROR
    with pytest.raises(virt.InvalidState, match="rebuild it, or destroy it"):
        fake_compute.power_on(web)
    assert fake_compute.leftovers() == []
    assert fake_compute.spawn(make_spec()).lifecycle is virt.Lifecycle.ERROR
    assert fake_compute.rebuild(web).lifecycle is virt.Lifecycle.READY


def test_no_cancel_stops_the_writing(fake_compute: virt.Compute, fake_switches: Switches, web: virt.Instance) -> None:
    with fake_switches.hang_at(Step.REBUILD_WRITE) as hang:
        operation = fake_compute.submit.rebuild(web)
        assert hang.wait_reached()
        assert operation.cancel() is virt.CancelMode.NONE
    assert operation.result().lifecycle is virt.Lifecycle.READY
    assert operation.state is virt.OperationState.COMPLETED


@pytest.mark.parametrize("then", ["rebuild", "destroy"])
@pytest.mark.parametrize("step", REBUILD_STEPS, ids=lambda step: step.name)
@pytest.mark.parametrize("persist", [False, True])
def test_a_process_that_dies_in_it_leaves_no_riddle(
    persist: bool, step: Step, then: str, connect: Connect, switches: SwitchesOf, world: str, make_spec: Any
) -> None:
    place = {"persist": True} if persist else {"world": world}
    dying, heir = connect(**place), connect(**place)
    guest = dying.spawn(make_spec())
    switches(dying).crash_at(step)
    with pytest.raises(virt.ConnectionLost):
        dying.rebuild(guest, source=virt.Native("cirros"))
    seen = heir.instance(guest, fresh=True)
    assert seen.lifecycle is (virt.Lifecycle.READY if step in UNDOABLE else virt.Lifecycle.ERROR)
    assert heir.leftovers() == []
    if then == "rebuild":
        assert heir.rebuild(guest).lifecycle is virt.Lifecycle.READY
    assert heir.destroy(guest) is True
    assert switches(heir).outside.objects() == ()


def test_bytes_from_outside_are_looked_at(fake_compute: virt.Compute, web: virt.Instance, tmp_path: Path) -> None:
    wrong = tmp_path / "image.qcow2"
    wrong.write_bytes(b"this is no disk at all")
    with pytest.raises(virt.ImageRejected):
        fake_compute.rebuild(web, source=virt.LocalFile(wrong, format=virt.ImageFormat.QCOW2))
    assert fake_compute.instance(web) is web


def test_a_full_pool_is_told_before_anything_is_lost(connect: Connect, switches: SwitchesOf, make_spec: Any) -> None:
    compute = connect(pool_gib=20)
    guest = compute.spawn(make_spec(cloud_init=None, firmware=None))
    with pytest.raises(virt.StorageError, match="no room"):
        compute.rebuild(guest, cloud_init=virt.CloudInit(hostname="www"))
    assert compute.instance(guest) is guest


def test_a_stopped_guest_is_rebuilt_only_where_it_can_be_started(connect: Connect, make_spec: Any) -> None:
    compute = connect(vcpus=3)
    guest = compute.spawn(make_spec())
    compute.power_off(guest)
    other = compute.spawn(make_spec("db"))
    with pytest.raises(virt.NoCapacity):
        compute.rebuild(guest)
    assert compute.instance(guest).lifecycle is virt.Lifecycle.READY
    compute.destroy(other)
    assert compute.rebuild(guest).power_state is virt.PowerState.RUNNING

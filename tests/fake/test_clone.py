"""Copies of guests: they stand alone, disks are of one moment, and whoever dies in the middle leaves no riddle."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

import nova_virt_api as virt
from nova_virt_api.fake.steps import CLONE_STEPS, Step
from nova_virt_api.fake.switches import Switches

Connect = Callable[..., virt.Compute]
SwitchesOf = Callable[[virt.Compute], Switches]
STEPS = pytest.mark.parametrize("step", CLONE_STEPS, ids=lambda step: step.name)
COPY = virt.CloneSpec(uuid=virt.stable_uuid("copy"), name="copy")


def test_a_copy_is_made_of_its_own_parts(
    fake_compute: virt.Compute, fake_switches: Switches, web: virt.Instance
) -> None:
    fake_switches.outside.write_disk(web, "a page")
    copy = fake_compute.clone(web, COPY)
    mine, theirs = fake_switches.outside.parts(copy), fake_switches.outside.parts(web)
    assert [volume.kind for volume in mine.volumes] == ["disk", "nvram"]
    assert mine.volumes[0].content == theirs.volumes[0].content
    assert {volume.uuid for volume in mine.volumes} == {copy.uuid}
    assert {port.mac for port in mine.ports}.isdisjoint(port.mac for port in theirs.ports)
    assert (copy.vcpus, copy.memory_bytes, copy.power_state) == (web.vcpus, web.memory_bytes, virt.PowerState.RUNNING)
    assert not copy.labels
    assert fake_compute.console_log(copy).endswith(b"web login: \n"), "what is on the disk knows its name"
    fake_compute.destroy(web)
    fake_compute.destroy(copy)
    assert fake_switches.outside.objects() == ()


def test_first_boot_data_gives_a_name(fake_compute: virt.Compute, web: virt.Instance) -> None:
    named = fake_compute.clone(web, replace(COPY, cloud_init=virt.CloudInit()))
    assert fake_compute.console_log(named).endswith(b"copy login: \n")


def test_a_copy_has_processors_and_a_tpm_of_its_own(connect: Connect, switches: SwitchesOf, make_spec: Any) -> None:
    compute = connect(dedicated_cpus=4)
    outside = switches(compute).outside
    guest = compute.spawn(make_spec(cpu=virt.Cpu(dedicated=True), tpm=virt.Tpm()))
    copy = compute.clone(guest, COPY)
    mine, theirs = outside.parts(copy), outside.parts(guest)
    assert set(mine.guest.machine.cpu.host_cpus).isdisjoint(theirs.guest.machine.cpu.host_cpus)
    assert [volume.name for volume in mine.volumes if volume.kind == "tpm"] == [f"{copy.uuid}-tpm"]
    with pytest.raises(virt.NoCapacity):
        compute.clone(guest, replace(COPY, uuid=virt.stable_uuid("third"), name="third"))


def test_interfaces_of_a_copy(fake_compute: virt.Compute, web: virt.Instance) -> None:
    wanted = replace(COPY, nics=[virt.Nic(network="default", mac="52:54:00:00:aa:01")])
    (interface,) = fake_compute.interfaces(fake_compute.clone(web, wanted))
    assert interface.mac == "52:54:00:00:aa:01"
    with pytest.raises(virt.InvalidSpec, match=r"nics\[0\].network"):
        fake_compute.clone(web, replace(COPY, uuid=virt.stable_uuid("x"), name="x", nics=[virt.Nic(network="nope")]))


def test_the_same_request_is_the_same_copy(fake_compute: virt.Compute, web: virt.Instance, make_spec: Any) -> None:
    copy = fake_compute.clone(web, COPY)
    assert fake_compute.clone(web, COPY) is copy
    with pytest.raises(virt.InstanceExists, match="otherwise"):
        fake_compute.clone(web, replace(COPY, labels={"other": "request"}))
    with pytest.raises(virt.InstanceExists, match="another guest is called"):
        fake_compute.clone(web, replace(COPY, uuid=virt.stable_uuid("other")))
    with pytest.raises(virt.InstanceExists):
        fake_compute.spawn(make_spec("copy"))
    with pytest.raises(virt.InvalidSpec, match=r"spec\.uuid"):
        fake_compute.clone(web, replace(COPY, uuid=web.uuid))
    fake_compute.destroy(web)
    assert fake_compute.clone(web, COPY).uuid == copy.uuid


def test_without_marks_a_copy_is_known_by_its_name(connect: Connect, make_spec: Any, world: str) -> None:
    compute = connect(world=world, manage="all")
    guest = compute.spawn(make_spec())
    copy = compute.clone(guest, COPY)
    assert (copy.owner, compute.clone(guest, COPY).native_id) == (None, copy.native_id)
    with pytest.raises(virt.InstanceExists):
        compute.clone(guest, replace(COPY, name="another"))


def test_who_boots_from_a_volume_has_no_copy(fake_compute: virt.Compute, make_spec: Any) -> None:
    root = virt.Volume(id="root", boot=True, connection=virt.FileVolume(path="/srv/root.raw"))
    guest = fake_compute.spawn(make_spec(volumes=[root]))
    with pytest.raises(virt.NotSupported, match="boots from a volume"):
        fake_compute.clone(guest, COPY)


@pytest.mark.parametrize("then", ["clone", "destroy"])
@pytest.mark.parametrize("persist", [False, True])
@STEPS
def test_a_process_that_dies_in_it_leaves_no_riddle(
    persist: bool, step: Step, then: str, connect: Connect, switches: SwitchesOf, world: str, make_spec: Any
) -> None:
    place = {"persist": True} if persist else {"world": world}
    dying, heir = connect(**place), connect(**place)
    guest = dying.spawn(make_spec())
    before = switches(heir).outside.objects()
    switches(dying).crash_at(step)
    with pytest.raises(virt.ConnectionLost):
        dying.clone(guest, COPY)
    left = {leftover.uuid for leftover in heir.leftovers()}
    assert left == (set() if step is Step.CLONE_CLAIM else {COPY.uuid})
    assert heir.instance(guest, fresh=True).lifecycle is virt.Lifecycle.READY
    if then == "clone":
        copy = heir.clone(guest, COPY)
        assert (copy.lifecycle, copy.power_state) == (virt.Lifecycle.READY, virt.PowerState.RUNNING)
        assert heir.leftovers() == []
    assert heir.destroy(COPY.uuid) is (then == "clone" or step is not Step.CLONE_CLAIM)
    assert switches(heir).outside.objects() == before


def test_what_cannot_be_undone_is_named(
    fake_compute: virt.Compute, fake_switches: Switches, web: virt.Instance
) -> None:
    fake_switches.fail_at(Step.CLONE_PORT, virt.NetworkError("no more ports"))
    fake_switches.fail_at(Step.CLONE_UNDO, virt.StorageError("the pool is gone"))
    with pytest.raises(virt.NetworkError) as caught:
        fake_compute.clone(web, COPY)
    assert caught.value.state_after is virt.StateAfter.CHANGED
    assert {leftover.uuid for leftover in caught.value.leftovers} == {COPY.uuid}
    assert fake_compute.clone(web, COPY).lifecycle is virt.Lifecycle.READY


def test_copies_of_one_guest_are_made_one_after_the_other(
    fake_compute: virt.Compute, fake_switches: Switches, web: virt.Instance
) -> None:
    with fake_switches.hang_at(Step.CLONE_DISK) as hang:
        first = fake_compute.submit.clone(web, COPY)
        assert hang.wait_reached()
        second = fake_compute.submit.clone(web, replace(COPY, uuid=virt.stable_uuid("second"), name="second"))
        assert not second.done()
    assert {first.result().name, second.result().name} == {"copy", "second"}

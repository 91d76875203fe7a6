"""Guests with another size, here and in another world, and the way back."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import nova_virt_api as virt
from nova_virt_api import GiB
from nova_virt_api.fake import parcel
from nova_virt_api.fake.steps import Step
from nova_virt_api.fake.switches import Switches

Connect = Callable[..., virt.Compute]
LARGER = virt.Size(vcpus=4, memory_bytes=GiB(4), disks=[GiB(30)])
READY, PENDING = virt.Lifecycle.READY, virt.Lifecycle.RESIZE_PENDING


@pytest.fixture
def off(fake_compute: virt.Compute, make_spec: Any) -> virt.Instance:
    """A guest that is stopped."""
    return fake_compute.spawn(make_spec(power_on=False))


def switches_of(compute: virt.Compute) -> Switches:
    with compute.native() as handle:
        assert isinstance(handle, Switches)
        return handle


def disks_of(switches: Switches, guest: virt.Instance) -> list[tuple[int, str]]:
    """Size and content of each disk."""
    return [
        (volume.size_bytes, volume.content) for volume in switches.outside.parts(guest).volumes if volume.kind == "disk"
    ]


def test_resized_tried_and_confirmed(
    fake_compute: virt.Compute, fake_switches: Switches, off: virt.Instance, make_spec: Any
) -> None:
    for _ in range(2):
        resized = fake_compute.resize(off, LARGER)
    assert (resized.vcpus, resized.memory_bytes, resized.lifecycle) == (4, GiB(4), PENDING)
    assert [size for size, _ in disks_of(fake_switches, off)] == [GiB(30)]
    fake_compute.power_on(off)
    with pytest.raises(virt.InvalidState, match="confirm or revert"):
        fake_compute.pause(off)
    with pytest.raises(virt.InvalidState, match="confirm or revert"):
        fake_compute.resize(off, virt.Size(vcpus=3))
    fake_compute.confirm_resize(off)
    fake_compute.revert_resize(off)
    kept = fake_compute.instance(off)
    assert (kept.vcpus, kept.lifecycle, kept.power_state) == (4, READY, virt.PowerState.RUNNING)
    assert fake_compute.spawn(make_spec(power_on=False)) is kept


def test_reverted_with_what_was_on_the_disk(
    fake_compute: virt.Compute, fake_switches: Switches, off: virt.Instance
) -> None:
    before, objects = disks_of(fake_switches, off), fake_switches.outside.objects()
    fake_compute.resize(off, LARGER)
    fake_compute.power_on(off)
    fake_switches.outside.write_disk(off, "something new")
    fake_compute.revert_resize(off, power_on=True)
    back = fake_compute.instance(off)
    assert (back.vcpus, back.lifecycle, back.power_state) == (off.vcpus, READY, virt.PowerState.RUNNING)
    assert disks_of(fake_switches, off) == before
    assert fake_switches.outside.objects() == objects


@pytest.mark.parametrize(
    ("size", "error", "text"),
    [
        (virt.Size(disks=[GiB(1)]), virt.InvalidSpec, "only grow"),
        (virt.Size(disks=[None, GiB(1)]), virt.InvalidSpec, r"disks\[1\]"),
        (virt.Size(vcpus=4000), virt.NoCapacity, "4000"),
        (virt.Size(), virt.InvalidSpec, "something to change"),
    ],
)
def test_what_cannot_be_changes_nothing(
    size: virt.Size, error: type[virt.VirtError], text: str, fake_compute: virt.Compute, off: virt.Instance
) -> None:
    before = fake_compute.instance(off)
    with pytest.raises(error, match=text):
        fake_compute.resize(off, size)
    assert fake_compute.instance(off) is before


def test_a_resize_that_was_killed_is_finished_or_taken_back(
    fake_compute: virt.Compute, fake_switches: Switches, off: virt.Instance
) -> None:
    for end in (lambda: fake_compute.resize(off, LARGER), lambda: fake_compute.revert_resize(off)):
        fake_switches.crash_at(Step.FINISH_RESIZE)
        with pytest.raises(virt.ConnectionLost):
            fake_compute.resize(off, LARGER)
        with pytest.raises(virt.InvalidState, match="resized or moved"):
            fake_compute.power_on(off)
        with pytest.raises(virt.InvalidState, match="finish that"):
            fake_compute.confirm_resize(off)
        end()
        fake_compute.revert_resize(off)
        assert fake_compute.instance(off) == off


def test_prepared_here_and_finished_here(fake_compute: virt.Compute, off: virt.Instance, make_spec: Any) -> None:
    ticket = fake_compute.prepare_resize(off, LARGER)
    assert fake_compute.prepare_resize(off, LARGER) == ticket
    spec = make_spec(vcpus=3, nics=[virt.Nic(mac="52:54:00:00:aa:01")])
    for _ in range(2):
        done = fake_compute.finish_resize(virt.Ticket.decode(ticket.encode()), spec=spec)
        assert (done.vcpus, done.lifecycle, done.power_state) == (3, PENDING, virt.PowerState.RUNNING)
    fake_compute.revert_resize(off, nics=[virt.Nic(mac="52:54:00:00:aa:02")])
    assert [nic.mac for nic in fake_compute.interfaces(off)] == ["52:54:00:00:aa:02"]
    with pytest.raises(virt.MigrationError, match="does not wait"):
        fake_compute.finish_resize(ticket)


def test_moved_to_another_world(
    fake_compute: virt.Compute, fake_switches: Switches, off: virt.Instance, connect: Connect
) -> None:
    there = connect()
    fake_switches.outside.write_disk(off, "precious")
    moved = fake_compute.cold_migrate(off, to=there, size=virt.Size(disks=[GiB(30)]))
    assert (moved.uuid, moved.name, moved.labels, moved.lifecycle) == (off.uuid, off.name, off.labels, READY)
    assert moved.owned
    assert disks_of(switches_of(there), moved) == [(GiB(30), "image debian-13; precious")]
    assert fake_compute.instance(off).lifecycle is PENDING
    fake_compute.confirm_resize(off)
    fake_compute.confirm_resize(off)
    assert fake_switches.outside.objects() == ()
    there.power_on(moved)
    assert there.destroy(moved)


def test_a_move_that_fails_is_taken_back(
    fake_compute: virt.Compute, off: virt.Instance, connect: Connect, make_spec: Any
) -> None:
    there = connect()
    switches = switches_of(there)
    switches.fail_at(Step.FINISH_RESIZE, virt.StorageError("no"))
    with pytest.raises(virt.StorageError):
        fake_compute.cold_migrate(off, to=there)
    assert fake_compute.instance(off) == off
    assert switches.outside.objects() == ()
    with pytest.raises(virt.InvalidSpec, match="resize"):
        fake_compute.cold_migrate(off, to=fake_compute)
    there.spawn(make_spec())
    with pytest.raises(virt.InstanceExists):
        fake_compute.cold_migrate(off, to=there)
    assert fake_compute.instance(off) == off


def test_a_move_that_was_killed_is_finished(fake_compute: virt.Compute, off: virt.Instance, connect: Connect) -> None:
    there = connect()
    switches = switches_of(there)
    ticket = fake_compute.prepare_resize(off, virt.Size())
    switches.crash_at(Step.FINISH_RESIZE)
    with pytest.raises(virt.ConnectionLost):
        there.finish_resize(ticket)
    assert there.leftovers()
    first = there.finish_resize(ticket)
    assert there.finish_resize(ticket) == first
    assert not there.leftovers()


def test_another_process_has_no_way_to_the_source(
    fake_compute: virt.Compute, off: virt.Instance, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    ticket = fake_compute.prepare_resize(off, virt.Size())
    monkeypatch.setattr(parcel, "REACHED", {})
    with pytest.raises(virt.MigrationError, match="process"):
        connect().finish_resize(ticket)


def test_a_stored_world_remembers(connect: Connect, make_spec: Any, tmp_path: Path) -> None:
    first = connect(persist=True)
    guest = first.spawn(make_spec(power_on=False))
    first.resize(guest, LARGER)
    first.close()
    second = connect(persist=True)
    assert second.instance(guest).lifecycle is PENDING
    second.revert_resize(guest)
    assert second.instance(guest) == guest

"""Backups of fake guests."""

import threading
import uuid
from collections.abc import Callable
from typing import Any

import pytest

import nova_virt_api as virt
from nova_virt_api import MiB
from nova_virt_api.errors import BackupChainBroken, Busy, InstanceNotFound, InvalidSpec, NotSupported, StorageError
from nova_virt_api.fake.steps import Step
from nova_virt_api.fake.switches import SimulatedCrash, Switches

Connect = Callable[..., virt.Compute]


def told(compute: virt.Compute, session: virt.BackupSession, disk: int = 0) -> list[tuple[int, int, str]]:
    one = session.disks[disk]
    found = compute.backup_extents(session, one.id, 0, one.size_bytes)
    return [(extent.offset, extent.length, extent.kind.value) for extent in found]


def point(compute: virt.Compute, guest: virt.Instance) -> virt.BackupPoint:
    session = compute.begin_backup(guest)
    compute.finish_backup(session)
    return session.point


def test_what_was_written_since(fake_compute: virt.Compute, fake_switches: Switches, web: virt.Instance) -> None:
    first = point(fake_compute, web)
    for offset, data in ((100, b"ab"), (101, b"cd"), (MiB(1), bytes(10)), (90, b"x")):
        fake_switches.outside.write(web, offset, data)
    session = fake_compute.begin_backup(web, since=first)
    assert told(fake_compute, session) == [(90, 1, "data"), (100, 3, "data"), (MiB(1), 10, "zero")]
    assert fake_compute.read_backup(session, "disk0", 99, 5)[1:4] == b"acd"
    assert fake_compute.backup_extents(session, "disk0", 101, 1)[0] == virt.Extent(
        offset=101, length=1, kind=virt.ExtentKind.DATA
    )
    fake_compute.abort_backup(session)


@pytest.mark.parametrize("step", [Step.BEGIN_BACKUP, Step.FINISH_BACKUP, Step.ABORT_BACKUP])
def test_a_crash_leaves_the_older_point(connect: Connect, world: str, make_spec: Any, step: Step) -> None:
    compute, dying = connect(world=world), connect(world=world)
    web = compute.spawn(make_spec())
    first = point(compute, web)
    with dying.native() as handle:
        handle.fail_at(step, SimulatedCrash("dead"))  # type: ignore[attr-defined]

    def back_up() -> None:
        session = dying.begin_backup(web, since=first)
        dying.finish_backup(session) if step is Step.FINISH_BACKUP else dying.abort_backup(session)

    with pytest.raises(SimulatedCrash):
        back_up()
    assert list(compute.backup_points(web)) == [first]
    dying.close()
    fresh = compute.begin_backup(web, since=first)
    compute.finish_backup(fresh)
    assert list(compute.backup_points(web)) == [first, fresh.point]


def test_a_living_connection_keeps_its_backup(connect: Connect, world: str, make_spec: Any) -> None:
    compute, other = connect(world=world), connect(world=world)
    web = compute.spawn(make_spec())
    session = compute.begin_backup(web)
    for call in (
        lambda: other.begin_backup(web),
        lambda: other.abort_backup(session),
        lambda: other.forget_backup_point(web, session.point),
    ):
        with pytest.raises(Busy, match="under way"):
            call()
    compute.read_backup(session, "disk0", 0, 10)


def test_a_rebuilt_disk_breaks_the_chain(fake_compute: virt.Compute, web: virt.Instance) -> None:
    first = point(fake_compute, web)
    session = fake_compute.begin_backup(web)
    fake_compute.rebuild(web, source=virt.Native("cirros"))
    with pytest.raises(StorageError, match="written anew"):
        fake_compute.read_backup(session, "disk0", 0, 10)
    fake_compute.abort_backup(session)
    with pytest.raises(BackupChainBroken, match="full backup"):
        fake_compute.begin_backup(web, since=first)


def test_backups_outlive_the_process(connect: Connect, make_spec: Any) -> None:
    compute = connect(persist=True)
    web = compute.spawn(make_spec())
    first = point(compute, web)
    left = compute.begin_backup(web)
    compute.close()
    again = connect(persist=True)
    assert list(again.backup_points(web)) == [first]
    with pytest.raises(InvalidSpec):
        again.read_backup(left, "disk0", 0, 1)
    again.abort_backup(left)
    assert told(again, again.begin_backup(web, since=first)) == []


def test_what_is_switched_off_is_refused(
    fake_compute: virt.Compute, fake_switches: Switches, web: virt.Instance
) -> None:
    fake_switches.withdraw(virt.Feature.BACKUP_STOPPED, "it has to run")
    fake_switches.withdraw(virt.Feature.BACKUP_QUIESCE, "no agent")
    fake_compute.power_off(web, mode=virt.PowerOff.HARD)
    with pytest.raises(virt.InvalidState):
        fake_compute.begin_backup(web)
    with pytest.raises(NotSupported, match="quiesce"):
        fake_compute.begin_backup(web, quiesce=virt.Quiesce.REQUIRED)


@pytest.mark.parametrize(
    "wrong",
    [
        {"disk_id": "", "offset": 0, "length": 1},
        {"disk_id": "disk0", "offset": -1, "length": 1},
        {"disk_id": "disk0", "offset": 0, "length": 2**26},
    ],
)
def test_ranges_that_are_none(fake_compute: virt.Compute, web: virt.Instance, wrong: dict[str, Any]) -> None:
    session = fake_compute.begin_backup(web)
    with pytest.raises(InvalidSpec):
        fake_compute.read_backup(session, wrong["disk_id"], wrong["offset"], wrong["length"])


def test_a_guest_that_is_gone(fake_compute: virt.Compute, web: virt.Instance) -> None:
    session = fake_compute.begin_backup(web)
    fake_compute.destroy(web)
    with pytest.raises(StorageError, match="gone"):
        fake_compute.read_backup(session, "disk0", 0, 1)
    for end in (fake_compute.finish_backup, fake_compute.abort_backup):
        with pytest.raises(InstanceNotFound):
            end(session)
    with pytest.raises(InstanceNotFound):
        fake_compute.begin_backup(uuid.uuid4())


def test_a_backup_waits_for_its_turn(fake_compute: virt.Compute, fake_switches: Switches, web: virt.Instance) -> None:
    with fake_switches.hang_at(Step.PAUSE) as hang:
        pausing = fake_compute.submit.pause(web)
        assert hang.wait_reached()
        begun = fake_compute.submit.begin_backup(web)
        assert not begun.done()
        hang.release()
    pausing.result()
    assert begun.result().guest == web.uuid
    assert threading.active_count()

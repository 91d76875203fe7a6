"""Directories that guests of the fake driver share with their hosts."""

from collections.abc import Callable
from typing import Any

import pytest

import nova_virt_api as virt
from nova_virt_api.fake.steps import Step
from nova_virt_api.fake.switches import SimulatedCrash, Switches
from nova_virt_api.model.spec import MOST_DEVICES

Connect = Callable[..., virt.Compute]


def share(tag: str, **fields: Any) -> virt.Share:
    """A share that is allowed."""
    return virt.Share(tag=tag, source=virt.HostDirectory(path=f"/srv/shares/{tag}"), **fields)


@pytest.fixture
def off(fake_compute: virt.Compute, make_spec: Any) -> virt.Instance:
    """A guest that is off."""
    return fake_compute.spawn(make_spec(power_on=False))


def test_shares_come_and_go(fake_compute: virt.Compute, fake_switches: Switches, off: virt.Instance) -> None:
    objects = fake_switches.outside.objects()
    first, second = share("one"), share("two", read_only=True)
    for one in (first, second, first):
        fake_compute.attach_share(off, one)
    assert list(fake_compute.shares(off)) == [first, second]
    fake_compute.power_on(off)
    fake_compute.attach_share(off, share("three"))
    fake_compute.detach_share(off, first)
    assert [one.tag for one in fake_compute.shares(off)] == ["two", "three"]
    assert fake_switches.outside.objects() == objects
    fake_compute.destroy(off)
    assert fake_switches.outside.objects() == ()


def test_a_tag_stands_for_one_directory(fake_compute: virt.Compute, off: virt.Instance) -> None:
    fake_compute.attach_share(off, share("one"))
    for other in (
        share("one", read_only=True),
        virt.Share(tag="one", source=virt.HostDirectory(path="/srv/shares/x")),
    ):
        with pytest.raises(virt.InvalidSpec, match=r"share\.tag"):
            fake_compute.attach_share(off, other)


def test_a_guest_whose_memory_is_its_own_is_stopped_first(
    fake_compute: virt.Compute, web: virt.Instance, make_spec: Any
) -> None:
    with pytest.raises(virt.InvalidState, match="MemoryBacking"):
        fake_compute.attach_share(web, share("one"))
    other = fake_compute.spawn(make_spec("other", backing=virt.MemoryBacking(shared=True)))
    fake_compute.attach_share(other, share("one"))
    assert [one.tag for one in fake_compute.shares(other)] == ["one"]


@pytest.mark.parametrize("path", ["/etc", "/srv/shares", "/srv/sharesome"])
def test_other_directories_are_refused(path: str, fake_compute: virt.Compute, off: virt.Instance) -> None:
    with pytest.raises(virt.PermissionDenied, match=path):
        fake_compute.attach_share(off, virt.Share(tag="one", source=virt.HostDirectory(path=path)))
    with pytest.raises(virt.StorageError, match="no directory"):
        fake_compute.attach_share(off, share("missing"))


def test_there_is_an_end(fake_compute: virt.Compute, off: virt.Instance) -> None:
    for number in range(MOST_DEVICES):
        fake_compute.attach_share(off, share(f"number-{number}"))
    with pytest.raises(virt.NoCapacity, match="no place for one more"):
        fake_compute.attach_share(off, share("last"))


def test_what_keeps_memory_names_the_share(connect: Connect, make_spec: Any) -> None:
    here, there = connect(), connect()
    guest = here.spawn(make_spec(power_on=False))
    here.attach_share(guest, share("papers"))
    here.create_checkpoint(guest, "off", memory=True)
    here.power_on(guest)
    with pytest.raises(virt.NotSupported, match="papers") as caught:
        here.suspend(guest)
    assert caught.value.capability is virt.Capability.SUSPEND
    with pytest.raises(virt.NotSupported, match="papers") as caught:
        here.create_checkpoint(guest, "whole", memory=True)
    assert caught.value.capability is virt.Feature.CHECKPOINT_MEMORY
    with pytest.raises(virt.MigrationError, match="papers"):
        here.live_migrate(guest, to=there)
    assert here.instance(guest, fresh=True).power_state is virt.PowerState.RUNNING
    here.detach_share(guest, "papers")
    here.suspend(guest)


@pytest.mark.parametrize(("step", "verb"), [(Step.ATTACH_SHARE, "attach_share"), (Step.DETACH_SHARE, "detach_share")])
def test_a_verb_that_was_killed_is_done_by_the_next(
    step: Step, verb: str, fake_compute: virt.Compute, fake_switches: Switches, off: virt.Instance
) -> None:
    if verb == "detach_share":
        fake_compute.attach_share(off, share("one"))
    before = list(fake_compute.shares(off))
    fake_switches.crash_at(step)
    with pytest.raises(SimulatedCrash):
        getattr(fake_compute, verb)(off, share("one"))
    assert list(fake_compute.shares(off)) == before
    getattr(fake_compute, verb)(off, share("one"))
    assert [one.tag for one in fake_compute.shares(off)] == (["one"] if verb == "attach_share" else [])


@pytest.mark.parametrize(
    ("feature", "field"), [(virt.Feature.SHARE_READ_ONLY, "share.read_only"), (virt.Capability.SHARES, "")]
)
def test_what_was_switched_off_is_refused(
    feature: Any, field: str, fake_compute: virt.Compute, fake_switches: Switches, off: virt.Instance
) -> None:
    fake_switches.withdraw(feature, "switched off")
    with pytest.raises(virt.NotSupported, match="switched off") as caught:
        fake_compute.attach_share(off, share("one", read_only=True))
    assert caught.value.field == field


def test_running_guests_are_left_alone_where_they_must_be(
    fake_compute: virt.Compute, fake_switches: Switches, make_spec: Any
) -> None:
    fake_switches.withdraw(virt.Feature.ATTACH_SHARES, "switched off")
    guest = fake_compute.spawn(make_spec(backing=virt.MemoryBacking(shared=True)))
    with pytest.raises(virt.InvalidState) as caught:
        fake_compute.attach_share(guest, share("one"))
    assert caught.value.required == (virt.PowerState.SHUTDOWN,)
    with pytest.raises(virt.InvalidState):
        fake_compute.detach_share(guest, "one")


def test_a_guest_that_shares_stays_on_its_host(
    fake_compute: virt.Compute, off: virt.Instance, connect: Connect
) -> None:
    there = connect()
    fake_compute.attach_share(off, share("papers"))
    with pytest.raises(virt.MigrationError, match="papers"):
        fake_compute.cold_migrate(off, to=there)
    assert there.instances() == ()
    fake_compute.revert_resize(off)
    assert [one.tag for one in fake_compute.shares(off)] == ["papers"]
    fake_compute.detach_share(off, "papers")
    assert fake_compute.cold_migrate(off, to=there).uuid == off.uuid

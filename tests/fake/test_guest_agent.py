"""Agents inside fake guests."""

from collections.abc import Callable
from contextlib import suppress
from ipaddress import ip_interface
from pathlib import Path
from typing import Any

import pytest

import nova_virt_api as virt
from nova_virt_api.fake.steps import Step
from nova_virt_api.fake.switches import SimulatedCrash, Switches

Connect = Callable[..., virt.Compute]


@pytest.fixture
def target(tmp_path: Path) -> virt.LocalTarget:
    """Where a snapshot goes."""
    return virt.LocalTarget(tmp_path / "web.qcow2")


def test_a_guest_tells_what_it_is_made_of(fake_compute: virt.Compute, web: virt.Instance) -> None:
    told = fake_compute.guest_info(web)
    assert told.hostname == "web"
    assert told.interfaces is not None
    assert [one.addresses for one in told.interfaces] == [
        (ip_interface(f"{each.ip}/24"),) for each in web.addresses or ()
    ]
    assert told.filesystems is not None
    assert [each.mountpoint for each in told.filesystems] == ["/"]


def test_passwords_are_set_and_forgotten(
    fake_compute: virt.Compute, fake_switches: Switches, web: virt.Instance
) -> None:
    fake_compute.set_password(web, virt.Secret("one"))
    fake_compute.set_password(web, virt.Secret("hunter2"), user="ann")
    assert fake_switches.outside.passwords(web) == ("root", "ann")
    assert "hunter2" not in repr(fake_switches.outside.parts(web))


@pytest.mark.parametrize(
    ("password", "user"),
    [("plain text", None), (virt.Secret(""), None), (virt.Secret("x"), ""), (virt.Secret("x"), " root")],
)
def test_what_is_no_password_or_no_user_is_refused(
    fake_compute: virt.Compute, web: virt.Instance, password: Any, user: str | None
) -> None:
    with pytest.raises(virt.InvalidSpec) as caught:
        fake_compute.set_password(web, password, user=user)
    assert "plain text" not in str(caught.value)


def test_rest_lasts_until_it_is_ended_or_the_guest_starts_anew(
    fake_compute: virt.Compute, fake_switches: Switches, web: virt.Instance
) -> None:
    outside = fake_switches.outside
    for end in (fake_compute.unquiesce, fake_compute.reboot):
        fake_compute.quiesce(web)
        fake_compute.quiesce(web)
        assert outside.frozen(web)
        end(web)
        assert not outside.frozen(web)
    fake_compute.unquiesce(web)


@pytest.mark.parametrize("step", [Step.SNAPSHOT_READ, Step.SNAPSHOT_WRITE])
def test_rest_ends_with_a_snapshot_that_fails(
    fake_compute: virt.Compute, fake_switches: Switches, web: virt.Instance, target: virt.LocalTarget, step: Step
) -> None:
    fake_switches.fail_at(step, virt.StorageError("the disk is gone"))
    with pytest.raises(virt.StorageError):
        fake_compute.snapshot(web, target)
    assert not fake_switches.outside.frozen(web)


def test_the_rest_of_a_dead_process_ends_with_the_next_snapshot(
    fake_compute: virt.Compute, fake_switches: Switches, web: virt.Instance, target: virt.LocalTarget
) -> None:
    for end in (lambda: fake_compute.snapshot(web, target), lambda: fake_compute.unquiesce(web)):
        fake_switches.crash_at(Step.SNAPSHOT_READ)
        with suppress(SimulatedCrash):
            fake_compute.snapshot(web, target)
        assert fake_switches.outside.frozen(web)
        end()
        assert not fake_switches.outside.frozen(web)


def test_rest_of_somebody_else_outlives_a_snapshot(
    fake_compute: virt.Compute, fake_switches: Switches, web: virt.Instance, target: virt.LocalTarget
) -> None:
    fake_compute.quiesce(web)
    for quiesce in virt.Quiesce:
        fake_compute.snapshot(web, target, quiesce=quiesce)
        assert fake_switches.outside.frozen(web)


def test_a_guest_without_an_agent(
    fake_compute: virt.Compute, fake_switches: Switches, web: virt.Instance, target: virt.LocalTarget
) -> None:
    fake_switches.outside.set_agent(web, connected=False)
    for call in (fake_compute.guest_info, fake_compute.quiesce, fake_compute.unquiesce):
        with pytest.raises(virt.GuestAgentUnavailable):
            call(web)
    with pytest.raises(virt.GuestAgentUnavailable):
        fake_compute.snapshot(web, target, quiesce=virt.Quiesce.REQUIRED)
    fake_compute.snapshot(web, target)


def test_a_guest_that_is_booting_has_no_agent_yet(connect: Connect, make_spec: Any) -> None:
    with connect(boot_seconds=60.0) as compute:
        guest = compute.spawn(make_spec())
        with pytest.raises(virt.GuestAgentUnavailable):
            compute.guest_info(guest)


def test_rest_that_is_required_is_refused_where_there_is_none(
    fake_compute: virt.Compute, fake_switches: Switches, web: virt.Instance, target: virt.LocalTarget
) -> None:
    fake_switches.withdraw(virt.Feature.SNAPSHOT_QUIESCE, "no agents")
    with pytest.raises(virt.NotSupported) as caught:
        fake_compute.snapshot(web, target, quiesce=virt.Quiesce.REQUIRED)
    assert (caught.value.field, caught.value.reason) == ("quiesce", "no agents")
    fake_compute.snapshot(web, target, quiesce=virt.Quiesce.NO)

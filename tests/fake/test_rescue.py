"""Rescue systems in guests' places."""

from collections.abc import Callable
from typing import Any

import pytest

import nova_virt_api as virt
from nova_virt_api.fake.switches import Switches

Connect = Callable[..., virt.Compute]


def test_there_and_back(fake_compute: virt.Compute, fake_switches: Switches, web: virt.Instance) -> None:
    objects, boots = fake_switches.outside.objects(), fake_switches.outside.boots(web)
    fake_compute.rescue(web)
    rescued = fake_compute.instance(web)
    assert (rescued.lifecycle, rescued.power_state) == (virt.Lifecycle.RESCUED, virt.PowerState.RUNNING)
    assert fake_compute.console_log(web).endswith(b"rescue login: \n")
    fake_compute.rescue(web, image=virt.Native("cirros"))
    assert fake_compute.instance(web) is rescued
    fake_compute.unrescue(web)
    back = fake_compute.instance(web)
    assert (back.lifecycle, back.power_state) == (virt.Lifecycle.READY, virt.PowerState.RUNNING)
    assert fake_compute.console_log(web).endswith(b"web login: \n")
    assert fake_switches.outside.boots(web) == boots + 2
    assert fake_switches.outside.objects() == objects


def test_its_image_is_the_one_asked_for(fake_compute: virt.Compute, web: virt.Instance) -> None:
    fake_compute.rescue(web, image=virt.Native("cirros"))
    assert b"rescue system: image cirros" in fake_compute.console_log(web)


def test_a_missing_image_changes_nothing(fake_compute: virt.Compute, web: virt.Instance) -> None:
    with pytest.raises(virt.ImageNotFound):
        fake_compute.rescue(web, image=virt.Native("nope"))
    assert fake_compute.instance(web) is web


def test_the_password_is_nowhere(connect: Connect, tmp_path: Any, make_spec: Any) -> None:
    compute = connect(persist=True)
    web = compute.spawn(make_spec())
    compute.rescue(web, password=virt.Secret("PASSWORD-5aZ"))
    assert b"PASSWORD" not in compute.console_log(web)
    assert "PASSWORD" not in (tmp_path / "state" / "fake" / "default.json").read_text()


def test_power_is_switched_and_all_else_refused(
    fake_compute: virt.Compute, fake_switches: Switches, web: virt.Instance, make_spec: Any
) -> None:
    fake_compute.rescue(web)
    fake_compute.power_off(web)
    assert fake_compute.instance(web).lifecycle is virt.Lifecycle.RESCUED
    fake_compute.power_on(web)
    fake_compute.reboot(web)
    assert fake_compute.console_log(web).endswith(b"rescue login: \n")
    before = fake_compute.instance(web)
    refused: list[Callable[[], Any]] = [
        lambda: fake_compute.rebuild(web),
        lambda: fake_compute.pause(web),
        lambda: fake_compute.suspend(web),
        lambda: fake_compute.update(web, virt.InstanceUpdate(name="x")),
        lambda: fake_compute.attach_interface(web, virt.Nic()),
        lambda: fake_compute.snapshot(web, virt.NativeTarget("image")),
        lambda: fake_compute.trigger_crash_dump(web),
    ]
    for call in refused:
        with pytest.raises(virt.InvalidState, match="unrescue it first"):
            call()
    assert fake_compute.instance(web) is before
    assert fake_compute.spawn(make_spec()) is before
    assert fake_compute.leftovers() == []
    assert fake_compute.destroy(web) is True
    assert fake_switches.outside.objects() == ()


@pytest.mark.parametrize("persist", [False, True])
def test_another_connection_finds_it_rescued(persist: bool, connect: Connect, world: str, make_spec: Any) -> None:
    place = {"persist": True} if persist else {"world": world}
    first = connect(**place)
    guest = first.spawn(make_spec())
    first.rescue(guest)
    first.close()
    second = connect(**place)
    assert second.instance(guest).lifecycle is virt.Lifecycle.RESCUED
    second.unrescue(guest)


def test_a_watcher_sees_it(fake_compute: virt.Compute, web: virt.Instance) -> None:
    with fake_compute.watch() as watch:
        events = iter(watch)
        next(events)
        fake_compute.rescue(web)
        event = next(events)
        while isinstance(event, virt.InstanceEvent) and event.instance.lifecycle is not virt.Lifecycle.RESCUED:
            event = next(events)
        assert isinstance(event, virt.InstanceEvent)

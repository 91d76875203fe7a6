"""Guests made with ``manage="all"``: they bear no mark, and everything works all the same."""

from typing import Any

import pytest

from nova_virt_api.driver.endpoint import Manage
from nova_virt_api.driver.operation import Stage
from nova_virt_api.errors import HookFailed, InstanceExists, InvalidSpec, PermissionDenied
from nova_virt_api.model.cloud_init import CloudInit
from nova_virt_api.model.identity import InstanceRef
from nova_virt_api.model.instance import DiskPolicy, PowerState
from nova_virt_api.model.units import MiB
from nova_virt_libvirt.metadata import mark_text


@pytest.fixture
def everything(make_driver: Any) -> Any:
    """A driver that manages all guests."""
    return make_driver(manage=Manage.ALL)


@pytest.fixture
def unmarked(everything: Any, run: Any) -> Any:
    """Spawns guests without a mark and removes them."""
    made: list[InstanceRef] = []

    def spawn(spec: Any, **more: Any) -> Any:
        made.append(InstanceRef(uuid=spec.uuid))
        return run(everything.spawn, spec, **more)

    yield spawn
    for guest in made:
        run(everything.destroy, guest, foreign=True)


@pytest.mark.parametrize("power_on", [False, True])
def test_no_mark_is_left(power_on: bool, unmarked: Any, make_spec: Any, driver: Any, native: Any, traces: Any) -> None:
    spec = make_spec(power_on=power_on)
    guest = unmarked(spec)
    assert guest.power_state is (PowerState.RUNNING if power_on else PowerState.SHUTDOWN)
    assert (guest.owner, guest.owned) == (None, False)
    assert mark_text(native.lookupByUUID(spec.uuid.bytes)) is None
    assert not [name for name in traces.of(spec.uuid) if "claim" in name]
    assert driver.instance(guest.ref, fresh=True).owner is None


def test_what_is_there_is_compared_by_what_can_be_seen(
    unmarked: Any, make_spec: Any, driver: Any, run: Any, traces: Any
) -> None:
    spec = make_spec(cloud_init=CloudInit(user_data="#cloud-config\n{}"))
    guest = unmarked(spec)
    before = traces.of(spec.uuid)
    assert unmarked(spec) == guest
    with pytest.raises(InstanceExists, match="another spec"):
        unmarked(make_spec(uuid=spec.uuid, name=spec.name, memory_bytes=MiB(32)))
    with pytest.raises(InstanceExists, match="of other making"):
        run(driver.spawn, spec)
    assert traces.of(spec.uuid) == before


def test_destroy_takes_all_of_it_and_only_when_told(
    unmarked: Any, make_spec: Any, everything: Any, run: Any, daemon: Any, traces: Any
) -> None:
    spec = make_spec(cloud_init=CloudInit(user_data="#cloud-config\n{}"))
    guest = unmarked(spec)
    (daemon.directory / "images" / f"{spec.uuid}.console.log.0").write_text("old")
    with pytest.raises(PermissionDenied, match="foreign=True"):
        run(everything.destroy, guest.ref)
    assert run(everything.destroy, guest.ref, foreign=True)
    assert traces.of(spec.uuid) == []
    assert not run(everything.destroy, guest.ref, foreign=True)


def test_its_disks_can_be_kept(
    unmarked: Any, make_spec: Any, everything: Any, run: Any, native: Any, traces: Any
) -> None:
    spec = make_spec()
    unmarked(spec)
    assert run(everything.destroy, InstanceRef(uuid=spec.uuid), disks=DiskPolicy.KEEP, foreign=True)
    kept = f"{spec.uuid}.disk0.qcow2"
    assert traces.of(spec.uuid) == [kept]
    native.storagePoolLookupByName("nova-virt").storageVolLookupByName(kept).delete(0)


def test_labels_have_no_place(unmarked: Any, make_spec: Any, traces: Any) -> None:
    spec = make_spec(labels={"role": "web"})
    with pytest.raises(InvalidSpec, match="labels"):
        unmarked(spec)
    assert traces.of(spec.uuid) == []


def test_a_failed_spawn_leaves_nothing(unmarked: Any, make_spec: Any, traces: Any) -> None:
    def refuse(*_: Any) -> None:
        raise RuntimeError("no")

    spec = make_spec(power_on=True)
    with pytest.raises(HookFailed):
        unmarked(spec, hooks={Stage.BEFORE_START: refuse})
    assert traces.of(spec.uuid) == []

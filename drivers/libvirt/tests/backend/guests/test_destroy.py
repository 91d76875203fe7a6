"""Destroying guests from every state."""

import uuid
from collections.abc import Callable
from typing import Any

import pytest
from lxml.builder import E

from nova_virt_api.driver.endpoint import Manage
from nova_virt_api.errors import PermissionDenied
from nova_virt_api.model.disk import Blank, Disk
from nova_virt_api.model.identity import InstanceRef
from nova_virt_api.model.instance import DiskPolicy
from nova_virt_api.model.units import GiB


def snapshotted(native: Any) -> None:
    native.snapshotCreateXML("<domainsnapshot><name>old</name></domainsnapshot>", 0)


STATES: dict[str, Callable[[Any], object]] = {
    "running": lambda native: None,
    "paused": lambda native: native.suspend(),
    "off": lambda native: native.destroy(),
    "saved": lambda native: native.managedSave(0),
    "with a snapshot": snapshotted,
    "undefined but running": lambda native: native.undefine(),
}


@pytest.mark.parametrize("state", STATES)
def test_destroy_from(state: str, spawn: Any, make_spec: Any, driver: Any, run: Any, native: Any, traces: Any) -> None:
    guest = spawn(make_spec(power_on=True))
    STATES[state](native.lookupByUUID(guest.uuid.bytes))
    assert run(driver.destroy, guest.ref)
    assert traces.of(guest.uuid) == []
    assert not run(driver.destroy, guest.ref)


def test_of_nothing_says_so(driver: Any, run: Any) -> None:
    assert run(driver.destroy, InstanceRef(uuid=uuid.uuid4())) is False


def test_guest_whose_claim_was_lost(
    spawn: Any, make_spec: Any, driver: Any, run: Any, native: Any, traces: Any
) -> None:
    guest = spawn(make_spec())
    native.storagePoolLookupByName("nova-virt").storageVolLookupByName(f"{guest.uuid}.claim").delete(0)
    assert run(driver.destroy, guest.ref)
    assert traces.of(guest.uuid) == []


def test_guest_whose_definition_was_lost(
    spawn: Any, make_spec: Any, driver: Any, run: Any, native: Any, traces: Any
) -> None:
    guest = spawn(make_spec())
    native.lookupByUUID(guest.uuid.bytes).undefine()
    assert run(driver.destroy, guest.ref)
    assert traces.of(guest.uuid) == []


def test_rotated_console_logs_go_too(
    spawn: Any, make_spec: Any, driver: Any, run: Any, daemon: Any, traces: Any
) -> None:
    guest = spawn(make_spec())
    for number in range(3):
        (daemon.directory / "images" / f"{guest.uuid}.console.log.{number}").write_text("old")
    assert run(driver.destroy, guest.ref)
    assert traces.of(guest.uuid) == []


def test_another_owners_guest_is_refused(spawn: Any, make_spec: Any, make_driver: Any, run: Any, traces: Any) -> None:
    guest = spawn(make_spec())
    before = traces.of(guest.uuid)
    other = make_driver(owner="somebody-else")
    with pytest.raises(PermissionDenied, match="nova-virt-tests"):
        run(other.destroy, guest.ref, foreign=True)
    assert traces.of(guest.uuid) == before
    assert run(make_driver(owner="somebody-else", manage=Manage.ALL).destroy, guest.ref, foreign=True)
    assert traces.of(guest.uuid) == []


def test_disks_in_several_pools(
    spawn: Any, make_spec: Any, driver: Any, run: Any, native: Any, traces: Any, tmp_path: Any
) -> None:
    tmp_path.chmod(0o755)
    definition = f"<pool type='dir'><name>second</name><target><path>{tmp_path}/pool</path></target></pool>"
    pool = native.storagePoolDefineXML(definition)
    pool.build(0)
    pool.create(0)
    try:
        disks = [Disk(source=Blank(), size_bytes=GiB(1)), Disk(source=Blank(), size_bytes=GiB(1), pool="second")]
        guest = spawn(make_spec(disks=disks))
        assert pool.listVolumes() == [f"{guest.uuid}.disk1.qcow2"]
        assert run(driver.destroy, guest.ref)
        assert list((tmp_path / "pool").iterdir()) == []
    finally:
        pool.destroy()
        pool.undefine()


@pytest.mark.parametrize("shared", [False, True])
def test_foreign_guest_takes_only_its_own_disks_along(
    shared: bool, blank: Any, make_driver: Any, run: Any, native: Any
) -> None:
    pool = native.storagePoolLookupByName("nova-virt")
    volume = pool.createXML("<volume><name>foreign.raw</name><capacity>1024</capacity></volume>", 0)
    disk = E.disk(E.source(file=volume.path()), E.target(dev="vda", bus="virtio"), type="file", device="disk")
    guest = blank("foreign", owner=None, devices=(disk,))
    if shared:
        blank("other", owner=None, devices=(disk,))
    assert run(make_driver(manage=Manage.ALL).destroy, guest, foreign=True)
    assert ("foreign.raw" in pool.listVolumes()) is shared
    if shared:
        volume.delete(0)


def test_foreign_guest_may_keep_its_disks(blank: Any, make_driver: Any, run: Any, native: Any) -> None:
    pool = native.storagePoolLookupByName("nova-virt")
    volume = pool.createXML("<volume><name>foreign.raw</name><capacity>1024</capacity></volume>", 0)
    disk = E.disk(E.source(file=volume.path()), E.target(dev="vda", bus="virtio"), type="file", device="disk")
    guest = blank("foreign", owner=None, devices=(disk,))
    assert run(make_driver(manage=Manage.ALL).destroy, guest, foreign=True, disks=DiskPolicy.KEEP)
    assert "foreign.raw" in pool.listVolumes()
    volume.delete(0)

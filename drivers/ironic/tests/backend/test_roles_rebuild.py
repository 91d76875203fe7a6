"""Rebuild on a real Ironic with fake hardware."""

import uuid
from collections.abc import Callable
from typing import Any

import pytest

from nova_virt_api.compute.operation import DriverSide
from nova_virt_api.driver.operation import CancelMode, Stage
from nova_virt_api.errors import (
    InstanceNotFound,
    InvalidSpec,
    NotSupported,
    PermissionDenied,
    StateAfter,
    StorageError,
)
from nova_virt_api.model.cloud_init import CloudInit
from nova_virt_api.model.disk import Disk
from nova_virt_api.model.identity import InstanceRef
from nova_virt_api.model.image import BackendUrl, Checksum, ImageFormat, LocalFile, Native
from nova_virt_api.model.instance import Instance, Lifecycle, PowerOff, PowerState
from nova_virt_ironic.driver import IronicDriver
from tools.ironic import Ironic, Script

CHECKSUM = Checksum(digest="0" * 64)
OTHER = BackendUrl("https://images.example.org/other.qcow2", CHECKSUM, ImageFormat.QCOW2)


def node_of(ironic: Ironic, guest: Instance) -> Any:
    return ironic.api.get(f"/v1/nodes/{guest.native_id}")


def rebuilds(ironic: Ironic, guest: Instance) -> int:
    events = ironic.api.get(f"/v1/nodes/{guest.native_id}/history", detail=True)["history"]
    return [event["event_type"] for event in events].count("deployment_end") - 1


def test_a_guest_is_written_anew_and_stays_the_same(
    driver: IronicDriver, ironic: Ironic, deployed: Callable[..., Instance], op: Any
) -> None:
    guest = deployed(labels={"tier": "web"})
    info = node_of(ironic, guest)["instance_info"]
    again = driver.rebuild(guest.ref, op)
    assert rebuilds(ironic, guest) == 1
    assert again == guest
    assert node_of(ironic, guest)["instance_info"] == info
    driver.rebuild(guest.ref, op)
    assert rebuilds(ironic, guest) == 2


def test_another_image_replaces_all_of_the_first(
    driver: IronicDriver, ironic: Ironic, deployed: Callable[..., Instance], op: Any
) -> None:
    guest = deployed(disks=[Disk(source=OTHER)])
    driver.rebuild(guest.ref, op, source=Native("file:///srv/plain.raw"))
    info = node_of(ironic, guest)["instance_info"]
    assert info["image_source"] == "file:///srv/plain.raw"
    assert not {"image_os_hash_algo", "image_os_hash_value", "image_disk_format"} & info.keys()
    driver.rebuild(guest.ref, op, source=OTHER)
    info = node_of(ironic, guest)["instance_info"]
    assert info["image_source"] == OTHER.url
    assert (info["image_os_hash_algo"], info["image_os_hash_value"]) == ("sha256", "0" * 64)
    driver.rebuild(guest.ref, op)  # with the one that it was rebuilt with last
    assert node_of(ironic, guest)["instance_info"]["image_source"] == OTHER.url
    assert rebuilds(ironic, guest) == 3


def test_the_first_request_still_finds_the_guest(
    driver: IronicDriver, make_spec: Callable[..., Any], enroll: Callable[..., Any], op: Any
) -> None:
    enroll()
    spec = make_spec()
    guest = driver.spawn(spec, op)
    driver.rebuild(guest.ref, op, source=OTHER)
    assert driver.spawn(spec, op).native_id == guest.native_id


def test_a_guest_that_is_off_runs_afterwards(driver: IronicDriver, deployed: Callable[..., Instance], op: Any) -> None:
    guest = deployed()
    driver.power_off(guest.ref, op, mode=PowerOff.HARD, grace_seconds=0)
    assert driver.rebuild(guest.ref, op).power_state is PowerState.RUNNING


def test_new_first_boot_data_is_taken(
    driver: IronicDriver, ironic: Ironic, deployed: Callable[..., Instance], op: Any
) -> None:
    guest = deployed()
    driver.rebuild(guest.ref, op, cloud_init=CloudInit(user_data="#cloud-config\n{}"))
    assert node_of(ironic, guest)["instance_info"]["configdrive"] == "******"
    driver.rebuild(guest.ref, op)
    assert "configdrive" in node_of(ironic, guest)["instance_info"], "what was given before is kept"


def test_a_rebuild_that_failed_is_mended_by_another(
    driver: IronicDriver, ironic: Ironic, deployed: Callable[..., Instance], op: Any
) -> None:
    guest = deployed(script=Script())
    script = {"op": "add", "path": "/driver_info/script", "value": {"fail": ["deploy"]}}
    ironic.api.patch(f"/v1/nodes/{guest.native_id}", script)
    with pytest.raises(StorageError, match=r"'deploy failed'.*deploy fails as scripted") as caught:
        driver.rebuild(guest.ref, op)
    assert caught.value.state_after is StateAfter.CHANGED
    assert driver.instance(guest.ref, fresh=True).lifecycle is Lifecycle.ERROR
    ironic.api.patch(f"/v1/nodes/{guest.native_id}", script | {"value": {}})
    mended = driver.rebuild(guest.ref, op)
    assert (mended.lifecycle, mended.power_state) == (Lifecycle.READY, PowerState.RUNNING)


def test_what_ironic_refuses_changes_nothing(
    driver: IronicDriver, ironic: Ironic, deployed: Callable[..., Instance], op: Any
) -> None:
    guest = deployed()
    before = node_of(ironic, guest)["instance_info"]
    ironic.api.put(f"/v1/nodes/{guest.native_id}/maintenance", {"reason": "fan"})
    with pytest.raises(Exception, match="maintenance"):
        driver.rebuild(guest.ref, op, source=OTHER)
    assert node_of(ironic, guest)["instance_info"] == before
    ironic.api.delete(f"/v1/nodes/{guest.native_id}/maintenance")
    assert driver.rebuild(guest.ref, op).lifecycle is Lifecycle.READY


def test_a_cancel_comes_too_late_once_writing_began(
    driver: IronicDriver, deployed: Callable[..., Instance], operation: Callable[..., Any], op: Any
) -> None:
    guest = deployed()
    running = operation()
    side = DriverSide(running)
    enter = side.stage

    def cancel_there(stage: Stage | str, cancel: CancelMode = CancelMode.AT_NEXT_STEP) -> None:
        enter(stage, cancel)
        if stage is Stage.DISKS and cancel is CancelMode.NONE:
            running.cancel()

    side.stage = cancel_there
    assert driver.rebuild(guest.ref, side).lifecycle is Lifecycle.READY


def test_what_has_no_disk_is_refused(
    driver: IronicDriver, ironic: Ironic, deployed: Callable[..., Instance], op: Any
) -> None:
    guest = deployed()
    iso = {"op": "add", "path": "/instance_info/boot_iso", "value": "https://images.example.org/boot.iso"}
    ironic.api.patch(f"/v1/nodes/{guest.native_id}", iso)
    with pytest.raises(InvalidSpec, match="ISO"):
        driver.rebuild(guest.ref, op)
    bare = deployed()
    ironic.api.patch(f"/v1/nodes/{bare.native_id}", {"op": "remove", "path": "/instance_info/image_source"})
    with pytest.raises(InvalidSpec, match=r"^source"):
        driver.rebuild(bare.ref, op)
    target = {"volume_type": "iscsi", "boot_index": 0, "volume_id": "v1", "node_uuid": bare.native_id}
    ironic.api.post("/v1/volume/targets", target)
    with pytest.raises(InvalidSpec, match="volume"):
        driver.rebuild(bare.ref, op, source=OTHER)
    ordinary = deployed()
    with pytest.raises(NotSupported):
        driver.rebuild(ordinary.ref, op, source=LocalFile("image.qcow2"))
    with pytest.raises(InvalidSpec, match=r"^source\.format"):
        driver.rebuild(ordinary.ref, op, source=BackendUrl("https://x.example.org/a", CHECKSUM, ImageFormat.VMDK))


def test_whose_guest_it_is_counts(
    driver: IronicDriver, make_driver: Callable[..., IronicDriver], deployed: Callable[..., Instance], op: Any
) -> None:
    guest = deployed()
    with pytest.raises(PermissionDenied):
        make_driver(owner="somebody-else").rebuild(guest.ref, op)
    with pytest.raises(InstanceNotFound):
        driver.rebuild(InstanceRef(uuid=uuid.uuid4()), op)

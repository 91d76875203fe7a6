"""Tags of devices: the endpoint gets them with the devices, and Nova the places that these have."""

from typing import Any
from uuid import UUID

import pytest
from nova import exception, objects
from nova.api.metadata import base

import nova_virt_api as virt

FIRST, SECOND = "52:54:00:00:00:01", "52:54:00:00:00:02"
VOLUME, OTHER = "6f2b0f60-7a57-4f8e-9a4a-0d1f7a0f6c01", "6f2b0f60-7a57-4f8e-9a4a-0d1f7a0f6c02"


@pytest.fixture
def tags(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[Any]]:
    """What Nova's database has of ports and block devices; a test puts it there."""
    kept: dict[str, list[Any]] = {"vifs": [], "devices": []}
    for kind, name in ((objects.VirtualInterfaceList, "vifs"), (objects.BlockDeviceMappingList, "devices")):
        monkeypatch.setattr(kind, "get_by_instance_uuid", lambda *_, name=name: kept[name])
    monkeypatch.setattr(objects.Instance, "save", lambda instance: kept.setdefault("saved", []).append(instance.uuid))
    return kept


def port(make_vif: Any, mac: str) -> Any:
    vif = make_vif()
    vif["address"] = mac
    return vif


def card(mac: str, tag: str | None) -> Any:
    return objects.VirtualInterface(address=mac, tag=tag)


def disk(tag: str | None, **more: Any) -> Any:
    fields = {"boot_index": None, "device_name": None, "volume_id": None, "destination_type": "local"}
    return objects.BlockDeviceMapping(tag=tag, **fields | more)


def volume(tag: str | None, volume_id: str) -> Any:
    return disk(tag, volume_id=volume_id, destination_type="volume", source_type="volume")


def reached(volume_id: str) -> dict[str, Any]:
    return {"driver_volume_type": "iscsi", "serial": volume_id, "data": {"target_lun": 1}}


def told(instance: Any) -> list[dict[str, Any]]:
    """What Nova's metadata service tells the guest."""
    served = base.InstanceMetadata.__new__(base.InstanceMetadata)
    served.instance = instance
    found: list[dict[str, Any]] = served._get_device_metadata(base.OPENSTACK_VERSIONS[-1])
    return found


def test_devices_of_a_new_server(
    driver: Any, make_instance: Any, images: Any, spawn: Any, make_vif: Any, tags: dict[str, list[Any]]
) -> None:
    tags["vifs"] = [card(FIRST, "front"), card(SECOND, None)]
    tags["devices"] = [disk("root", boot_index=0), volume("data", VOLUME), volume(None, OTHER)]
    instance = make_instance(config_drive="True")
    block_devices = {
        "block_device_mapping": [
            {"connection_info": reached(one), "boot_index": None, "mount_device": "/dev/vdb"} for one in (VOLUME, OTHER)
        ]
    }
    spawn(
        driver, instance, network_info=[port(make_vif, FIRST), port(make_vif, SECOND)], block_device_info=block_devices
    )
    uuid = UUID(instance.uuid)
    front, second = driver.compute.interfaces(uuid)
    (data,) = (one for one in driver.compute.volumes(uuid) if one.id == VOLUME)
    assert (front.tag, second.tag, data.tag) == ("front", None, "data")
    assert [(each["type"], each["tags"], each["bus"], each["address"]) for each in told(instance)] == [
        ("nic", ["front"], "pci", front.address.text),
        ("disk", ["root"], "none", "none"),
        ("disk", ["data"], "pci", data.address.text),
    ]
    assert [each.get("serial") for each in told(instance)][2] == VOLUME


def test_a_volume_that_is_back_when_its_server_starts(
    driver: Any, running: Any, request_context: Any, tags: dict[str, list[Any]]
) -> None:
    tags["devices"] = [volume("data", VOLUME), volume(None, OTHER)]
    driver.power_off(running)
    mapping = [{"connection_info": reached(one), "mount_device": "/dev/vdb"} for one in (VOLUME, OTHER)]
    for _ in range(2):
        driver.power_on(request_context, running, [], {"block_device_mapping": mapping})
    seen = {one.id: one for one in driver.compute.volumes(UUID(running.uuid))}
    assert (seen[VOLUME].tag, seen[OTHER].tag) == ("data", None)
    assert [(each["serial"], each["tags"], each["address"]) for each in told(running)] == [
        (VOLUME, ["data"], seen[VOLUME].address.text)
    ]
    assert tags["saved"] == [running.uuid], "what the metadata service tells is written down once"


def test_devices_that_come_and_go(
    driver: Any, running: Any, request_context: Any, make_vif: Any, tags: dict[str, list[Any]]
) -> None:
    tags["vifs"], tags["devices"] = [card(SECOND, "back")], [volume("data", VOLUME)]
    driver.attach_interface(request_context, running, None, port(make_vif, SECOND))
    driver.attach_volume(request_context, reached(VOLUME), running, "/dev/vdb")
    assert [each["tags"] for each in told(running)] == [["back"], ["data"]]
    driver.detach_interface(request_context, running, port(make_vif, SECOND))
    assert [each["tags"] for each in told(running)] == [["data"]]
    assert tags["saved"] == [running.uuid] * 3


def test_a_server_without_tags_is_left_alone(
    driver: Any, running: Any, request_context: Any, make_vif: Any, tags: dict[str, list[Any]]
) -> None:
    driver.attach_interface(request_context, running, None, port(make_vif, SECOND))
    driver.attach_volume(request_context, reached(VOLUME), running, "/dev/vdb")
    assert "device_metadata" not in running
    assert "saved" not in tags


def test_nothing_is_asked_where_guests_are_told_nothing(
    driver: Any, switches: Any, running: Any, request_context: Any, make_vif: Any, tags: dict[str, list[Any]]
) -> None:
    tags["vifs"] = [card(SECOND, "back")]
    for feature in (virt.Feature.NIC_TAG, virt.Feature.VOLUME_TAG):
        switches.withdraw(feature, "not here")
    driver.attach_interface(request_context, running, None, port(make_vif, SECOND))
    assert [one.tag for one in driver.compute.interfaces(UUID(running.uuid)) if one.mac == SECOND] == [None]
    assert not driver.capabilities["supports_tagged_attach_interface"]


def test_an_interface_that_nova_could_not_note_is_detached_again(
    driver: Any, running: Any, request_context: Any, make_vif: Any, tags: dict[str, list[Any]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    tags["vifs"] = [card(SECOND, "back")]

    def refuse(*_: Any) -> None:
        raise exception.UnexpectedTaskStateError(instance_uuid=running.uuid, expected="x", actual="y")

    monkeypatch.setattr(objects.Instance, "save", refuse)
    with pytest.raises(exception.InterfaceAttachFailed):
        driver.attach_interface(request_context, running, None, port(make_vif, SECOND))
    assert [one for one in driver.compute.interfaces(UUID(running.uuid)) if one.mac == SECOND] == []

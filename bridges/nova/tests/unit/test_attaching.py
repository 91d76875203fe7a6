"""Volumes that guests get, lose, see grow and change, on the fake driver."""

import json
from typing import Any
from uuid import UUID

import pytest
from castellan import key_manager
from nova import exception
from nova.compute import task_states
from os_brick import encryptors

import nova_virt_api as virt
from nova_virt_api.fake.steps import Step
from nova_virt_bridge import volumes

OLD, NEW = "6f2b0f60-7a57-4f8e-9a4a-0d1f7a0f6c01", "6f2b0f60-7a57-4f8e-9a4a-0d1f7a0f6c02"
KEY = bytes(range(32))


def reached(volume_id: str, **more: Any) -> dict[str, Any]:
    """What Cinder says of a volume."""
    data = {"target_lun": 1, "auth_password": "hunter2", **more.pop("data", {})}
    return {"driver_volume_type": "iscsi", "serial": volume_id, "data": data, **more}


def used(driver: Any, instance: Any) -> dict[str, virt.AttachedVolume]:
    """The volumes of a guest at the endpoint."""
    return {volume.id: volume for volume in driver.compute.volumes(UUID(instance.uuid))}


@pytest.fixture
def attached(driver: Any, running: Any) -> Any:
    """An instance that runs, with a volume."""
    driver.attach_volume(None, reached(OLD), running, "/dev/vdb")
    return running


def test_attached_and_detached_while_it_runs(driver: Any, attached: Any) -> None:
    assert set(used(driver, attached)) == {OLD}
    driver.attach_volume(None, reached(OLD), attached, "/dev/vdb")
    assert set(used(driver, attached)) == {OLD}
    driver.detach_volume(None, reached(OLD), attached, "/dev/vdb")
    assert used(driver, attached) == {}
    driver.detach_volume(None, reached(OLD), attached, "/dev/vdb")


def test_attached_and_detached_while_it_is_off(driver: Any, running: Any) -> None:
    driver.power_off(running)
    driver.attach_volume(None, reached(OLD), running, "/dev/vdb")
    driver.power_on(None, running, [])
    assert set(used(driver, running)) == {OLD}


def test_as_the_user_and_cinder_want_it(driver: Any, running: Any) -> None:
    told = reached(OLD, multiattach=True, data={"access_mode": "ro"})
    driver.attach_volume(None, told, running, "/dev/vdb", disk_bus="scsi", device_type="disk")
    found = used(driver, running)[OLD]
    assert (found.bus, found.shared, found.read_only) == (virt.DiskBus.SCSI, True, True)


@pytest.mark.parametrize(
    ("how", "named"),
    [
        ({"device_type": "cdrom"}, "cdrom"),
        ({"disk_bus": "fdc"}, "disk_bus"),
        ({"encryption": {"provider": "plain"}}, "LUKS"),
    ],
)
def test_what_cannot_be_is_refused(driver: Any, running: Any, how: Any, named: str) -> None:
    with pytest.raises((exception.Invalid, NotImplementedError), match=named):
        driver.attach_volume(None, reached(OLD), running, "/dev/vdb", **how)
    assert used(driver, running) == {}


def test_a_volume_without_a_name_is_refused(driver: Any, running: Any) -> None:
    with pytest.raises(exception.InvalidVolume, match="no serial"):
        driver.attach_volume(None, {"driver_volume_type": "iscsi", "data": {}}, running, "/dev/vdb")


def test_the_passphrase_is_the_key_in_hexadecimal(
    driver: Any, running: Any, request_context: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    class Keys:
        """A key manager with one key."""

        def __init__(self, config: Any) -> None:
            pass

        def get(self, context: Any, key_id: str) -> Any:
            """The key."""
            asked.append((context, key_id))
            return type("Key", (), {"get_encoded": staticmethod(lambda: KEY)})

    monkeypatch.setattr(key_manager, "API", Keys)
    told = {"provider": "luks", "encryption_key_id": "k"}
    volume = volumes.volume_of(reached(OLD), encryption=told, context=request_context)
    assert volume.encryption == virt.LuksEncryption(passphrase=virt.Secret(KEY.hex()))
    assert asked == [(request_context, "k")]
    driver.attach_volume(request_context, reached(OLD), running, "/dev/vdb", encryption=told)
    assert used(driver, running)[OLD].encrypted


def test_a_volume_that_cannot_be_reached(driver: Any, running: Any) -> None:
    with pytest.raises(exception.InvalidVolume):
        driver.attach_volume(None, reached("unreachable-1"), running, "/dev/vdb")


def test_a_guest_that_does_not_let_go(driver: Any, attached: Any, switches: Any) -> None:
    switches.fail_at(Step.DETACH_VOLUME, virt.VolumeError("the guest does not let go"))
    with pytest.raises(exception.DeviceDetachFailed, match="let go"):
        driver.detach_volume(None, reached(OLD), attached, "/dev/vdb")
    assert set(used(driver, attached)) == {OLD}


def test_a_guest_that_is_gone_uses_no_volumes(driver: Any, attached: Any) -> None:
    driver.destroy(None, attached, [])
    driver.detach_volume(None, reached(OLD), attached, "/dev/vdb")


def test_a_move_that_failed_takes_no_volume_from_the_guest(driver: Any, attached: Any) -> None:
    attached.task_state = task_states.MIGRATING
    driver.detach_volume(None, reached(OLD), attached, "/dev/vdb")
    assert set(used(driver, attached)) == {OLD}


def test_extended(driver: Any, attached: Any, switches: Any) -> None:
    driver.extend_volume(None, reached(OLD), attached, virt.GiB(2))
    with pytest.raises(exception.InvalidInput, match="size_bytes"):
        driver.extend_volume(None, reached(OLD), attached, virt.GiB(1))


def test_swapped_for_a_volume_that_takes_over_its_id(driver: Any, attached: Any) -> None:
    driver.swap_volume(None, reached(OLD), reached(NEW), attached, "/dev/vdb", 0)
    assert set(used(driver, attached)) == {NEW}
    driver.extend_volume(None, reached(OLD), attached, virt.GiB(2))
    again = "6f2b0f60-7a57-4f8e-9a4a-0d1f7a0f6c03"
    driver.swap_volume(None, reached(OLD), reached(again), attached, "/dev/vdb", 3)
    assert set(used(driver, attached)) == {again}
    driver.detach_volume(None, reached(OLD), attached, "/dev/vdb")
    assert used(driver, attached) == {}
    labels = driver.compute.instance(UUID(attached.uuid)).labels
    assert not [key for key in labels if key.startswith("nova.volume.")]


def test_a_larger_volume_that_the_guest_sees_later_is_swapped_to(
    driver: Any, attached: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To fail after the guest went over would let Nova take the old volume for the one that is used."""

    def refuse(*_: Any, **__: Any) -> None:
        raise virt.VolumeError("the guest sees that when it is started next")

    monkeypatch.setattr(driver.compute, "extend_volume", refuse)
    driver.swap_volume(None, reached(OLD), reached(NEW), attached, "/dev/vdb", 3)
    assert set(used(driver, attached)) == {NEW}


def test_a_swap_that_fails_loses_no_id(driver: Any, attached: Any, switches: Any) -> None:
    driver.swap_volume(None, reached(OLD), reached(NEW), attached, "/dev/vdb", 0)
    with pytest.raises(exception.InvalidVolume):
        driver.swap_volume(None, reached(OLD), reached("unreachable-2"), attached, "/dev/vdb", 0)
    assert set(used(driver, attached)) == {NEW}
    driver.detach_volume(None, reached(OLD), attached, "/dev/vdb")
    assert used(driver, attached) == {}


def test_volumes_at_spawn_are_told_as_those_that_come_later(driver: Any, request_context: Any) -> None:
    device = {"connection_info": reached(OLD, multiattach=True), "boot_index": None, "disk_bus": "sata"}
    (volume,) = volumes.volumes_of({"block_device_mapping": [device]}, request_context)
    assert (volume.id, volume.bus, volume.shared, volume.boot) == (OLD, virt.DiskBus.SATA, True, False)
    assert isinstance(volume.connection, virt.OpaqueVolume)
    assert json.loads(volume.connection.properties.reveal())["auth_password"] == "hunter2"
    assert "hunter2" not in repr(volume)


def test_only_of_an_encrypted_volume_cinder_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def metadata(context: Any, api: Any, volume_id: str, connection: Any) -> dict[str, str]:
        asked.append(volume_id)
        return {"provider": "luks"}

    monkeypatch.setattr(encryptors, "get_encryption_metadata", metadata)
    assert volumes.encryption_of(reached(OLD), None) == {}
    assert volumes.encryption_of(reached(NEW, data={"encrypted": True}), None) == {"provider": "luks"}
    assert asked == [NEW]

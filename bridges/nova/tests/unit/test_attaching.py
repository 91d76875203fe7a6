"""Volumes that guests get, lose, see grow and change, on the fake driver."""

import json
from dataclasses import replace
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest
from castellan import key_manager
from nova import exception
from nova.compute import task_states
from os_brick import encryptors

import nova_virt_api as virt
from nova_virt_api.fake.steps import Step
from nova_virt_bridge import attaching, volumes

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


def devices(*found: dict[str, Any]) -> dict[str, Any]:
    """What Nova tells of a guest's volumes when it starts it."""
    return {"block_device_mapping": [{"connection_info": each, "boot_index": None} for each in found]}


@pytest.mark.parametrize("start", ["power_on", "reboot", "resume_state_on_host_boot"])
def test_what_was_taken_from_a_stopped_guest_is_back_when_it_starts(
    driver: Any, attached: Any, request_context: Any, start: str
) -> None:
    """So does nova-manage volume_attachment refresh, with another way to reach it."""
    driver.power_off(attached)
    driver.detach_volume(None, reached(OLD), attached, "/dev/vdb")
    told: dict[str, Any] = {"block_device_info": devices(reached(OLD), {}, {"data": {}})}
    more: dict[str, tuple[Any, ...]] = {"reboot": ("HARD",), "resume_state_on_host_boot": (None,)}
    getattr(driver, start)(request_context, attached, [], *more.get(start, ()), **told)
    assert set(used(driver, attached)) == {OLD}
    assert driver.get_info(attached, use_cache=False).state == 1


def test_what_the_guest_has_under_another_id_is_not_given_twice(
    driver: Any, attached: Any, request_context: Any
) -> None:
    driver.swap_volume(None, reached(OLD), reached(NEW), attached, "/dev/vdb", 0)
    driver.power_off(attached)
    driver.power_on(request_context, attached, [], devices(reached(OLD)))
    assert set(used(driver, attached)) == {NEW}


def test_a_guest_that_lost_what_it_boots_from_does_not_start(driver: Any, attached: Any, request_context: Any) -> None:
    driver.power_off(attached)
    told = {"block_device_mapping": [{"connection_info": reached(NEW), "boot_index": 0}]}
    with pytest.raises(exception.InvalidInput, match="boot"):
        driver.power_on(request_context, attached, [], told)
    assert driver.get_info(attached, use_cache=False).state == 4


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


def test_an_encrypted_volume_of_which_cinder_tells_no_more_is_refused(driver: Any, running: Any) -> None:
    """The guest would see what is encrypted, take it for an empty disk and write over it."""
    with pytest.raises(exception.InvalidVolume, match="encrypted"):
        driver.attach_volume(None, reached(OLD, data={"encrypted": True}), running, "/dev/vdb", encryption={})
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


def test_what_the_storage_encrypts_is_plain_to_the_guest(driver: Any, running: Any) -> None:
    told = {"provider": "luks", "encryption_key_id": "k", "control_location": "back-end"}
    driver.attach_volume(None, reached(OLD, data={"encrypted": True}), running, "/dev/vdb", encryption=told)
    assert not used(driver, running)[OLD].encrypted


def test_a_volume_that_cannot_be_reached(driver: Any, running: Any) -> None:
    with pytest.raises(exception.InvalidVolume):
        driver.attach_volume(None, reached("unreachable-1"), running, "/dev/vdb")


@pytest.mark.parametrize("error", [virt.Timeout("attach"), virt.ConnectionLost("the endpoint went away")])
def test_what_nova_gives_back_is_taken_from_the_guest(
    driver: Any, running: Any, monkeypatch: pytest.MonkeyPatch, error: virt.VirtError
) -> None:
    """Cinder lets somebody else use it after an attach that failed, whatever became of it."""
    attach = driver.compute.attach_volume

    def attached_all_the_same(*given: Any, **more: Any) -> None:
        attach(*given, **more)
        raise error

    monkeypatch.setattr(driver.compute, "attach_volume", attached_all_the_same)
    with pytest.raises(exception.NovaException):
        driver.attach_volume(None, reached(OLD), running, "/dev/vdb")
    assert used(driver, running) == {}


def test_a_volume_whose_tag_cannot_be_written_down_is_taken_back(
    driver: Any, running: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any) -> None:
        raise exception.NovaException("the database does not answer")

    tags = SimpleNamespace(of_volume=lambda volume: replace(volume, tag="data"))
    monkeypatch.setattr(attaching, "tags_of", lambda *_: tags)
    monkeypatch.setattr(attaching, "tell_nova", refuse)
    with pytest.raises(exception.NovaException, match="database"):
        driver.attach_volume(None, reached(OLD), running, "/dev/vdb")
    assert used(driver, running) == {}


def test_a_guest_that_went_over_before_the_connection_broke_is_told_as_swapped(
    driver: Any, attached: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    swap = driver.compute.swap_volume

    def swapped_all_the_same(*given: Any, **more: Any) -> None:
        swap(*given, **more)
        raise virt.ConnectionLost("the endpoint went away")

    monkeypatch.setattr(driver.compute, "swap_volume", swapped_all_the_same)
    driver.swap_volume(None, reached(OLD), reached(NEW), attached, "/dev/vdb", 0)
    assert set(used(driver, attached)) == {NEW}


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


@pytest.mark.parametrize(
    "error",
    [
        virt.VolumeError("the guest sees that when it is started next"),
        virt.InvalidState(virt.PowerState.RUNNING, [virt.PowerState.SHUTDOWN]),  # what is encrypted and far away
        virt.NotSupported(virt.Feature.EXTEND_VOLUME),
        virt.ConnectionLost("the endpoint went away"),
    ],
)
def test_a_larger_volume_that_the_guest_sees_later_is_swapped_to(
    driver: Any, attached: Any, monkeypatch: pytest.MonkeyPatch, error: virt.VirtError
) -> None:
    """To fail after the guest went over would let Nova take the old volume for the one that is used."""

    def refuse(*_: Any, **__: Any) -> None:
        raise error

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

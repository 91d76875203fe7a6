"""Making a guest anew: whole machines in their place, all others by Nova's own way."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from nova import exception, objects
from nova.compute import task_states

import nova_virt_api as virt
from nova_virt_api.fake.steps import Step

LAUNCHED = datetime(2026, 1, 1, tzinfo=UTC)
REFUSED = {"hw_vif_model": "ne2k_pci"}


def image_with(properties: dict[str, Any]) -> Any:
    return objects.ImageMeta.from_dict({"id": "x", "properties": properties})


@pytest.fixture
def rebuild(image_meta: Any, request_context: Any) -> Any:
    """Calls a driver's rebuild as nova-compute does."""

    def call(driver: Any, instance: Any, image: Any = image_meta, **more: Any) -> None:
        driver.rebuild(request_context, instance, image, [], None, {}, [], None, None, network_info=[], **more)

    return call


@pytest.fixture
def saved(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The task states under which instances were saved."""
    from nova import objects

    states: list[Any] = []
    monkeypatch.setattr(
        objects.Instance, "save", lambda instance, expected_task_state: states.append(instance.task_state)
    )
    return states


def test_virtual_guests_are_novas_to_rebuild(driver: Any, instance: Any, rebuild: Any) -> None:
    with pytest.raises(NotImplementedError):
        rebuild(driver, instance)


def test_a_whole_machine_keeps_its_place(
    make_driver: Any, make_instance: Any, images: Any, spawn: Any, rebuild: Any, saved: list[Any]
) -> None:
    driver = make_driver(nodes="a,b", whole_nodes=True, world="whole-rebuild")
    instance = make_instance(node="b")
    spawn(driver, instance)
    rebuild(driver, instance)
    assert saved == [task_states.REBUILD_SPAWNING]
    guest = driver.compute.instance(UUID(instance.uuid))
    assert (guest.node, guest.lifecycle) == ("b", virt.Lifecycle.READY)
    driver.destroy(None, instance, [])


def test_data_that_cannot_be_kept_is_not_risked(
    make_driver: Any, instance: Any, rebuild: Any, saved: list[Any]
) -> None:
    driver = make_driver(nodes="a", whole_nodes=True, world="whole-ephemeral")
    with pytest.raises(exception.PreserveEphemeralNotSupported):
        rebuild(driver, instance, preserve_ephemeral=True)
    assert saved == []


def root_volume() -> dict[str, Any]:
    """Block devices of a server that boots from a volume."""
    device = {"boot_index": 0, "mount_device": "/dev/vda", "connection_info": {"driver_volume_type": "iscsi"}}
    return {"root_device_name": "/dev/vda", "block_device_mapping": [device]}


@pytest.mark.parametrize("how", [{}, {"reimage_boot_volume": True}])
@pytest.mark.parametrize("whole_nodes", [False, True])
def test_a_guest_is_not_stopped_for_a_rebuild_that_cannot_be(
    make_driver: Any, instance: Any, rebuild: Any, saved: list[Any], whole_nodes: bool, how: Any
) -> None:
    driver = make_driver(nodes="a", whole_nodes=whole_nodes, world=f"volumes-{whole_nodes}")
    with driver.compute.native() as switches:
        switches.withdraw(virt.Feature.ATTACH_VOLUMES, "no hands")
    with pytest.raises(exception.InstanceFaultRollback) as caught:
        rebuild(driver, instance, block_device_info=root_volume(), **how)
    assert "volumes" in str(caught.value.inner_exception)
    assert saved == []


def test_a_guest_whose_volumes_can_be_detached_is_rebuilt_by_nova(driver: Any, instance: Any, rebuild: Any) -> None:
    with pytest.raises(NotImplementedError):
        rebuild(driver, instance, block_device_info=root_volume())


def test_a_guest_with_volumes_is_evacuated_by_nova(driver: Any, instance: Any, rebuild: Any) -> None:
    with pytest.raises(NotImplementedError):
        rebuild(driver, instance, block_device_info=root_volume(), evacuate=True)


@pytest.mark.parametrize("how", [{"evacuate": True}, {"reimage_boot_volume": True}])
def test_what_has_no_word_is_novas_even_there(make_driver: Any, instance: Any, rebuild: Any, how: Any) -> None:
    driver = make_driver(nodes="a", whole_nodes=True, world="whole-evacuate")
    with pytest.raises(NotImplementedError):
        rebuild(driver, instance, **how)


@pytest.mark.parametrize("whole_nodes", [False, True])
def test_a_guest_is_not_destroyed_for_an_image_that_is_refused(
    make_driver: Any, instance: Any, rebuild: Any, saved: list[Any], whole_nodes: bool
) -> None:
    driver = make_driver(nodes="a", whole_nodes=whole_nodes, world=f"words-{whole_nodes}")
    for launched_at in (None, LAUNCHED):
        instance.launched_at = launched_at
        with pytest.raises(exception.InstanceFaultRollback) as caught:
            rebuild(driver, instance, image_with(REFUSED))
        assert isinstance(caught.value.inner_exception, exception.BuildAbortException)
        assert "hw_vif_model=ne2k_pci" in str(caught.value.inner_exception)
    assert saved == []


def test_a_guest_is_not_destroyed_for_a_kernel_of_its_own(driver: Any, instance: Any, rebuild: Any) -> None:
    instance.kernel_id = "vmlinuz"
    with pytest.raises(exception.InstanceFaultRollback, match="kernel_id"):
        rebuild(driver, instance)


def test_an_evacuation_with_words_that_are_refused_is_for_another_host(
    driver: Any, instance: Any, rebuild: Any, spawn: Any
) -> None:
    with pytest.raises(NotImplementedError):
        rebuild(driver, instance, image_with(REFUSED), evacuate=True)


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        (("compute1", task_states.REBUILD_SPAWNING), exception.BuildAbortException),
        (("compute2", task_states.REBUILD_SPAWNING), exception.ComputeResourcesUnavailable),
        (("compute1", task_states.SPAWNING), exception.ComputeResourcesUnavailable),
    ],
    ids=["rebuilt", "evacuated", "new"],
)
@pytest.mark.usefixtures("images")
def test_a_guest_that_nova_destroyed_to_make_it_anew_is_not_said_to_be_as_it_was(
    driver: Any, config: Any, instance: Any, spawn: Any, switches: Any, where: tuple[str, str], expected: Any
) -> None:
    config.config(host="compute1")
    instance.host, instance.task_state = where
    switches.fail_at(Step.SPAWN_DISK, virt.NoCapacity("DISK_GB", "the pool is full"))
    with pytest.raises(expected, match="the pool is full"):
        spawn(driver, instance)


def test_a_whole_machine_that_could_not_be_made_anew_is_not_said_to_be_as_it_was(
    make_driver: Any, config: Any, make_instance: Any, images: Any, spawn: Any, rebuild: Any, saved: list[Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    driver = make_driver(nodes="a", whole_nodes=True, world="whole-full")
    config.config(host="compute1")
    instance = make_instance(node="a")

    def refuse(*_: Any, **__: Any) -> None:
        raise virt.NoCapacity("DISK_GB", "its disk is too small")

    monkeypatch.setattr(driver.compute, "rebuild", refuse)
    with pytest.raises(exception.BuildAbortException, match="its disk is too small"):
        rebuild(driver, instance)

"""Bare metal through Nova's driver interface: a real Ironic, whose machines Nova knows by their ids."""

import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from nova import objects
from nova.compute.provider_tree import ProviderTree

RUNNING, SHUTDOWN = 1, 4


def test_nodes_go_by_their_ids_and_need_no_file_of_novas(driver: Any, tmp_path: Path) -> None:
    names = driver.get_available_nodes()
    assert driver.get_nodenames_by_uuid() == {name: name for name in names}
    assert all(uuid.UUID(name) for name in names)
    assert not (tmp_path / "compute_id").exists()


def test_a_machine_is_one_unit_of_its_class(driver: Any) -> None:
    name = driver.get_available_nodes()[0]
    tree = ProviderTree()
    tree.new_root(name, name, generation=1)
    driver.update_provider_tree(tree, name)
    assert {each: entry["total"] for each, entry in tree.data(name).inventory.items()} == {"CUSTOM_BAREMETAL": 1}
    assert driver.get_available_resource(name)["uuid"] == name


def test_a_machine_is_deployed_switched_rebuilt_and_given_back(
    driver: Any, make_instance: Callable[[str], Any], image_meta: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    node = driver.get_available_nodes()[1]
    instance = make_instance(node)
    driver.spawn(None, instance, image_meta, [], "secret", {}, network_info=[], block_device_info={})
    assert driver.list_instance_uuids() == [instance.uuid]
    assert driver.get_info(instance, use_cache=False).state == RUNNING
    driver.power_off(instance)
    assert driver.get_info(instance, use_cache=False).state == SHUTDOWN
    driver.power_on(None, instance, [])
    monkeypatch.setattr(objects.Instance, "save", lambda instance, expected_task_state: None)
    driver.rebuild(None, instance, image_meta, [], None, {}, [], None, None, network_info=[])
    guest = driver.compute.instance(UUID(instance.uuid), fresh=True)
    assert (guest.power_state.code, guest.node) == (RUNNING, driver.site.nodes.node(node).name)
    driver.destroy(None, instance, [])
    assert driver.list_instance_uuids() == []
    driver.destroy(None, instance, [])

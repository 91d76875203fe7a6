"""Names and uuids of nodes: the same after every restart."""

import uuid
from typing import Any

import pytest
from nova import exception

NODE_UUID = "9e1b2f0c-3f0e-4c39-9d3e-4d1f7a0f6c11"


def test_the_only_node_has_novas_uuid(driver: Any) -> None:
    assert driver.get_available_nodes() == ["fake-host"]
    assert driver.get_nodenames_by_uuid() == {NODE_UUID: "fake-host"}
    assert driver.get_available_resource("fake-host")["uuid"] == NODE_UUID


def test_each_of_several_nodes_has_a_uuid_that_stays(make_driver: Any) -> None:
    first = make_driver(nodes="a,b").get_nodenames_by_uuid()
    again = make_driver(nodes="a,b").get_nodenames_by_uuid()
    assert sorted(first.values()) == ["a", "b"]
    assert first == again
    assert all(uuid.UUID(each) for each in first)
    assert NODE_UUID not in first


def test_a_node_keeps_its_uuid_when_others_come(make_driver: Any) -> None:
    alone = make_driver(config_options={"node_uuids": "endpoint"}, nodes="a", world=f"one-{uuid.uuid4().hex}")
    among = make_driver(config_options={"node_uuids": "endpoint"}, nodes="a,b", world=f"two-{uuid.uuid4().hex}")
    assert alone.get_nodenames_by_uuid().items() <= among.get_nodenames_by_uuid().items()


def test_one_node_is_promised_and_there_are_two(make_driver: Any) -> None:
    driver = make_driver(config_options={"node_uuids": "nova"}, nodes="a,b")
    with pytest.raises(exception.InvalidConfiguration, match="a, b"):
        driver.get_nodenames_by_uuid()


def test_a_whole_machine_is_named_by_its_id_and_never_by_novas_file(make_driver: Any) -> None:
    driver = make_driver(nodes="a", whole_nodes=True)
    assert driver.get_available_nodes() == ["a"]
    assert NODE_UUID not in driver.get_nodenames_by_uuid()


def test_a_node_that_is_gone(make_driver: Any, driver: Any) -> None:
    """It may be filtered out, or hidden from this account: Nova would forget what is allocated on a deleted node."""
    assert driver.node_is_available("fake-host")
    assert not driver.node_is_available("other")
    assert driver.get_available_resource("other") == {}
    whole = make_driver(nodes="a", whole_nodes=True, world=f"whole-{uuid.uuid4().hex}")
    assert not whole.node_is_available("other")
    assert not whole.is_node_deleted("other")


def test_a_node_that_nobody_knows_gets_no_guest(make_driver: Any, make_instance: Any, spawn: Any) -> None:
    with pytest.raises(exception.ComputeHostNotFound, match="elsewhere"):
        spawn(make_driver(nodes="a,b"), make_instance(node="elsewhere"))


def test_an_evacuated_instance_still_has_the_name_of_the_node_it_left(
    driver: Any, make_instance: Any, images: Any, spawn: Any
) -> None:
    instance = make_instance(node="elsewhere")
    spawn(driver, instance)
    assert driver.instance_exists(instance)
    assert driver.get_volume_connector(instance)["host"]

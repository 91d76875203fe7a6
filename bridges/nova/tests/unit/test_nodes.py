"""Names and uuids of nodes: the same after every restart."""

import stat
import uuid
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import nova.virt.node
import pytest
from nova import exception

import nova_virt_api as virt
from nova_virt_bridge.local_node import FILE
from nova_virt_bridge.node_names import NodeNames

NODE_UUID = "9e1b2f0c-3f0e-4c39-9d3e-4d1f7a0f6c11"
OTHER_UUID = "0d9a3c55-9a3e-4d0b-8a6f-4a2b5a2b7e01"
A, B, C = (virt.Node(id=f"host-{name}", name=name) for name in "abc")

Names = Callable[[Sequence[virt.Node]], NodeNames]


@pytest.fixture
def names(config: Any, monkeypatch: pytest.MonkeyPatch) -> Names:
    """Makes the names of an endpoint's nodes, as a nova-compute does that starts again."""
    monkeypatch.setattr(nova.virt.node, "get_local_node_uuid", lambda: NODE_UUID)

    def make(nodes: Sequence[virt.Node]) -> NodeNames:
        site: Any = SimpleNamespace(compute=SimpleNamespace(nodes=lambda: list(nodes)), has=lambda what: False)
        return NodeNames(site)

    return make


def test_only_nodes_of_one_name_are_named_with_their_ids(names: Names) -> None:
    assert list(names([A, B]).by_name()) == ["a", "b"]
    twin = virt.Node(id="host-9", name="b")
    assert names([A, B, twin]).by_name() == {"a": A, "b.host-b": B, "b.host-9": twin}
    assert names([A, B, twin]).node("b.host-9") is twin


def test_a_twin_changes_no_uuid(names: Names) -> None:
    before = {uuid: name.partition(".")[0] for uuid, name in names([A, B]).by_uuid().items()}
    after = names([A, B, virt.Node(id="host-9", name="b")]).by_uuid()
    assert {uuid: after[uuid].partition(".")[0] for uuid in before} == before


def test_uuids_stay_when_nodes_leave_until_one_is_left(names: Names) -> None:
    before = names([A, B]).by_uuid()
    assert names([A]).by_uuid().items() <= before.items()
    assert names([B]).by_uuid().items() <= before.items()
    assert names([A, B]).by_uuid() == before


def test_uuids_stay_when_nodes_come_to_the_first(names: Names) -> None:
    assert names([A]).by_uuid() == {NODE_UUID: "a"}
    more = names([B, A, C]).by_uuid()
    assert more[NODE_UUID] == "a"
    assert names([C]).by_uuid().items() <= more.items()
    assert names([A, B, C]).by_uuid() == more


def test_an_endpoint_without_nodes_decides_nothing(names: Names, tmp_path: Path) -> None:
    assert names([]).by_uuid() == {}
    assert not (tmp_path / FILE).exists()
    assert names([A]).by_uuid() == {NODE_UUID: "a"}


def test_a_new_machine_under_the_old_name_keeps_the_uuid(names: Names) -> None:
    names([A]).by_uuid()
    assert names([virt.Node(id="other", name="a")]).by_uuid() == {NODE_UUID: "a"}


def test_the_choice_is_for_one_file_compute_id(names: Names, monkeypatch: pytest.MonkeyPatch) -> None:
    names([A, B]).by_uuid()
    monkeypatch.setattr(nova.virt.node, "get_local_node_uuid", lambda: OTHER_UUID)
    assert names([A]).by_uuid() == {OTHER_UUID: "a"}


def test_the_choice_is_kept_for_nova_alone(names: Names, tmp_path: Path) -> None:
    names([A]).by_uuid()
    assert stat.S_IMODE((tmp_path / FILE).stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir()] == [FILE]


@pytest.mark.parametrize("content", ["", "[]", '"a"'])
def test_a_choice_that_cannot_be_read_is_not_taken_anew(names: Names, tmp_path: Path, content: str) -> None:
    (tmp_path / FILE).write_text(content)
    with pytest.raises(exception.InvalidConfiguration, match=FILE):
        names([A]).by_uuid()


def test_a_choice_that_cannot_be_kept_is_not_taken(names: Names, config: Any, tmp_path: Path) -> None:
    config.config(state_path=str(tmp_path / "missing"))
    with pytest.raises(exception.InvalidConfiguration, match="missing"):
        names([A]).by_uuid()


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

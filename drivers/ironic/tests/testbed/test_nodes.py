"""Nodes for tests: Ironic cannot tell the copies from what it enrolled itself."""

from collections.abc import Callable
from typing import Any, Final

from tools.ironic import EnrolledNode, Ironic, NodeSpec, Script

OWN: Final = {"uuid", "name", "links", "ports", "portgroups", "states", "volume", "created_at", "updated_at"}

Enroll = Callable[..., list[EnrolledNode]]


def shown(ironic: Ironic, node: EnrolledNode) -> dict[str, Any]:
    found: dict[str, Any] = ironic.api.get(f"/v1/nodes/{node.uuid}")
    return {field: value for field, value in found.items() if field not in OWN}


def test_as_many_as_asked_for_are_available(ironic: Ironic, enroll: Enroll) -> None:
    nodes = enroll(24, NodeSpec(resource_class="many"))
    found = ironic.api.get("/v1/nodes", resource_class="many", provision_state="available")["nodes"]
    assert {(node["uuid"], node["name"]) for node in found} == {(node.uuid, node.name) for node in nodes}
    assert len(found) == 24


def test_a_copy_is_as_its_original(ironic: Ironic, enroll: Enroll) -> None:
    spec = NodeSpec(resource_class="alike", traits=["CUSTOM_A", "HW_CPU_X86_VMX"], script=Script(fail=["deploy"]))
    original, copy = enroll(2, spec)
    assert shown(ironic, copy) == shown(ironic, original)
    assert sorted(shown(ironic, copy)["traits"]) == ["CUSTOM_A", "HW_CPU_X86_VMX"]
    ports = ironic.api.get("/v1/ports", node=copy.uuid)["ports"]
    assert sorted(port["address"] for port in ports) == list(copy.addresses)
    assert not set(copy.addresses) & set(original.addresses)


def test_a_copy_can_be_deployed(ironic: Ironic, enroll: Enroll) -> None:
    path = f"/v1/nodes/{enroll(2)[1].uuid}"
    ironic.api.put(f"{path}/states/provision", {"target": "active"})
    ironic.api.wait(path, lambda node: node["provision_state"] == "active")


def test_a_thousand_fit(ironic: Ironic) -> None:
    nodes = ironic.enroll(1000, NodeSpec(resource_class="thousand"))
    assert len(ironic.api.get("/v1/nodes", resource_class="thousand", limit=1000)["nodes"]) == 1000
    ironic.forget(nodes)
    assert ironic.api.get("/v1/nodes", resource_class="thousand")["nodes"] == []


def test_forgotten_nodes_are_gone_in_any_state(ironic: Ironic) -> None:
    (node,) = ironic.enroll(1)
    path = f"/v1/nodes/{node.uuid}"
    ironic.api.put(f"{path}/states/provision", {"target": "active"})
    ironic.api.wait(path, lambda node: node["provision_state"] == "active")
    volume = {"node_uuid": node.uuid, "volume_type": "iscsi", "boot_index": 0, "volume_id": "1"}
    ironic.api.post("/v1/volume/targets", volume)
    ironic.forget([node])
    assert node.uuid not in {found["uuid"] for found in ironic.api.get("/v1/nodes")["nodes"]}
    assert ironic.api.get("/v1/ports", address=node.addresses[0])["ports"] == []

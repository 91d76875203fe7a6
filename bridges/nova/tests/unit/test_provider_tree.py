"""What Placement and the resource tracker are told."""

from typing import Any

import pytest
from nova.compute.provider_tree import ProviderTree

import nova_virt_api as virt
from nova_virt_bridge.provider_tree import record, supported_instances
from nova_virt_bridge.versions import version_number

NODE = "fake-host"


@pytest.fixture
def tree() -> ProviderTree:
    """Placement's view of the node: nothing yet."""
    tree = ProviderTree()
    tree.new_root(NODE, "9e1b2f0c-3f0e-4c39-9d3e-4d1f7a0f6c11", generation=1)
    return tree


def inventory(**more: Any) -> virt.Inventory:
    given: dict[str, Any] = {
        "node": virt.Node(id="1", name="n"),
        "hypervisor": "QEMU",
        "hypervisor_version": "7.2.22",
        "resources": (),
    }
    return virt.Inventory(**given | more)


def test_inventory_with_novas_ratios_and_reserves(config: Any, driver: Any, tree: ProviderTree) -> None:
    config.config(reserved_host_memory_mb=256, reserved_host_cpus=1, reserved_host_disk_mb=1500)
    config.config(cpu_allocation_ratio=8.0)
    driver.update_provider_tree(tree, NODE)
    told = tree.data(NODE).inventory
    assert told["VCPU"] == {
        "total": 8,
        "reserved": 1,
        "min_unit": 1,
        "max_unit": 8,
        "step_size": 1,
        "allocation_ratio": 8.0,
    }
    assert (told["MEMORY_MB"]["total"], told["MEMORY_MB"]["reserved"]) == (4096, 256)
    assert (told["DISK_GB"]["total"], told["DISK_GB"]["reserved"]) == (50, 2)


def test_a_ratio_that_an_operator_set_at_placement_stays(driver: Any, tree: ProviderTree) -> None:
    driver.update_provider_tree(tree, NODE)
    changed = tree.data(NODE).inventory
    changed["VCPU"]["allocation_ratio"] = 3.0
    tree.update_inventory(NODE, changed)
    driver.update_provider_tree(tree, NODE)
    assert tree.data(NODE).inventory["VCPU"]["allocation_ratio"] == 3.0


def test_a_node_in_maintenance_has_nothing_to_give(driver: Any, beside: virt.Compute, tree: ProviderTree) -> None:
    beside.enter_maintenance(NODE, "a fan")
    driver.update_provider_tree(tree, NODE)
    assert all(item["reserved"] == item["total"] for item in tree.data(NODE).inventory.values())


def test_traits_come_and_go_and_operators_traits_stay(
    driver: Any, switches: Any, tree: ProviderTree, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = inventory(resources=driver.compute.inventory().resources, traits=("HW_CPU_X86_AVX2", "CUSTOM_FAST"))
    monkeypatch.setattr(driver.compute, "inventory", lambda node: told)
    switches.withdraw(virt.Feature.TPM)
    tree.update_traits(NODE, ["CUSTOM_RACK_7", "HW_CPU_X86_AVX512F", "COMPUTE_NODE"])
    driver.update_provider_tree(tree, NODE)
    assert tree.data(NODE).traits == {"CUSTOM_RACK_7", "COMPUTE_NODE", "HW_CPU_X86_AVX2", "CUSTOM_FAST"}


def test_a_whole_machine_is_given_once(config: Any) -> None:
    config.config(reserved_host_memory_mb=256)
    item = virt.Resource(resource_class="CUSTOM_GOLD", total=1, used=0)
    told = record(item, inventory(resources=(item,)), {}, whole=True)
    assert told == {
        "total": 1,
        "reserved": 0,
        "min_unit": 1,
        "max_unit": 1,
        "step_size": 1,
        "allocation_ratio": 1.0,
    }


def test_a_class_that_nova_does_not_overcommit() -> None:
    item = virt.Resource(resource_class="VGPU", total=4, reserved=1)
    told = record(item, inventory(resources=(item,)), {}, whole=False)
    assert (told["reserved"], told["allocation_ratio"]) == (1, 1.0)


def test_architectures_come_from_traits() -> None:
    told = supported_instances(inventory(traits=("HW_ARCH_X86_64", "HW_ARCH_NONSENSE", "COMPUTE_NODE")))
    assert told == [("x86_64", "qemu", "hvm"), ("x86_64", "kvm", "hvm")]


@pytest.mark.parametrize(
    ("text", "number"), [("7.2.22", 7002022), ("8.0", 8000000), ("1.46", 1046000), ("", 0), ("8.0.123456", 8000999)]
)
def test_version(text: str, number: int) -> None:
    assert version_number(text) == number


def test_the_resource_trackers_view(driver: Any) -> None:
    told = driver.get_available_resource(NODE)
    assert (told["vcpus"], told["memory_mb"], told["local_gb"]) == (8, 4096, 50)
    assert told["hypervisor_hostname"] == NODE
    assert told["hypervisor_type"] == "fake"


def test_a_tpm_is_as_secret_as_its_host(driver: Any, switches: Any, tree: ProviderTree) -> None:
    """Nova asks for one of three traits, and by default for another one, which promises a key in the key manager."""
    driver.update_provider_tree(tree, NODE)
    told = {trait for trait in tree.data(NODE).traits if trait.startswith("COMPUTE_SECURITY_TPM_SECRET")}
    assert told == {"COMPUTE_SECURITY_TPM_SECRET_SECURITY_HOST"}
    switches.withdraw(virt.Feature.TPM)
    driver.update_provider_tree(tree, NODE)
    assert not {trait for trait in tree.data(NODE).traits if trait.startswith("COMPUTE_SECURITY_TPM_SECRET")}

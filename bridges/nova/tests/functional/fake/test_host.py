"""What Nova and placement know of the host."""

from typing import Any

import nova_virt_api as virt


def test_placement_has_what_the_inventory_says(cloud: Any, beside: virt.Compute) -> None:
    ours = {resource.resource_class: resource for resource in beside.inventory().resources}
    (provider,) = cloud.placement.get("/resource_providers").body["resource_providers"]
    theirs = cloud.placement.get(f"/resource_providers/{provider['uuid']}/inventories").body["inventories"]
    assert provider["name"] == "fake-host"
    assert {name: entry["total"] for name, entry in theirs.items()} == {
        name: resource.total for name, resource in ours.items()
    }


def test_nova_shows_the_hypervisor(cloud: Any, image: str, beside: virt.Compute) -> None:
    cloud.boot(image, memory_mb=512, disk_gb=3)
    cloud._run_periodics(raise_on_error=True)
    (hypervisor,) = cloud.api.api_get("/os-hypervisors/detail").body["hypervisors"]
    assert hypervisor["hypervisor_hostname"] == "fake-host"
    assert hypervisor["state"] == "up"
    usages = cloud.placement.get(f"/resource_providers/{hypervisor['id']}/usages").body["usages"]
    assert usages == {"VCPU": 1, "PCPU": 0, "MEMORY_MB": 512, "DISK_GB": 3}

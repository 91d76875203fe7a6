"""NICs that Neutron has to plug before a guest may start."""

from typing import Any
from uuid import UUID

import pytest
from nova import context, objects

import nova_virt_api as virt

PORT = "ce531f90-199f-48c0-816c-13e38010b442"


@pytest.fixture
def unplugged(cloud: Any) -> str:
    """A port that is not plugged yet; Nova waits for Neutron's word."""
    cloud.neutron._ports[PORT] = cloud.neutron.port_1 | {"status": "DOWN"}
    cloud.flags(vif_plugging_timeout=120, vif_plugging_is_fatal=True)
    return PORT


def test_a_guest_waits_until_its_network_is_plugged(
    cloud: Any, image: str, beside: virt.Compute, unplugged: str
) -> None:
    server = cloud.request(image, networks=[{"port": unplugged}])
    compute = cloud.compute.manager.driver.site.compute
    cloud.wait(lambda: [work.stage for work in compute.operations()] == [virt.Stage.BEFORE_START.value], "it waits")
    assert beside.instance(UUID(server["id"]), fresh=True).power_state is virt.PowerState.SHUTDOWN
    assert cloud.server(server)["status"] == "BUILD"
    cloud.events(name="network-vif-plugged", server=server, tag=unplugged)
    cloud.wait_for(server, "ACTIVE")
    assert beside.instance(UUID(server["id"]), fresh=True).power_state is virt.PowerState.RUNNING


def test_a_network_that_is_never_plugged_fails_the_build(cloud: Any, image: str, outside: Any, unplugged: str) -> None:
    before = outside.objects()
    cloud.flags(vif_plugging_timeout=1)
    server = cloud.wait_for(cloud.request(image, networks=[{"port": unplugged}]), "ERROR")
    assert "network" in server["fault"]["message"].lower()
    assert outside.objects() == before


def test_the_guest_has_the_ports_address(cloud: Any, image: str, outside: Any) -> None:
    server = cloud.boot(image, networks=[{"port": cloud.neutron.port_1["id"]}])
    (port,) = outside.parts(UUID(server["id"])).ports
    assert port.mac == cloud.neutron.port_1["mac_address"]


def test_the_guest_is_told_of_its_tagged_ports(cloud: Any, image: str, outside: Any) -> None:
    port = cloud.neutron.port_1
    server = cloud.boot(image, networks=[{"port": port["id"], "tag": "front"}], config_drive=True)
    (told,) = outside.parts(UUID(server["id"])).guest.told
    assert (told.tag, told.mac) == ("front", port["mac_address"])
    instance = objects.Instance.get_by_uuid(context.get_admin_context(), server["id"], ["device_metadata"])
    (device,) = instance.device_metadata.devices
    assert (device.tags, device.mac, device.bus.address) == (["front"], port["mac_address"], told.address.text)

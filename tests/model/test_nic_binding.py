"""Ports that interfaces are plugged into."""

from uuid import uuid4

import pytest

import nova_virt_api as virt

PORTS = [
    (virt.BridgePort(bridge="br0"), virt.Feature.NIC_BRIDGE),
    (virt.OvsPort(bridge="br-int", interface_id=uuid4(), vlan=4094), virt.Feature.NIC_OVS),
    (virt.OpaquePort(kind="os-vif", properties="{}"), virt.Feature.NIC_OPAQUE),
]


@pytest.mark.parametrize(("binding", "feature"), PORTS)
def test_each_kind_of_port_needs_a_feature_of_its_own(binding: virt.NicBinding, feature: virt.Feature) -> None:
    assert list(virt.Nic(binding=binding).features()) == [(feature, "binding")]


def test_an_interface_has_a_network_or_a_port() -> None:
    with pytest.raises(virt.InvalidSpec, match="not both"):
        virt.Nic(network="default", binding=virt.BridgePort(bridge="br0"))
    with pytest.raises(virt.InvalidSpec, match="BridgePort"):
        virt.Nic(binding="br0")  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["", "br 0", "a/b", "bridge:br0", "sixteen-letters-", "..", 7])
def test_bridges_have_names_that_linux_takes(name: str) -> None:
    for port in (virt.BridgePort, virt.OvsPort):
        with pytest.raises(virt.InvalidSpec, match="name of a bridge"):
            port(bridge=name)


@pytest.mark.parametrize("vlan", [0, 4095, True, "7"])
def test_vlans_have_numbers(vlan: int) -> None:
    with pytest.raises(virt.InvalidSpec, match="VLAN"):
        virt.OvsPort(bridge="br-int", vlan=vlan)


@pytest.mark.parametrize("properties", ["", "[]", "{", " " * 65537])
def test_what_a_service_describes_is_an_object(properties: str) -> None:
    with pytest.raises(virt.InvalidSpec, match="properties"):
        virt.OpaquePort(kind="os-vif", properties=properties)

"""A network configuration of cloud-init's in OpenStack's words."""

import json
from typing import Any

import pytest

from nova_virt_api.errors import InvalidSpec
from nova_virt_api.toolkit.network_data import network_data

MAC = "52:54:00:12:34:56"


def test_network() -> None:
    """Addresses, routes, gateways, name servers and DHCP have equivalents."""
    text = f"""
network:
  version: 2
  ethernets:
    first:
      match: {{macaddress: "{MAC.upper()}"}}
      mtu: 9000
      dhcp6: true
      addresses: [192.0.2.7/24, "2001:db8::7/64"]
      gateway4: 192.0.2.1
      routes: [{{to: 198.51.100.0/24, via: 192.0.2.2}}, {{to: default, via: "2001:db8::1"}}]
      nameservers: {{addresses: [192.0.2.53]}}
"""
    found = network_data(text)
    assert found["links"] == [{"id": "first", "type": "phy", "ethernet_mac_address": MAC, "mtu": 9000}]
    dhcp, four, six = found["networks"]
    assert (dhcp["type"], dhcp["link"]) == ("ipv6_dhcp", "first")
    assert (four["type"], four["ip_address"], four["netmask"]) == ("ipv4", "192.0.2.7", "255.255.255.0")
    assert four["routes"] == [
        {"network": "0.0.0.0", "netmask": "0.0.0.0", "gateway": "192.0.2.1"},
        {"network": "198.51.100.0", "netmask": "255.255.255.0", "gateway": "192.0.2.2"},
    ]
    assert (six["ip_address"], six["netmask"]) == ("2001:db8::7", "ffff:ffff:ffff:ffff::")
    assert six["routes"] == [{"network": "::", "netmask": "::", "gateway": "2001:db8::1"}]
    assert found["services"] == [{"type": "dns", "address": "192.0.2.53"}]


@pytest.mark.parametrize(
    "config",
    [
        "not: [valid",
        "just text",
        {"version": 1},
        {"version": 2, "bonds": {}},
        {"version": 2, "ethernets": {"eth0": {"dhcp4": True}}},
        {"version": 2, "ethernets": {"a": {"match": {"name": "en*"}}}},
        {"version": 2, "ethernets": {"a": {"match": {"macaddress": MAC}, "set-name": "lan"}}},
        {"version": 2, "ethernets": {"a": {"match": {"macaddress": MAC}, "addresses": ["nonsense"]}}},
        {"version": 2, "ethernets": {"a": {"match": {"macaddress": MAC}, "gateway4": "192.0.2.1"}}},
        {"version": 2, "ethernets": {"a": {"match": {"macaddress": MAC}, "nameservers": {"search": ["x"]}}}},
    ],
)
def test_what_has_no_equivalent_is_refused(config: Any) -> None:
    """A guest with half of its network could not be reached, so nothing is left out quietly."""
    with pytest.raises(InvalidSpec, match="network_config"):
        network_data(config if isinstance(config, str) else json.dumps(config))

"""First-boot data in the words of a config drive."""

import json
import uuid
from typing import Any

import pytest

from nova_virt_api.errors import InvalidSpec
from nova_virt_api.model.cloud_init import CloudInit
from nova_virt_ironic import config_drive as module
from nova_virt_ironic.config_drive import config_drive
from nova_virt_ironic.network_data import network_data

GUEST = uuid.UUID(int=7)
MAC = "52:54:00:12:34:56"


def test_what_cloud_init_reads() -> None:
    """Instance id, names, keys and user data are where cloud-init's data source ConfigDrive looks."""
    given = CloudInit(user_data="#!", hostname="h", ssh_authorized_keys=["a", "b"], metadata='{"role": "web"}')
    drive = config_drive(given, GUEST, "web")
    assert drive == {
        "meta_data": {
            "uuid": str(GUEST),
            "name": "web",
            "hostname": "h",
            "public_keys": {"key-0": "a", "key-1": "b"},
            "meta": {"role": "web"},
        },
        "user_data": "#!",
    }
    assert config_drive(CloudInit(), GUEST, "web") == {
        "meta_data": {"uuid": str(GUEST), "name": "web", "hostname": "web"}
    }


def test_size_is_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    """What Ironic would not take is refused before it is sent."""
    monkeypatch.setattr(module, "LARGEST", module.ISO_OVERHEAD + 1000)
    assert config_drive(CloudInit(user_data="x" * 800), GUEST, "web")
    with pytest.raises(InvalidSpec, match="config drive"):
        config_drive(CloudInit(user_data="x" * 1000), GUEST, "web")


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
    """A machine with half of its network could not be reached, so nothing is left out quietly."""
    with pytest.raises(InvalidSpec, match="network_config"):
        network_data(config if isinstance(config, str) else json.dumps(config))

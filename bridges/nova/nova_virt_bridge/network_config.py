"""Neutron's addresses as cloud-init's network configuration, version 2."""

from __future__ import annotations

from collections import defaultdict
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any, Final

import yaml
from nova.network.model import NetworkInfo
from nova.virt import netutils

if TYPE_CHECKING:
    from collections.abc import Sequence

AUTOMATIC: Final = ("slaac", "dhcpv6-stateful", "dhcpv6-stateless")


def network_config_of(vifs: Sequence[Any]) -> str | None:
    """The configuration as YAML; None where nothing is known, and the guest asks DHCP by itself.

    It says what Nova's ``network_data.json`` says, from which it is made.
    """
    data = netutils.get_network_metadata(NetworkInfo(vifs))
    if not data or not data["links"]:
        return None
    by_link: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for network in data["networks"]:
        by_link[network["link"]].append(network)
    servers = [service["address"] for service in data["services"] if service["type"] == "dns"]
    ethernets = {link["id"]: ethernet(link, by_link[link["id"]], servers) for link in data["links"]}
    return str(yaml.safe_dump({"version": 2, "ethernets": ethernets}))


def ethernet(link: dict[str, Any], networks: Sequence[dict[str, Any]], servers: Sequence[str]) -> dict[str, Any]:
    """One interface, found by its MAC address."""
    config: dict[str, Any] = {"match": {"macaddress": str(link["ethernet_mac_address"]).lower()}}
    if link.get("mtu"):
        config["mtu"] = int(link["mtu"])
    addresses: list[str] = []
    routes: list[dict[str, str]] = []
    for network in networks:
        kind = network["type"]
        if kind == "ipv4_dhcp":
            config["dhcp4"] = True
        elif kind == "ipv6_dhcp" or kind.endswith(AUTOMATIC):
            config["dhcp6"] = True
        else:
            addresses.append(with_prefix(network["ip_address"], network["netmask"]))
            routes += [route_of(route) for route in network["routes"]]
    if addresses:
        config["addresses"] = addresses
        if servers:
            config["nameservers"] = {"addresses": list(servers)}
    if routes:
        config["routes"] = routes
    return config


def route_of(route: dict[str, Any]) -> dict[str, str]:
    """One route."""
    return {"to": with_prefix(route["network"], route["netmask"]), "via": str(route["gateway"])}


def with_prefix(address: str, netmask: str) -> str:
    """Address and length of the network's part, for a mask that is written as an address."""
    return f"{address}/{int(ip_address(netmask)).bit_count()}"

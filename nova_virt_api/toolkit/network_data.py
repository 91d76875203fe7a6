"""cloud-init's network configuration, version 2, as the ``network_data.json`` of a config drive.

cloud-init reads no version 2 from a config drive, only OpenStack's ``network_data.json``. That knows less, so what has
no equivalent there is refused: a guest that came up with half of its network could not be reached.
"""

from __future__ import annotations

from ipaddress import ip_address, ip_interface, ip_network
from typing import TYPE_CHECKING, Any, Final

from nova_virt_api.errors import InvalidSpec

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

FIELD: Final = "cloud_init.network_config"
TOP: Final = frozenset({"version", "renderer", "ethernets"})
ETHERNET: Final = frozenset(
    {"match", "dhcp4", "dhcp6", "addresses", "gateway4", "gateway6", "routes", "nameservers", "mtu", "optional"}
)
ROUTE: Final = frozenset({"to", "via"})
EVERYTHING: Final = {4: ("0.0.0.0", "0.0.0.0"), 6: ("::", "::")}  # noqa: S104 - a route's destination


def network_data(text: str) -> dict[str, Any]:
    """The equivalent of a network configuration.

    Args:
        text: YAML, with or without the outer key ``network``.

    Raises:
        InvalidSpec: it is none, or says something that has no equivalent.
    """
    import yaml

    try:
        found = yaml.safe_load(text)
        config = found.get("network", found) if isinstance(found, dict) else found
        if not isinstance(config, dict) or config.get("version") != 2:
            raise refusal("it", "a network configuration of version 2")
        known(config, TOP, "")
        links, networks, services = [], [], []
        for name, ethernet in mapping(config.get("ethernets"), "ethernets").items():
            device = mapping(ethernet, f"ethernets.{name}")
            known(device, ETHERNET, f"ethernets.{name}.")
            links.append(link(str(name), device))
            networks += list(of_link(str(name), device))
            services += servers(str(name), device)
    except (yaml.YAMLError, ValueError, KeyError, TypeError, AttributeError) as error:
        if isinstance(error, InvalidSpec):
            raise
        raise refusal("it", "a network configuration of version 2 as cloud-init documents it") from error
    return {"links": links, "networks": networks, "services": services}


def link(name: str, device: Mapping[str, Any]) -> dict[str, Any]:
    """An Ethernet port, which is known by its address: nobody knows what the system will call it."""
    match = mapping(device.get("match"), f"ethernets.{name}.match")
    if set(match) != {"macaddress"}:
        raise refusal(f"ethernets.{name}.match", "macaddress, and nothing else")
    mac = str(match["macaddress"]).lower()
    return {"id": name, "type": "phy", "ethernet_mac_address": mac, "mtu": device.get("mtu")}


def of_link(name: str, device: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The addresses that an Ethernet port is to have; a static one of each family bears its family's routes."""
    for version in (4, 6):
        if device.get(f"dhcp{version}"):
            yield {"id": f"{name}-dhcp{version}", "link": name, "type": f"ipv{version}_dhcp"}
    routes = list(routes_of(name, device))
    for index, text in enumerate(device.get("addresses") or ()):
        address = ip_interface(text)
        yield {
            "id": f"{name}-{index}",
            "link": name,
            "type": f"ipv{address.version}",
            "ip_address": str(address.ip),
            "netmask": str(address.netmask),
            "routes": [route for version, route in routes if version == address.version],
        }
        routes = [(version, route) for version, route in routes if version != address.version]
    if routes:
        raise refusal(f"ethernets.{name}", "routes and gateways only of a family of which it has an address")


def routes_of(name: str, device: Mapping[str, Any]) -> Iterator[tuple[int, dict[str, str]]]:
    """Each route with the version of IP that it is for."""
    for version in (4, 6):
        if (gateway := device.get(f"gateway{version}")) is not None:
            yield route(*EVERYTHING[version], gateway)
    for found in device.get("routes") or ():
        known(found, ROUTE, f"ethernets.{name}.routes.")
        via = ip_address(found["via"])
        if found["to"] == "default":
            yield route(*EVERYTHING[via.version], found["via"])
        else:
            to = ip_network(found["to"])
            yield route(str(to.network_address), str(to.netmask), found["via"])


def route(network: str, netmask: str, gateway: str) -> tuple[int, dict[str, str]]:
    """One route with the version of IP that it is for."""
    return ip_address(gateway).version, {"network": network, "netmask": netmask, "gateway": str(gateway)}


def servers(name: str, device: Mapping[str, Any]) -> list[dict[str, str]]:
    """The name servers; on a config drive they are the machine's and not one port's."""
    nameservers = device.get("nameservers") or {}
    known(nameservers, frozenset({"addresses"}), f"ethernets.{name}.nameservers.")
    return [{"type": "dns", "address": str(ip_address(text))} for text in nameservers.get("addresses") or ()]


def mapping(value: Any, where: str) -> Mapping[str, Any]:
    """A value that must be a mapping."""
    if not isinstance(value, dict):
        raise refusal(where, "a mapping")
    return value


def known(found: Mapping[str, Any], allowed: frozenset[str], prefix: str) -> None:
    """Refuse what cannot be said on a config drive."""
    for key in found:
        if key not in allowed:
            raise refusal(f"{prefix}{key}", f"what a config drive can hold: {prefix}{{{', '.join(sorted(allowed))}}}")


def refusal(what: str, allowed: str) -> InvalidSpec:
    """The error for something that has no equivalent."""
    return InvalidSpec(FIELD, what, allowed, hint="let user_data write the network configuration instead")

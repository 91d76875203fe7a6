"""Neutron's ports as interfaces of ours, and its networks as those of the endpoint."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

import nova.conf
from nova import exception
from nova.network import os_vif_util
from os_vif import objects

import nova_virt_api as virt
from nova_virt_bridge.cards import Card

if TYPE_CHECKING:
    from collections.abc import Sequence

CONF = nova.conf.CONF
OS_VIF: Final = "os-vif"
"""What the drivers' contract calls a port that os-vif makes."""


def nics_of(vifs: Sequence[Any], compute: virt.Compute, told: virt.Capabilities, card: Card) -> tuple[virt.Nic, ...]:
    """The interfaces of a guest in Nova's order.

    Args:
        vifs: its ports.
        compute: the endpoint.
        told: its capabilities.
        card: what its flavor and image ask of each.

    Raises:
        NetworkError: a network is none of the endpoint's.
    """
    names = [network.name for network in compute.networks()] if vifs else []
    return tuple(nic_of(vif, names, told, card) for vif in vifs)


def nic_of(vif: Any, names: Sequence[str], told: virt.Capabilities, card: Card) -> virt.Nic:
    """One interface: named by its port where the endpoint knows ports or makes them, else by network and MAC address.

    A whole machine has the cards that it has.

    Raises:
        NetworkError: its network is none of the endpoint's, or os-vif makes no port of its kind.
        NotSupported: the endpoint makes no ports with os-vif, and the option ``os_vif`` says that it is to.
    """
    if told.has(virt.Feature.NIC_VIF) and told.has(virt.Feature.WHOLE_NODES):
        return virt.Nic(vif_id=vif["id"])
    vif_id = vif["id"] if told.has(virt.Feature.NIC_VIF) else None
    port = plugged(vif, told) if CONF.nova_virt.os_vif else None
    return virt.Nic(
        network=network_of(vif["network"], names) if port is None else None,
        binding=port,
        mac=vif["address"],
        vif_id=vif_id,
        model=card.model,
        queues=card.queues,
        limits=card.limits,
    )


def plugged(vif: Any, told: virt.Capabilities) -> virt.OpaquePort:
    """A port as os-vif makes it; two calls describe it in the same words.

    Raises:
        NetworkError: os-vif makes none of this kind.
        NotSupported: the endpoint makes no ports with os-vif.
    """
    told.require(virt.Feature.NIC_OPAQUE)
    objects.register_all()
    hint = "give the server a port that Neutron binds to Open vSwitch"
    try:
        found = os_vif_util.nova_to_osvif_vif(vif)
    except exception.NovaException as error:
        raise virt.NetworkError(f"port {vif['id']}: {error}", hint=hint) from error
    if found is None:
        raise virt.NetworkError(f"os-vif makes no port of Neutron's kind {vif['type']!r}", hint=hint)
    found.obj_reset_changes(recursive=True)  # listed in any order
    return virt.OpaquePort(kind=OS_VIF, properties=json.dumps(found.obj_to_primitive(), sort_keys=True))


def at_destination(migrate_data: Any, network_info: Sequence[Any] | None) -> tuple[Any, ...]:
    """The ports of a guest that is to come, as Neutron has bound them to this host."""
    if "vifs" in migrate_data and migrate_data.vifs:
        return tuple(vif.get_dest_vif() for vif in migrate_data.vifs)
    return tuple(network_info or ())


def network_of(network: Any, names: Sequence[str]) -> str:
    """The endpoint's network that stands for one of Neutron's, see the option ``networks``.

    Raises:
        NetworkError: there is none, or several could be meant.
    """
    physical = network.get_meta("physical_network")
    called = [name for name in (network["label"], network["id"], physical) if name]
    mapped = [CONF.nova_virt.networks[name] for name in called if name in CONF.nova_virt.networks]
    found = [*mapped, *(name for name in called if name in names)]
    if found:
        return str(found[0])
    if len(names) == 1:
        return names[0]
    hint = f"name one of {', '.join(names) or 'no network'} for it in nova.conf: [nova_virt] networks"
    raise virt.NetworkError(f"no network here stands for Neutron's {called[0] if called else 'network'!r}", hint=hint)

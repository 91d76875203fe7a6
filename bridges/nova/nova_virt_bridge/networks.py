"""Neutron's ports as interfaces of ours, and its networks as those of the endpoint."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import nova.conf

import nova_virt_api as virt
from nova_virt_bridge.cards import Card

if TYPE_CHECKING:
    from collections.abc import Sequence

CONF = nova.conf.CONF


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
    """One interface: named by its port where the endpoint knows ports, else by network and MAC address.

    A whole machine has the cards that it has.

    Raises:
        NetworkError: its network is none of the endpoint's.
    """
    if told.has(virt.Feature.NIC_VIF) and told.has(virt.Feature.WHOLE_NODES):
        return virt.Nic(vif_id=vif["id"])
    vif_id = vif["id"] if told.has(virt.Feature.NIC_VIF) else None
    return virt.Nic(
        network=network_of(vif["network"], names),
        mac=vif["address"],
        vif_id=vif_id,
        model=card.model,
        queues=card.queues,
        limits=card.limits,
    )


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

"""A guest's network cards: what they are connected to, and what they look like to the guest."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from pyVmomi import vim

from nova_virt_api.errors import InvalidSpec
from nova_virt_api.model.nic import NicModel
from nova_virt_vmware.networks import read_networks
from nova_virt_vmware.property_collector import look_at

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nova_virt_api.driver.operation import Operation
    from nova_virt_api.model.nic import Nic
    from nova_virt_api.model.place import Network
    from nova_virt_vmware.connection import Connection
    from nova_virt_vmware.nodes import NodeRow, Nodes

Card = vim.vm.device.VirtualEthernetCard

MODELS: Final = {
    NicModel.VMXNET3: vim.vm.device.VirtualVmxnet3,
    NicModel.E1000: vim.vm.device.VirtualE1000,
    NicModel.E1000E: vim.vm.device.VirtualE1000e,
}
"""The cards that vSphere has."""

USUAL: Final = NicModel.VMXNET3
MOST_LISTED: Final = 20
PORT_GROUP: Final = "port group"
DISTRIBUTED: Final = "distributed port group"


def check_models(nics: Sequence[Nic]) -> None:
    """Refuse cards that vSphere has not.

    Raises:
        InvalidSpec: there is one.
    """
    for index, nic in enumerate(nics):
        if nic.model is not None and nic.model not in MODELS:
            allowed = f"one of: {', '.join(model.value for model in MODELS)}"
            raise InvalidSpec(f"nics[{index}].model", nic.model.value, allowed)


def new_card(nic: Nic, backing: Any, key: int) -> Any:
    """A card that is connected from the start.

    Args:
        nic: what was asked for.
        backing: what it is connected to.
        key: a negative number that no other new device has.
    """
    kind = MODELS[nic.model or USUAL]
    connect = vim.vm.device.VirtualDevice.ConnectInfo(startConnected=True, allowGuestControl=True, connected=True)
    card = kind(key=key, backing=backing, connectable=connect, wakeOnLanEnabled=True)
    card.addressType = "assigned" if nic.mac is None else "manual"
    if nic.mac is not None:
        card.macAddress = nic.mac
    return card


def find_backings(connection: Connection, nodes: Nodes, node: NodeRow, nics: Sequence[Nic], op: Operation) -> list[Any]:
    """What each card is to be connected to.

    Raises:
        InvalidSpec: a network is not there, or none was named where there are several.
    """
    if not nics:
        return []
    there = [network for network in read_networks(connection, nodes, op) if network.id in node.networks]
    wanted = [pick(f"nics[{index}].network", nic.network, there) for index, nic in enumerate(nics)]
    made = {network.id: backing_of(connection, network, op) for network in wanted}
    return [made[network.id] for network in wanted]


def pick(field: str, wanted: str | None, networks: Sequence[Network]) -> Network:
    """The network of this name or id; the only one where none is named."""
    found = [network for network in networks if wanted in (None, network.name, network.id)]
    if len(found) != 1:
        names = ", ".join(network.name for network in networks[:MOST_LISTED])
        raise InvalidSpec(field, wanted, f"one of: {names}" if names else "nothing: the node reaches no network")
    return found[0]


def backing_of(connection: Connection, network: Network, op: Operation) -> Any:
    """What connects a card to a network of this kind.

    Raises:
        InvalidSpec: the network went meanwhile.
    """
    if network.kind == PORT_GROUP:
        name = told(connection, vim.Network, network, ("name",), op)["name"]
        return Card.NetworkBackingInfo(deviceName=name, network=connection.object(vim.Network, network.id))
    if network.kind == DISTRIBUTED:
        kind, paths = vim.dvs.DistributedVirtualPortgroup, ("key", "config.distributedVirtualSwitch")
        values = told(connection, kind, network, paths, op)
        switch = values["config.distributedVirtualSwitch"]
        uuid = dict(look_at(connection, type(switch), [switch._moId], ("uuid",), op))[switch._moId]["uuid"]
        port = vim.dvs.PortConnection(portgroupKey=values["key"], switchUuid=uuid)
        return Card.DistributedVirtualPortBackingInfo(port=port)
    summary = told(connection, vim.OpaqueNetwork, network, ("summary",), op)["summary"]
    return Card.OpaqueNetworkBackingInfo(
        opaqueNetworkId=summary.opaqueNetworkId, opaqueNetworkType=summary.opaqueNetworkType
    )


def told(
    connection: Connection, kind: type[Any], network: Network, paths: Sequence[str], op: Operation
) -> dict[str, Any]:
    """Properties of a network."""
    found = dict(look_at(connection, kind, [network.id], paths, op)).get(network.id)
    if found is None or not set(paths) <= found.keys():
        raise InvalidSpec("nics", network.name, "a network that the account can see")
    return dict(found)

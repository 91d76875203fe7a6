"""``nova-virt interface list``, ``attach`` and ``detach``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from nova_virt_api.cli.command import Command, add_guest, add_timeout
from nova_virt_api.cli.output import Lister, ShowOne
from nova_virt_api.errors import InvalidSpec
from nova_virt_api.model.nic import Nic, NicModel
from nova_virt_api.model.nic_binding import BridgePort, OpaquePort, OvsPort

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable, Sequence

    from nova_virt_api.model.interface import Interface
    from nova_virt_api.model.nic_binding import NicBinding

COLUMNS: Final = ("id", "mac", "network", "vif_id", "model", "tag", "address")


class InterfaceList(Lister):
    """List a guest's network interfaces."""

    expendable = ("model", "vif_id", "address", "tag")

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        add_guest(parser)

    def take_action(self, parsed_args: argparse.Namespace) -> tuple[Sequence[str], Iterable[Sequence[Any]]]:
        found = self.compute.interfaces(self.guest(parsed_args.guest))
        return COLUMNS, [values_of(interface) for interface in found]


class InterfaceAttach(ShowOne):
    """Give a guest one more network interface."""

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        add_guest(parser)
        parser.add_argument("--network", metavar="NAME", help="The network; may be left out where there is one.")
        parser.add_argument("--bridge", metavar="NAME", help="A Linux bridge of the hypervisor's host instead.")
        parser.add_argument("--ovs-bridge", metavar="NAME", help="A bridge of Open vSwitch there instead.")
        parser.add_argument("--vlan", metavar="NUMBER", type=int, help="The VLAN of the port of Open vSwitch.")
        parser.add_argument("--mac", metavar="ADDRESS", help="Its MAC address.")
        parser.add_argument("--model", choices=[model.value for model in NicModel], help="The kind of card.")
        parser.add_argument("--vif", metavar="ID", help="Use this interface that a network service has made.")
        parser.add_argument("--tag", metavar="TAG", help="What programs in the guest are to know it by.")
        add_timeout(parser)

    def take_action(self, parsed_args: argparse.Namespace) -> tuple[Sequence[str], Sequence[Any]]:
        guest, submit = self.guest(parsed_args.guest), self.compute.submit
        nic = Nic(
            network=parsed_args.network,
            mac=parsed_args.mac,
            model=NicModel(parsed_args.model) if parsed_args.model else None,
            vif_id=parsed_args.vif,
            binding=port_of(parsed_args),
            tag=parsed_args.tag,
        )
        interface = self.finish(
            lambda reached: submit.attach_interface(guest, nic, timeout=parsed_args.timeout, on_progress=reached)
        )
        return COLUMNS, values_of(interface)


class InterfaceDetach(Command):
    """Take a network interface away from a guest."""

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        add_guest(parser)
        parser.add_argument("interface", metavar="INTERFACE", help="Its id; 'interface list' shows it.")
        add_timeout(parser)

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        guest, submit = self.guest(parsed_args.guest), self.compute.submit
        self.finish(
            lambda reached: submit.detach_interface(
                guest, parsed_args.interface, timeout=parsed_args.timeout, on_progress=reached
            )
        )
        self.say(f"{guest.name} has no interface {parsed_args.interface}")


def port_of(parsed_args: argparse.Namespace) -> NicBinding | None:
    """The port that was asked for; None for a network.

    Raises:
        InvalidSpec: two were, or a VLAN of something else than a bridge of Open vSwitch.
    """
    bridge, ovs_bridge, vlan = parsed_args.bridge, parsed_args.ovs_bridge, parsed_args.vlan
    if bridge is not None and ovs_bridge is not None:
        raise InvalidSpec("ovs_bridge", ovs_bridge, "one bridge: --bridge or --ovs-bridge")
    if ovs_bridge is not None:
        return OvsPort(bridge=ovs_bridge, vlan=vlan)
    if vlan is not None:
        raise InvalidSpec("vlan", vlan, "given with --ovs-bridge only")
    return None if bridge is None else BridgePort(bridge=bridge)


def on_what(interface: Interface) -> str | None:
    """The network that an interface is on, or the switch that it is plugged into."""
    match interface.binding:
        case BridgePort(bridge=bridge) | OvsPort(bridge=bridge):
            return bridge
        case OpaquePort(kind=kind):
            return kind
        case None:
            return interface.network


def values_of(interface: Interface) -> tuple[Any, ...]:
    """An interface in plain values, in the order of the columns."""
    model = interface.model.value if interface.model is not None else None
    address = interface.address.text if interface.address is not None else None
    return interface.id, interface.mac, on_what(interface), interface.vif_id, model, interface.tag, address

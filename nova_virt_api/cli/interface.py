"""``nova-virt interface list``, ``attach`` and ``detach``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from nova_virt_api.cli.command import Command, add_guest, add_timeout
from nova_virt_api.cli.output import Lister, ShowOne
from nova_virt_api.model.nic import Nic, NicModel

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable, Sequence

    from nova_virt_api.model.interface import Interface

COLUMNS: Final = ("id", "mac", "network", "vif_id", "model")


class InterfaceList(Lister):
    """List a guest's network interfaces."""

    expendable = ("model", "vif_id")

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
        parser.add_argument("--mac", metavar="ADDRESS", help="Its MAC address.")
        parser.add_argument("--model", choices=[model.value for model in NicModel], help="The kind of card.")
        parser.add_argument("--vif", metavar="ID", help="Use this interface that a network service has made.")
        add_timeout(parser)

    def take_action(self, parsed_args: argparse.Namespace) -> tuple[Sequence[str], Sequence[Any]]:
        guest, submit = self.guest(parsed_args.guest), self.compute.submit
        nic = Nic(
            network=parsed_args.network,
            mac=parsed_args.mac,
            model=NicModel(parsed_args.model) if parsed_args.model else None,
            vif_id=parsed_args.vif,
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


def values_of(interface: Interface) -> tuple[Any, ...]:
    """An interface in plain values, in the order of the columns."""
    model = interface.model.value if interface.model is not None else None
    return interface.id, interface.mac, interface.network, interface.vif_id, model

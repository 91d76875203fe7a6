"""``nova-virt start``, ``stop`` and ``reboot``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nova_virt_api.cli.command import Command, add_guest, add_timeout, seconds
from nova_virt_api.compute.submit import GRACE_SECONDS
from nova_virt_api.model.instance import PowerOff

if TYPE_CHECKING:
    import argparse


class Start(Command):
    """Start a guest."""

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        add_guest(parser)
        add_timeout(parser)

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        guest = self.guest(parsed_args.guest)
        submit = self.compute.submit
        self.finish(lambda reached: submit.power_on(guest, timeout=parsed_args.timeout, on_progress=reached))
        self.say(f"{guest.name} is running")


class Stop(Command):
    """Stop a guest: ask it, and take its power away if it does not obey in time."""

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        add_guest(parser)
        add_power_off(parser)

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        guest = self.guest(parsed_args.guest)
        submit = self.compute.submit
        self.finish(
            lambda reached: submit.power_off(
                guest,
                mode=parsed_args.mode,
                grace_seconds=parsed_args.grace,
                timeout=parsed_args.timeout,
                on_progress=reached,
            )
        )
        self.say(f"{guest.name} is stopped")


class Reboot(Command):
    """Restart a guest."""

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        add_guest(parser)
        add_power_off(parser)

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        guest = self.guest(parsed_args.guest)
        submit = self.compute.submit
        self.finish(
            lambda reached: submit.reboot(
                guest,
                mode=parsed_args.mode,
                grace_seconds=parsed_args.grace,
                timeout=parsed_args.timeout,
                on_progress=reached,
            )
        )
        self.say(f"{guest.name} was restarted")


def add_power_off(parser: argparse.ArgumentParser) -> None:
    """The options that say how a guest is stopped."""
    how = parser.add_mutually_exclusive_group()
    how.add_argument(
        "--force",
        dest="mode",
        action="store_const",
        const=PowerOff.HARD,
        default=PowerOff.GRACEFUL,
        help="Take its power away without asking it.",
    )
    how.add_argument(
        "--grace",
        metavar="SECONDS",
        type=seconds,
        default=GRACE_SECONDS,
        help=f"How long the guest may take to obey before its power is taken away; {GRACE_SECONDS:g} if not given.",
    )
    add_timeout(parser)

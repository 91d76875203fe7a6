"""``nova-virt pause`` and ``unpause``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nova_virt_api.cli.command import Command, add_guest, add_timeout

if TYPE_CHECKING:
    import argparse


class Pause(Command):
    """Stop a guest's CPUs; its memory stays allocated."""

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        add_guest(parser)
        add_timeout(parser)

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        guest = self.guest(parsed_args.guest)
        self.finish(lambda _: self.compute.submit.pause(guest, timeout=parsed_args.timeout))
        self.say(f"{guest.name} is paused")


class Unpause(Command):
    """Let a paused guest go on."""

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        add_guest(parser)
        add_timeout(parser)

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        guest = self.guest(parsed_args.guest)
        self.finish(lambda _: self.compute.submit.unpause(guest, timeout=parsed_args.timeout))
        self.say(f"{guest.name} is running")

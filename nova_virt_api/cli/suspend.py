"""``nova-virt suspend`` and ``resume``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nova_virt_api.cli.command import Command, add_guest, add_timeout

if TYPE_CHECKING:
    import argparse


class Suspend(Command):
    """Save a guest's memory to storage and stop it."""

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        add_guest(parser)
        add_timeout(parser)

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        guest = self.guest(parsed_args.guest)
        submit = self.compute.submit
        self.finish(lambda reached: submit.suspend(guest, timeout=parsed_args.timeout, on_progress=reached))
        self.say(f"{guest.name} is suspended")


class Resume(Command):
    """Restore a suspended guest's memory and let it go on."""

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        add_guest(parser)
        add_timeout(parser)

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        guest = self.guest(parsed_args.guest)
        submit = self.compute.submit
        self.finish(lambda reached: submit.resume(guest, timeout=parsed_args.timeout, on_progress=reached))
        self.say(f"{guest.name} is running")

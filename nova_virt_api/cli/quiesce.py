"""``nova-virt quiesce`` and ``unquiesce``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nova_virt_api.cli.command import Command, add_guest, add_timeout

if TYPE_CHECKING:
    import argparse


class Quiesce(Command):
    """Bring a guest's file systems to rest until 'unquiesce', e.g. to copy its volumes."""

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        add_guest(parser)
        add_timeout(parser)

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        guest, submit = self.guest(parsed_args.guest), self.compute.submit
        self.finish(lambda reached: submit.quiesce(guest, timeout=parsed_args.timeout, on_progress=reached))
        self.say(f"{guest.name} is at rest")


class Unquiesce(Command):
    """Let a guest write again."""

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        add_guest(parser)
        add_timeout(parser)

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        guest, submit = self.guest(parsed_args.guest), self.compute.submit
        self.finish(lambda reached: submit.unquiesce(guest, timeout=parsed_args.timeout, on_progress=reached))
        self.say(f"{guest.name} writes again")

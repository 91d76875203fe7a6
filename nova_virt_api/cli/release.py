"""``nova-virt release``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nova_virt_api.cli.command import Command, add_guest, add_timeout

if TYPE_CHECKING:
    import argparse


class Release(Command):
    """Give a guest back: it stays as it is, and is nobody's."""

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        add_guest(parser)
        add_timeout(parser)

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        guest, submit = self.guest(parsed_args.guest), self.compute.submit
        self.finish(lambda reached: submit.release(guest, timeout=parsed_args.timeout, on_progress=reached))
        self.say(f"{guest.name} is nobody's")

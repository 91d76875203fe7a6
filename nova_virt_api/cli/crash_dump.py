"""``nova-virt crash-dump``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nova_virt_api.cli.command import Command, add_guest, add_timeout

if TYPE_CHECKING:
    import argparse


class CrashDump(Command):
    """Interrupt a guest so that its kernel writes a dump, if it is set up for that."""

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        add_guest(parser)
        add_timeout(parser)

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        guest = self.guest(parsed_args.guest)
        self.finish(lambda _: self.compute.submit.trigger_crash_dump(guest, timeout=parsed_args.timeout))
        self.say(f"{guest.name} was interrupted")

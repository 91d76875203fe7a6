"""``nova-virt wait``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nova_virt_api.cli.command import Command, add_guest, add_timeout
from nova_virt_api.cli.conditions import WAIT_SECONDS, WORDS, condition
from nova_virt_api.cli.running import run_wait
from nova_virt_api.compute.until import gone
from nova_virt_api.errors import InstanceNotFound

if TYPE_CHECKING:
    import argparse


class Wait(Command):
    """Wait until something holds for a guest."""

    epilog = f"Conditions: {', '.join(WORDS)}. An address that is only good on its own link does not count."

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        add_guest(parser)
        parser.add_argument("condition", metavar="CONDITION", help="What to wait for; see below.")
        add_timeout(parser, f"Give up after so many seconds; {WAIT_SECONDS:g} if not given.")

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        wanted = condition(parsed_args.condition)
        timeout = WAIT_SECONDS if parsed_args.timeout is None else parsed_args.timeout
        try:
            guest = self.guest(parsed_args.guest)
        except InstanceNotFound:
            if wanted != gone():
                raise
            self.say(f"{parsed_args.guest} is gone")
            return
        seen = run_wait(self.app, guest, wanted, timeout)
        self.say(f"{guest.name} is gone" if seen is None else f"{guest.name}: {wanted.seen(seen)}")

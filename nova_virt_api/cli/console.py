"""``nova-virt console log``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nova_virt_api.cli.command import Command, add_guest
from nova_virt_api.cli.report import printable
from nova_virt_api.compute.roles.repair import CONSOLE_LOG_BYTES

if TYPE_CHECKING:
    import argparse


class ConsoleLog(Command):
    """Print the end of what a guest wrote to its serial port."""

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        add_guest(parser)
        parser.add_argument(
            "--bytes",
            metavar="NUMBER",
            type=int,
            default=CONSOLE_LOG_BYTES,
            help=f"How much of it at most; {CONSOLE_LOG_BYTES} if not given.",
        )

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        log = self.compute.console_log(self.guest(parsed_args.guest), max_bytes=parsed_args.bytes)
        stdout = self.app.stdout
        if stdout.isatty() or not hasattr(stdout, "buffer"):
            # a guest must not be able to send commands to the terminal of who looks at its log
            text = log.decode(errors="replace").replace("\r\n", "\n").replace("\r", "\n")
            stdout.write(printable(text, keep="\n\t"))
        else:
            stdout.flush()
            stdout.buffer.write(log)
            stdout.buffer.flush()

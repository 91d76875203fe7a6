"""``nova-virt console show`` and ``console log``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nova_virt_api.cli.command import Command, add_guest
from nova_virt_api.cli.output import ShowOne
from nova_virt_api.cli.report import printable
from nova_virt_api.compute.roles.repair import CONSOLE_LOG_BYTES
from nova_virt_api.model.console import ConsoleKind, PtyConsole, TcpConsole

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from nova_virt_api.model.console import ConsoleAddress
    from nova_virt_api.model.secret import Secret


class ConsoleShow(ShowOne):
    """Show where a guest's screen or serial console is; each call may void the ticket of the last one."""

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        add_guest(parser)
        parser.add_argument(
            "--kind",
            choices=[kind.value for kind in ConsoleKind],
            default=ConsoleKind.VNC.value,
            help="Which of its consoles; vnc if not given.",
        )
        parser.add_argument(
            "--show-ticket", action="store_true", help="Print the ticket too, which lets whoever sees it in."
        )

    def take_action(self, parsed_args: argparse.Namespace) -> tuple[Sequence[str], Sequence[Any]]:
        address = self.compute.console(self.guest(parsed_args.guest), ConsoleKind(parsed_args.kind))
        return self.dict2columns(fields_of(address, show_ticket=parsed_args.show_ticket))


def fields_of(address: ConsoleAddress, *, show_ticket: bool) -> dict[str, Any]:
    """A console's address in plain values; its secrets as stars unless they are to be shown."""

    def shown(secret: Secret) -> str:
        return secret.reveal() if show_ticket else str(secret)

    if isinstance(address, PtyConsole):
        return {"kind": address.kind.value, "node": address.node, "path": address.path}
    if isinstance(address, TcpConsole):
        return {
            "kind": address.kind.value,
            "host": address.host,
            "port": address.port,
            "tls": address.tls,
            "ticket": None if address.ticket is None else shown(address.ticket),
            "expires_seconds": address.expires_seconds,
        }
    return {"kind": address.kind.value, "url": shown(address.url), "expires_seconds": address.expires_seconds}


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

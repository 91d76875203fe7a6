"""The application: global options, and the promise that an error is one line and a number."""

from __future__ import annotations

import argparse
import logging
import shutil
import textwrap
from collections.abc import Iterable
from typing import Any, Final, TextIO

import cliff.app

from nova_virt_api.cli.commands import GROUPS, Commands
from nova_virt_api.cli.connection import Connection
from nova_virt_api.cli.exit_codes import ExitCode, exit_code
from nova_virt_api.cli.parser import Parser, UsageError
from nova_virt_api.cli.report import Report, one_line
from nova_virt_api.errors import VirtError

DESCRIPTION = "Create and manage guests on any hypervisor that a driver is installed for."
EPILOG = (
    "Without --driver the profile's driver is used, and without any profile the embedded one, 'fake'. To begin:"
    " 'nova-virt doctor' says what can be used here, 'nova-virt create --help' how a guest is made,"
    " 'nova-virt help volume' what there is for volumes."
)
MOST_NARROW: Final = 40
"""Columns; on a narrower terminal lines are broken by the terminal."""


class App(cliff.app.App):
    """``nova-virt``.

    Args:
        version: what ``--version`` prints.
        stdout: standard output; None takes the process's own.
        stderr: standard error; None takes the process's own.
    """

    NAME = "nova-virt"

    options: argparse.Namespace
    connection: Connection
    report: Report

    def __init__(self, version: str, stdout: TextIO | None = None, stderr: TextIO | None = None) -> None:
        self.commands = Commands()
        self.subject: tuple[str, ...] = ()
        super().__init__(DESCRIPTION, version, self.commands, stdout=stdout, stderr=stderr, deferred_help=True)

    def build_option_parser(
        self, description: str | None, version: str | None, argparse_kwargs: dict[str, Any] | None = None
    ) -> argparse.ArgumentParser:
        """The parser of the options that may stand before and after any command."""
        parser = Parser(
            prog=self.NAME,
            description=description,
            epilog=EPILOG,
            add_help=False,
            allow_abbrev=False,
            usage="%(prog)s [global options] COMMAND ...",
            **(argparse_kwargs or {}),
        )
        parser.add_argument("-h", "--help", dest="deferred_help", action="store_true", help="Show help and end.")
        parser.add_argument("--version", action="version", version=str(version), help="Show the version and end.")
        endpoint = parser.add_argument_group("endpoint")
        endpoint.add_argument("--driver", metavar="NAME", help="The driver; 'driver list' shows what is installed.")
        endpoint.add_argument("--profile", metavar="NAME", help="A profile of ~/.config/nova-virt/profiles.yaml.")
        endpoint.add_argument(
            "-o",
            "--option",
            dest="driver_options",
            metavar="KEY=VALUE",
            action="append",
            default=[],
            help="An option of the driver; may be repeated. A secret is given as KEY=env:NAME, KEY=file:PATH or"
            " KEY=keyring:SERVICE/USER.",
        )
        endpoint.add_argument(
            "--owner", metavar="NAME", help="Whose guests these are; those of others are not touched."
        )
        endpoint.add_argument(
            "--manage", choices=("owned", "all"), help="With 'all', guests of other making may be changed too."
        )
        output = parser.add_argument_group("output")
        output.add_argument("-q", "--quiet", action="store_true", help="No progress and no notes.")
        output.add_argument("--debug", action="store_true", help="Show what goes on, and errors with their cause.")
        return parser

    def run(self, argv: list[str]) -> int:
        """Run one command; returns the exit code."""
        try:
            self.options, words = self.parser.parse_known_args(argv)
            return self.run_with_options(words)
        except UsageError as error:
            self.stderr.write(f"{one_line(str(error))}\n")
            return ExitCode.USAGE

    def run_with_options(self, words: list[str]) -> int:
        """Run the command that is left once the global options are known."""
        self.report = Report(self.stderr, self.NAME, debug=self.options.debug)
        self.connection = Connection(self.options, self.report)
        self.configure_logging()
        if not words:
            self.print_help()
            return ExitCode.OK if self.options.deferred_help else ExitCode.USAGE
        return self.run_subcommand(["help", *words] if self.options.deferred_help else words)

    def run_subcommand(self, argv: list[str]) -> int:
        """Run one command; every error becomes one line and an exit code."""
        try:
            try:
                return self.run_command(argv)
            finally:
                self.connection.close()
        except VirtError as error:
            self.report.error(error, self.subject)
            return exit_code(error)
        except KeyboardInterrupt:
            self.report.note("interrupted")
            return ExitCode.INTERRUPTED
        except (BrokenPipeError, UsageError):
            raise
        except Exception as error:  # noqa: BLE001 - a bug must not look different from any other failure
            self.report.bug(error, self.subject)
            return ExitCode.FAILED

    def run_command(self, argv: list[str]) -> int:
        """Find a command, read its arguments, run it."""
        try:
            command_class, name, arguments = self.commands.find_command(argv)
        except ValueError:
            return self.unknown_command(argv)
        self.subject = (name,)
        command = command_class(self, self.options, name)
        parsed = command.get_parser(f"{self.NAME} {name}").parse_args(arguments)
        return command.run(parsed)

    def unknown_command(self, words: list[str]) -> int:
        """Say that there is no such command, and which one may have been meant."""
        if words[0].startswith("-"):
            self.report.note(f"there is no option {words[0][:80]!r}; '{self.NAME} --help' lists the options")
            return ExitCode.USAGE
        tried = " ".join(word for word in words if not word.startswith("-")) or words[0]
        suggestion = self.commands.suggestion(words) or f"'{self.NAME} --help' lists the commands"
        self.report.note(f"there is no command {tried[:80]!r}; {suggestion}")
        return ExitCode.USAGE

    def print_help(self) -> None:
        """The global options and all commands."""
        self.parser.print_help(self.stdout)
        for title, group in GROUPS.items():
            self.stdout.write(f"\n{title}:\n")
            self.print_commands(group)

    def print_commands(self, names: Iterable[str]) -> None:
        """What each of these commands is for, in lines that fit the terminal."""
        width = max(MOST_NARROW, shutil.get_terminal_size().columns - 2)
        entries = dict(self.commands)
        for name in names:
            said = (entries[name].load().__doc__ or "").partition("\n")[0].rstrip(".")
            lines = textwrap.wrap(f"  {name:<18} {said}", width, subsequent_indent=" " * 21, break_on_hyphens=False)
            self.stdout.write("\n".join(lines) + "\n")

    def configure_logging(self) -> None:
        """Let warnings out, and everything with ``--debug``."""
        if self.options.debug:
            from nova_virt_api.cli.debug_log import log_everything

            log_everything()
            return
        handler = logging.StreamHandler(self.stderr)
        handler.setFormatter(logging.Formatter(f"{self.NAME}: warning: %(message)s"))
        logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)

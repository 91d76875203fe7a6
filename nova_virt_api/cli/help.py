"""``nova-virt help``, which ``nova-virt COMMAND --help`` comes to as well."""

from __future__ import annotations

import argparse

from nova_virt_api.cli.command import Command
from nova_virt_api.cli.commands import family_of
from nova_virt_api.cli.exit_codes import ExitCode


class Help(Command):
    """Show the help of the program, of one command, or of all that begin with a word."""

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("words", metavar="COMMAND", nargs=argparse.REMAINDER, help="The command.")

    def take_action(self, parsed_args: argparse.Namespace) -> int:
        if not parsed_args.words:
            self.app.print_help()
            return ExitCode.OK
        try:
            command_class, name, _ = self.app.commands.find_command(parsed_args.words)
        except ValueError:
            return self._family(parsed_args.words)
        command = command_class(self.app, self.app.options, name)
        command.get_parser(f"{self.app.NAME} {name}").print_help(self.app.stdout)
        return ExitCode.OK

    def _family(self, words: list[str]) -> int:
        """The commands that begin with a word that is none by itself."""
        family = family_of(words[0]) if len(words) == 1 else []
        if not family:
            return self.app.unknown_command(words)
        self.app.print_commands(family)
        return ExitCode.OK

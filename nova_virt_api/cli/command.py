"""What all commands share: quick start-up, one-line usage errors, the open endpoint, running a verb."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

import cliff.command

from nova_virt_api.cli.guests import find
from nova_virt_api.cli.parser import Parser
from nova_virt_api.cli.running import run_operation

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

    from nova_virt_api.cli.app import App
    from nova_virt_api.compute.compute import Compute
    from nova_virt_api.compute.face import OnProgress
    from nova_virt_api.compute.operation import Operation
    from nova_virt_api.model.instance import Instance

T = TypeVar("T")


class Command(cliff.command.Command):
    """A command of ours. Its docstring's first line is its help."""

    app: App
    epilog: ClassVar[str] = ""

    @property
    def compute(self) -> Compute:
        """The open endpoint."""
        return self.app.connection.compute

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = Parser(
            prog=prog_name,
            description=self.get_description(),
            epilog=self.get_epilog(),
            allow_abbrev=False,
        )
        self.add_arguments(parser)
        return parser

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare the command's own arguments."""

    def get_epilog(self) -> str:
        """What follows the options in the help; cliff's own looks through all installed distributions for it."""
        return self.epilog

    def guest(self, name: str) -> Instance:
        """The guest of a name or uuid; errors from now on are about it."""
        self.about(name)
        return find(self.compute, name)

    def about(self, name: str) -> None:
        """Errors from now on are about this guest."""
        self.app.subject = (self.cmd_name or "", name)

    def finish(self, submit: Callable[[OnProgress], Operation[T]]) -> T:
        """Begin an operation, show how it goes, and return its result."""
        return run_operation(self.app, " ".join(self.app.subject), submit)

    def say(self, text: str) -> None:
        """Say what was done, unless told to be quiet."""
        if not self.app.options.quiet:
            self.app.stdout.write(f"{text}\n")

    def note(self, text: str) -> None:
        """Say something worth knowing beside the output, unless told to be quiet."""
        if not self.app.options.quiet:
            self.app.report.note(text)

    def _load_hooks(self) -> None:
        """There are none; looking for them takes time."""
        self._hooks = []

    @abstractmethod
    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        """Do what the command is for."""


def add_guest(parser: argparse.ArgumentParser) -> None:
    """The argument that names a guest."""
    parser.add_argument("guest", metavar="GUEST", help="Name or uuid of the guest.")


def add_node(parser: argparse.ArgumentParser) -> None:
    """The argument that names a node to look at."""
    parser.add_argument("node", metavar="NODE", nargs="?", help="The node; may be left out where there is one.")


def add_timeout(parser: argparse.ArgumentParser, text: str = "Give up after so many seconds.") -> None:
    """The option that limits how long the command may take."""
    parser.add_argument("--timeout", metavar="SECONDS", type=seconds, help=text)


def seconds(text: str) -> float:
    """A positive number of seconds, for argparse."""
    value = float(text)
    if not 0 <= value < 10**9:
        raise ValueError(text)
    return value

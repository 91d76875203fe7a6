"""What is said to people on standard error: one line each, without control characters and secrets."""

from __future__ import annotations

import traceback
from typing import TYPE_CHECKING, TextIO

from nova_virt_api.cli.wording import in_commands
from nova_virt_api.errors import VirtError

if TYPE_CHECKING:
    from collections.abc import Iterable


def printable(text: str, keep: str = "") -> str:
    """The text with its control characters made visible: names of foreign guests could hold a terminal's commands."""
    return "".join(
        character if character.isprintable() or character in keep else character.encode("unicode_escape").decode()
        for character in text
    )


def one_line(text: str) -> str:
    """The text in one line."""
    return printable(" ".join(text.split()))


class Report:
    """The words of one run of the command.

    Args:
        stream: standard error.
        name: the command's name, with which every line begins.
        debug: whether errors come with their cause and place.
    """

    def __init__(self, stream: TextIO, name: str, *, debug: bool = False) -> None:
        self._stream = stream
        self._name = name
        self.debug = debug

    def note(self, text: str) -> None:
        """Something worth knowing."""
        self._stream.write(f"{self._name}: {one_line(text)}\n")
        self._stream.flush()

    def error(self, error: VirtError, subject: Iterable[str] = ()) -> None:
        """What went wrong, to what, and what to do.

        Args:
            error: the error.
            subject: command and guest that it happened to.
        """
        hint = f"; {in_commands(error.hint)}" if error.hint else ""
        left = f"; left behind: {', '.join(str(leftover) for leftover in error.leftovers)}" if error.leftovers else ""
        self._fail(error, subject, error.message + hint + left)

    def bug(self, error: Exception, subject: Iterable[str] = ()) -> None:
        """An error that should not have happened."""
        more = "" if self.debug else "; --debug shows where"
        self._fail(error, subject, f"internal error, please report it: {type(error).__name__}: {error}{more}")

    def _fail(self, error: BaseException, subject: Iterable[str], text: str) -> None:
        where = " ".join((self._name, *subject))
        self._stream.write(f"{one_line(where)}: {one_line(text)}\n")
        if self.debug:
            self._stream.write(printable("".join(traceback.format_exception(error)), keep="\n"))
        self._stream.flush()

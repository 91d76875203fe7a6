"""What people see of a run: results on standard output, how it is going on standard error."""

from __future__ import annotations

import os
import shutil
import sys
import threading
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Final, TextIO

if TYPE_CHECKING:
    from collections.abc import Mapping

BAR_WIDTH: Final = 24
ERASE_LINE: Final = "\r\x1b[K"
COLOURS: Final = {"red": "31", "green": "32", "yellow": "33"}


class Screen(ABC):
    """Both streams; thread-safe, for a second thread draws the time that goes by.

    Args:
        out: standard output.
        err: standard error.
    """

    def __init__(self, out: TextIO, err: TextIO) -> None:
        self.lock = threading.RLock()
        self.err = err
        self._out = out
        self._coloured = is_terminal(out) and not os.environ.get("NO_COLOR")

    def result(self, text: str, colour: str = "") -> None:
        """Write lines to standard output."""
        shown = printable(text)
        if colour and self._coloured:
            shown = f"\x1b[{COLOURS[colour]}m{shown}\x1b[0m"
        with self.lock:
            self.erase()
            self._out.write(f"{shown}\n")
            self._out.flush()

    def note(self, text: str) -> None:
        """Write a line to standard error."""
        with self.lock:
            self.erase()
            self.err.write(f"{printable(' '.join(text.split()))}\n")
            self.err.flush()

    @abstractmethod
    def ended(self, text: str) -> None:
        """A test ended; its line."""

    @abstractmethod
    def running(self, done: int, total: int, text: str) -> None:
        """So far it is, and this is going on."""

    @abstractmethod
    def erase(self) -> None:
        """Take away what would be in the way of the next line."""


class Lines(Screen):
    """A line for every test, for logs and pipes."""

    def ended(self, text: str) -> None:
        """See :class:`Screen`."""
        self.note(text)

    def running(self, done: int, total: int, text: str) -> None:
        """Each test has its line when it ends."""

    def erase(self) -> None:
        """Lines stay."""


class Bar(Screen):
    """One line of a terminal, drawn again in place."""

    def ended(self, text: str) -> None:
        """The bar has moved."""

    def running(self, done: int, total: int, text: str) -> None:
        """See :class:`Screen`."""
        filled = done * BAR_WIDTH // total if total else 0
        line = printable(f"[{'=' * filled}{'.' * (BAR_WIDTH - filled)}] {done}/{total}  {text}")
        with self.lock:
            self.err.write(f"{ERASE_LINE}{line[: shutil.get_terminal_size().columns - 1]}")
            self.err.flush()

    def erase(self) -> None:
        """See :class:`Screen`."""
        self.err.write(ERASE_LINE)
        self.err.flush()


def is_terminal(stream: TextIO, environment: Mapping[str, str] = os.environ) -> bool:
    """Whether a stream is a terminal that lines can be drawn on."""
    return stream.isatty() and environment.get("TERM", "dumb") != "dumb"


def printable(text: str) -> str:
    """The text with its control characters made visible: names of foreign guests could hold a terminal's commands."""
    return "".join(
        character if character.isprintable() or character == "\n" else character.encode("unicode_escape").decode()
        for character in text
    )


def screen() -> Screen:
    """The process's own streams, on descriptors of their own: pytest takes the others while a test runs."""
    out, err = own(sys.stdout), own(sys.stderr)
    return Bar(out, err) if is_terminal(err) else Lines(out, err)


def own(stream: TextIO) -> TextIO:
    """The same stream, unaffected by what is done to its descriptor."""
    return os.fdopen(os.dup(stream.fileno()), "w", encoding=stream.encoding, errors="backslashreplace")

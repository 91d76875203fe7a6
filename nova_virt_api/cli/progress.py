"""How an operation is going: a line that redraws itself on a terminal, a line per stage elsewhere."""

from __future__ import annotations

import os
import shutil
import threading
import time
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, Final, TextIO

from nova_virt_api.cli.report import one_line, printable

if TYPE_CHECKING:
    from nova_virt_api.compute.operation import Operation

BAR_WIDTH: Final = 24
ERASE_LINE: Final = "\r\x1b[K"


class Progress(ABC):
    """Tells people how something goes.

    Args:
        stream: standard error.
        what: what is going on, e.g. ``create web``.
    """

    def __init__(self, stream: TextIO, what: str) -> None:
        self.stream = stream
        self.what = what

    @abstractmethod
    def reached(self, operation: Operation[Any]) -> None:
        """An operation's stage or progress changed; called in the operation's thread."""

    @abstractmethod
    def look(self, operation: Operation[Any]) -> None:
        """Show how an operation is now; called again and again in the main thread."""

    @abstractmethod
    def waits(self, text: str) -> None:
        """Show that something is waited for of which nobody knows how long it takes; called again and again."""

    @abstractmethod
    def note(self, text: str) -> None:
        """Say something in between."""

    @abstractmethod
    def erase(self) -> None:
        """Take away what would be in the way of the next output."""


class Lines(Progress):
    """A line per stage, for logs and pipes."""

    def __init__(self, stream: TextIO, what: str) -> None:
        super().__init__(stream, what)
        self._last = ""
        self._writing = threading.Lock()

    def reached(self, operation: Operation[Any]) -> None:
        if operation.progress < 1.0:  # the end is told by the command
            self.waits(operation.stage)

    def look(self, operation: Operation[Any]) -> None:
        """Each stage has its line already."""

    def waits(self, text: str) -> None:
        with self._writing:
            if text != self._last:
                self._last = text
                self._write(f"{self.what}: {text}")

    def note(self, text: str) -> None:
        with self._writing:
            self._write(text)

    def erase(self) -> None:
        """Lines stay."""

    def _write(self, text: str) -> None:
        self.stream.write(f"{one_line(text)}\n")
        self.stream.flush()


class Bar(Progress):
    """One line of a terminal, drawn again in place by the main thread."""

    def __init__(self, stream: TextIO, what: str) -> None:
        super().__init__(stream, what)
        self._began = time.monotonic()

    def reached(self, operation: Operation[Any]) -> None:
        """The main thread looks often enough."""

    def look(self, operation: Operation[Any]) -> None:
        counted = operation.progress > 0
        self._draw(bar(operation.progress) if counted else moving_bar(self._elapsed), operation.stage)

    def waits(self, text: str) -> None:
        self._draw(moving_bar(self._elapsed), text)

    def note(self, text: str) -> None:
        self.erase()
        self.stream.write(f"{one_line(text)}\n")
        self.stream.flush()

    def erase(self) -> None:
        self.stream.write(ERASE_LINE)
        self.stream.flush()

    @property
    def _elapsed(self) -> int:
        return int(time.monotonic() - self._began)

    def _draw(self, drawn: str, stage: str) -> None:
        text = printable(f"{self.what}  {drawn}  {stage}  {self._elapsed} s")
        width = shutil.get_terminal_size().columns - 1
        self.stream.write(f"{ERASE_LINE}{text[:width]}")
        self.stream.flush()


class Silence(Progress):
    """Nothing but what is out of the ordinary, as ``--quiet`` asks for."""

    def reached(self, operation: Operation[Any]) -> None:
        pass

    def look(self, operation: Operation[Any]) -> None:
        pass

    def waits(self, text: str) -> None:
        pass

    def note(self, text: str) -> None:
        self.stream.write(f"{one_line(text)}\n")
        self.stream.flush()

    def erase(self) -> None:
        pass


def bar(fraction: float) -> str:
    """A bar with its percentage."""
    done = int(fraction * BAR_WIDTH)
    return f"[{'=' * done}{'.' * (BAR_WIDTH - done)}] {fraction:4.0%}"


def moving_bar(elapsed: int) -> str:
    """A bar that only moves."""
    at = elapsed % BAR_WIDTH
    return f"[{'.' * at}={'.' * (BAR_WIDTH - at - 1)}]"


def progress_on(stream: TextIO, what: str, *, quiet: bool) -> Progress:
    """The way of telling that suits a stream."""
    if quiet:
        return Silence(stream, what)
    if stream.isatty() and os.environ.get("TERM", "dumb") != "dumb":
        return Bar(stream, what)
    return Lines(stream, what)

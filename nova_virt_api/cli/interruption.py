"""A first Ctrl-C that is looked for: as an exception, at any line, it would break what is under way."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from types import FrameType, TracebackType
    from typing import Self

ASKING: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""The signals by which somebody asks a command to end."""


class Interruption:
    """Keeps the first of these signals back while it is entered; a further one is KeyboardInterrupt.

    Only for the main thread, as Python has it with signals.
    """

    def __init__(self) -> None:
        self.came = False

    def __enter__(self) -> Self:
        self._before = {number: signal.signal(number, self._take) for number in ASKING}
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _take(self, number: int, frame: FrameType | None) -> None:
        if self.came:
            raise KeyboardInterrupt
        self.came = True

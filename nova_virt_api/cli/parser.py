"""Argument parsers whose errors are one line."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    from collections.abc import Sequence


class UsageError(Exception):
    """The arguments do not fit the command."""


class Parser(ArgumentParser):
    """A parser that leaves it to the application to say what is wrong."""

    def error(self, message: str) -> NoReturn:
        """Tell the application what is wrong."""
        raise UsageError(f"{self.prog}: {message}; see '{self.prog} --help'")

    def parse_args(self, args: Sequence[str] | None = None, namespace: Any = None) -> Namespace:  # type: ignore[override]
        """The arguments; one that is not known is an error, with the option that may have been meant."""
        parsed: Namespace
        parsed, unknown = self.parse_known_args(args, namespace)
        if unknown:
            self.error(f"unrecognized arguments: {' '.join(unknown)}{self._meant(unknown)}")
        return parsed

    def _meant(self, unknown: list[str]) -> str:
        """The options that look like those that are not known."""
        typed = [word.partition("=")[0] for word in unknown if word.startswith("--")]
        close = [name for word in typed for name in get_close_matches(word, self._option_string_actions, n=1)]
        return f"; did you mean {' or '.join(repr(name) for name in dict.fromkeys(close))}?" if close else ""

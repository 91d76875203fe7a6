"""Argument parsers whose errors are one line."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import NoReturn


class UsageError(Exception):
    """The arguments do not fit the command."""


class Parser(ArgumentParser):
    """A parser that leaves it to the application to say what is wrong."""

    def error(self, message: str) -> NoReturn:
        """Tell the application what is wrong."""
        raise UsageError(f"{self.prog}: {message}; see '{self.prog} --help'")

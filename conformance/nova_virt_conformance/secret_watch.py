"""Looks for secrets where they must not be: in logs and in errors."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


class SecretWatch(logging.Handler):
    """A log handler that sees everything and keeps nothing; tells where a secret was found, not the secret.

    Args:
        violate: takes a line of text when a secret was seen.
    """

    def __init__(self, violate: Callable[[str], None]) -> None:
        super().__init__(logging.DEBUG)
        self._violate = violate
        self._secrets: set[str] = set()
        self._guard = threading.Lock()
        self._level_before = logging.NOTSET

    def add(self, secrets: Iterable[str]) -> None:
        """Look for these too; empty ones would be everywhere and are left out."""
        with self._guard:
            self._secrets |= {secret for secret in secrets if secret}

    def look(self, text: str, where: str) -> None:
        """Look into a text."""
        with self._guard:
            found = any(secret in text for secret in self._secrets)
        if found:
            self._violate(f"a secret can be read in {where}")

    def emit(self, record: logging.LogRecord) -> None:
        """Look into a log record, with the traceback that it may carry."""
        try:
            text = self.format(record)
        except Exception:  # noqa: BLE001  # whatever the arguments of a record do when they are formatted
            self.handleError(record)
            return
        self.look(text, f"the log of {record.name} ({record.levelname.lower()})")

    def __enter__(self) -> SecretWatch:
        root = logging.getLogger()
        self._level_before = root.level
        root.setLevel(logging.DEBUG)
        root.addHandler(self)
        return self

    def __exit__(self, *raised: object) -> None:
        root = logging.getLogger()
        root.removeHandler(self)
        root.setLevel(self._level_before)

"""Keeps the queries of our URLs, which may hold tokens, out of the HTTP library's own log."""

import logging
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

QUERY: Final = re.compile(r"\?[^\s'\")>]*")
"""The query in a URL, wherever that stands in a text."""

LOGGERS: Final = ("urllib3.connectionpool", "urllib3.util.retry")
"""Where urllib3 logs, at DEBUG, the address of each request."""

HIDING: Final = threading.local()
"""``on``: whether the calling thread fetches for us; what a program logs of its own requests is left alone."""


@contextmanager
def hidden_queries() -> Iterator[None]:
    """What the calling thread's requests log while the block runs has no query."""
    for name in LOGGERS:
        logging.getLogger(name).addFilter(without_query)  # adds it once, however often it is called
    HIDING.on = True
    try:
        yield
    finally:
        HIDING.on = False


def without_query(record: logging.LogRecord) -> bool:
    """Let a record pass, without the queries in its arguments."""
    if getattr(HIDING, "on", False) and isinstance(record.args, tuple):
        record.args = tuple(QUERY.sub("?***", part) if isinstance(part, str) else part for part in record.args)
    return True

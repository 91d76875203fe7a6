"""Names of managed objects as people know them: unescaped, and each for one thing only."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

ESCAPES: Final = {"%": "%25", "/": "%2f", "\\": "%5c"}
"""What the server escapes in names (vSphere API reference: ``ManagedEntity.name``), and nothing else."""

ESCAPED: Final = re.compile(r"%(25|2f|5c)", re.IGNORECASE)
SPECIAL: Final = re.compile(r"[%/\\]")


def plain_name(name: str) -> str:
    """A name as people write it, from how the server does."""
    return ESCAPED.sub(lambda found: chr(int(found[1], 16)), name)


def escaped_name(name: str) -> str:
    """A name as the server writes it, from how people do."""
    return SPECIAL.sub(lambda found: ESCAPES[found[0]], name)


def distinct_names(names: Mapping[str, str]) -> dict[str, str]:
    """A name of its own for each object, by the object's id, from the server's names.

    Names are unique in a folder or datacenter only. Those that several objects have are followed by the object's id.
    """
    plain = {moref: plain_name(name) for moref, name in names.items()}
    times = Counter(plain.values())
    return {moref: name if times[name] == 1 else f"{name} ({moref})" for moref, name in plain.items()}

"""Versions of hypervisors as Nova's database wants them: one integer."""

import re
from typing import Final

PARTS: Final = 3
EACH: Final = 1000


def version_number(text: str) -> int:
    """``7.2.22`` is 7002022; a version without digits is 0, and a part above 999 counts as that."""
    found = [min(int(part), EACH - 1) for part in re.findall(r"\d+", text)]
    first, second, third = (*found, *[0] * PARTS)[:PARTS]
    return first * EACH**2 + second * EACH + third

"""Sizes as people write them: ``512M``, ``2G``, ``20GiB``; the units are powers of 1024."""

import re
from typing import Final

from nova_virt_api.errors import InvalidSpec

PATTERN: Final = r"[0-9]{1,18}(\.[0-9]{1,9})? ?([KkMmGgTtPp]([Ii][Bb])?|[Bb])?"
ALLOWED: Final = "a size such as 512M, 1.5G or 20GiB (K, M, G, T, P: powers of 1024), or a whole number of bytes"
SIZE: Final = re.compile(PATTERN)
UNITS: Final = "BKMGTP"


def parse_size(field: str, value: object) -> int:
    """Bytes. ``MB`` and ``GB`` are refused, since people do not agree on what they mean.

    Args:
        field: what to call the value in an error.
        value: a whole number of bytes, or text.

    Raises:
        InvalidSpec: it is no size, or not a whole number of bytes.
    """
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if not isinstance(value, str) or SIZE.fullmatch(value.strip()) is None:
        raise InvalidSpec(field, value, ALLOWED)
    number, unit = split(value.strip())
    whole, _, fraction = number.partition(".")
    scaled = int(whole + fraction) << (10 * UNITS.index(unit))
    size, rest = divmod(scaled, int("1" + "0" * len(fraction)))
    if rest:
        raise InvalidSpec(field, value, ALLOWED)
    return size


def split(text: str) -> tuple[str, str]:
    """Number and unit, the unit as one capital letter."""
    number = text.rstrip("BIKMGTPbikmgtp ")
    unit = text[len(number) :].strip().upper()
    return number, unit[:1] or "B"

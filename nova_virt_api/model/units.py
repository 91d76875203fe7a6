"""Sizes in bytes, written the way people say them."""

from math import isfinite

from nova_virt_api.model.check import check, check_type


def KiB(count: float) -> int:  # noqa: N802
    """Bytes in that many kibibytes."""
    return _multiplied(count, 1024, "KiB(64)")


def MiB(count: float) -> int:  # noqa: N802
    """Bytes in that many mebibytes."""
    return _multiplied(count, 1024**2, "MiB(512)")


def GiB(count: float) -> int:  # noqa: N802
    """Bytes in that many gibibytes."""
    return _multiplied(count, 1024**3, "GiB(2)")


def _multiplied(count: float, unit: int, example: str) -> int:
    """That many units; text is refused, as Python would repeat it so many times."""
    allowed = f"a number, e.g. {example}"
    check_type("count", count, (int, float), allowed)
    check(isfinite(count), "count", count, allowed)
    return int(count * unit)

"""Sizes in bytes, written the way people say them."""


def KiB(count: float) -> int:  # noqa: N802
    """Bytes in that many kibibytes."""
    return int(count * 1024)


def MiB(count: float) -> int:  # noqa: N802
    """Bytes in that many mebibytes."""
    return int(count * 1024**2)


def GiB(count: float) -> int:  # noqa: N802
    """Bytes in that many gibibytes."""
    return int(count * 1024**3)

"""How much an image may ask of this machine."""

from dataclasses import dataclass
from typing import Final

from nova_virt_api.model.check import check_integer

HIGHEST: Final = 2**63 - 1
GROWTH_FLOOR: Final = 1024**3
"""What every image may grow to in a conversion, in bytes, however small it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Bounds for one image; what goes beyond is refused.

    Args:
        virtual_size_bytes: of the disk that a guest would see.
        stored_bytes: of the image itself, as fetched and after conversion.
        growth: how many times its stored size an image may take after conversion (at least 1 GiB is allowed).
        convert_memory_bytes: address space of the converting process.
        convert_cpu_seconds: processor time of the converting process.
    """

    virtual_size_bytes: int = 64 * 1024**4
    stored_bytes: int = 4 * 1024**4
    growth: int = 100
    convert_memory_bytes: int = 2 * 1024**3
    convert_cpu_seconds: int = 3600

    def __post_init__(self) -> None:
        check_integer("limits.virtual_size_bytes", self.virtual_size_bytes, 1, HIGHEST, "bytes")
        check_integer("limits.stored_bytes", self.stored_bytes, 1, HIGHEST, "bytes")
        check_integer("limits.growth", self.growth, 1, 10**6, "times")
        check_integer("limits.convert_memory_bytes", self.convert_memory_bytes, 2**26, HIGHEST, "bytes")
        check_integer("limits.convert_cpu_seconds", self.convert_cpu_seconds, 1, 10**6, "seconds")

    def converted_bytes(self, stored_bytes: int) -> int:
        """The largest size that an image of so many stored bytes may have after conversion."""
        return min(self.stored_bytes, max(GROWTH_FLOOR, self.growth * stored_bytes))

"""Where a guest's memory comes from, and who else may see it."""

import enum
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from nova_virt_api.capability import Feature
from nova_virt_api.model.check import check, check_integer, check_type

SMALLEST_PAGE: Final = 4096
LARGEST_PAGE: Final = 2**34


class MemoryEncryption(enum.Enum):
    """How a guest's memory is kept from its host."""

    SEV = "sev"
    """AMD's Secure Encrypted Virtualization."""

    SEV_ES = "sev-es"
    """The same, with the processor's registers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryBacking:
    """How a guest's memory is made.

    Args:
        page_bytes: size of the host's huge pages that it is made of, e.g. ``MiB(2)``; None for ordinary pages.
        file_backed: whether it is in a file of the host, so that it may be larger than what the host has free.
        shared: whether other processes of the host may use it, as virtiofs and vhost-user need.
        locked: whether the host must never swap it out.
        encryption: how it is kept from the host.
    """

    page_bytes: int | None = None
    file_backed: bool = False
    shared: bool = False
    locked: bool = False
    encryption: MemoryEncryption | None = None

    def __post_init__(self) -> None:
        if self.page_bytes is not None:
            check_integer("page_bytes", self.page_bytes, SMALLEST_PAGE, LARGEST_PAGE, "bytes, e.g. MiB(2),")
            power = self.page_bytes & (self.page_bytes - 1) == 0
            check(power, "page_bytes", self.page_bytes, "a power of 2, e.g. MiB(2)")
        for field in ("file_backed", "shared", "locked"):
            check_type(field, getattr(self, field), bool, "True or False")
        if self.encryption is not None:
            check_type("encryption", self.encryption, MemoryEncryption, "a MemoryEncryption")
        in_huge_pages = self.file_backed and self.page_bytes is not None
        check(not in_huge_pages, "file_backed", True, "False beside page_bytes: huge pages are in no file")

    def features(self) -> Iterator[tuple[Feature, str]]:
        """What an endpoint must declare for this memory, each with the field that asks for it."""
        if self.page_bytes is not None:
            yield Feature.HUGE_PAGES, "page_bytes"
        if self.file_backed:
            yield Feature.FILE_BACKED_MEMORY, "file_backed"
        if self.shared:
            yield Feature.SHARED_MEMORY, "shared"
        if self.locked:
            yield Feature.LOCKED_MEMORY, "locked"
        if self.encryption is not None:
            yield Feature.MEMORY_ENCRYPTION, "encryption"

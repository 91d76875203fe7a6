"""What a guest is to become in a resize."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from nova_virt_api.capability import Feature
from nova_virt_api.errors import InvalidSpec
from nova_virt_api.model.check import check, check_integer
from nova_virt_api.model.disk import LARGEST_DISK
from nova_virt_api.model.spec import LEAST_MEMORY, MOST_DEVICES, MOST_MEMORY, MOST_VCPUS


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """A guest's size; what is None stays as it is.

    Args:
        vcpus: number of virtual CPUs.
        memory_bytes: memory, a multiple of 1 MiB.
        disks: sizes in bytes of the guest's own disks, in their order; disks may only grow. Disks beyond the last one
            named stay as they are.
    """

    vcpus: int | None = None
    memory_bytes: int | None = None
    disks: Sequence[int | None] = ()

    def __post_init__(self) -> None:
        if self.vcpus is not None:
            check_integer("vcpus", self.vcpus, 1, MOST_VCPUS, "virtual CPUs")
        if self.memory_bytes is not None:
            check_integer("memory_bytes", self.memory_bytes, LEAST_MEMORY, MOST_MEMORY, "bytes, e.g. GiB(2),")
            whole = self.memory_bytes % 1024**2 == 0
            check(whole, "memory_bytes", self.memory_bytes, "a multiple of 1 MiB, e.g. MiB(512)")
        good = isinstance(self.disks, Sequence) and not isinstance(self.disks, str | bytes)
        check(good, "disks", self.disks, "a sequence of sizes in bytes")
        check(len(self.disks) <= MOST_DEVICES, "disks", f"{len(self.disks)} disks", f"at most {MOST_DEVICES}")
        for index, size in enumerate(self.disks):
            if size is not None:
                check_integer(f"disks[{index}]", size, 1, LARGEST_DISK, "bytes, e.g. GiB(20),")
        object.__setattr__(self, "disks", trimmed(self.disks))

    def features(self) -> Iterator[tuple[Feature, str]]:
        """What an endpoint must declare for this size, each with the field that asks for it."""
        if self.disks:
            yield Feature.RESIZE_DISKS, "disks"

    def live_features(self) -> Iterator[tuple[Feature, str]]:
        """The same for a guest that runs meanwhile.

        Raises:
            InvalidSpec: it says something that a running guest cannot be given in this way, or nothing.
        """
        check(not self.disks, "disks", self.disks, "none for a guest that runs")
        nothing = self.vcpus is None and self.memory_bytes is None
        check(not nothing, "size", self, "something to change, e.g. Size(vcpus=4)")
        if self.vcpus is not None:
            yield Feature.LIVE_VCPUS, "vcpus"
        if self.memory_bytes is not None:
            yield Feature.LIVE_MEMORY, "memory_bytes"

    def disk(self, index: int) -> int | None:
        """The size that this disk is to have; None if it stays as it is."""
        return self.disks[index] if index < len(self.disks) else None

    def encode(self) -> dict[str, Any]:
        """The size as JSON's own types, for a ticket or a record."""
        return {"vcpus": self.vcpus, "memory_bytes": self.memory_bytes, "disks": list(self.disks)}

    @classmethod
    def decode(cls, found: Any) -> "Size":
        """Read :meth:`encode`'s object back; keys that a later version added are ignored.

        Raises:
            InvalidSpec: it is not a size.
        """
        if not isinstance(found, dict):
            raise InvalidSpec("size", json.dumps(found), "what Size.encode() gave")
        return cls(
            vcpus=found.get("vcpus"), memory_bytes=found.get("memory_bytes"), disks=tuple(found.get("disks", ()))
        )


def trimmed(sizes: Sequence[int | None]) -> tuple[int | None, ...]:
    """The sizes without those at the end that say nothing, so that sizes that mean the same are equal."""
    kept = list(sizes)
    while kept and kept[-1] is None:
        kept.pop()
    return tuple(kept)

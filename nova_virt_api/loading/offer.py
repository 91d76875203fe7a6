"""What installed distributions offer, read from their metadata; nothing is imported.

``importlib.metadata`` alone: the name and version of the distribution are needed, which stevedore's cache drops, and
one distribution with broken metadata must not hide the others.
"""

import logging
import re
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from typing import Final

from nova_virt_api.version import DRIVER_GROUP

COMMON: Final = "nova-virt-api"
"""The distribution that this code belongs to."""

ANY_GROUP: Final = re.compile(r"nova_virt_api\.drivers\.v\d+")
"""Groups of drivers for every major of the API."""

HINT_GROUP: Final = "nova_virt_api.install_hints.v1"
"""Entry points to texts that say how to install what a driver needs; each has its driver's name."""

LOG: Final = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """A driver's entry point with the distribution that it belongs to.

    Args:
        name: the driver's name.
        group: the entry-point group, which tells the major of the API.
        entry_point: where the class is.
        source: the distribution's metadata.
        distribution: the distribution's name.
        version: the distribution's version.
    """

    name: str
    group: str
    entry_point: metadata.EntryPoint
    source: metadata.Distribution
    distribution: str
    version: str

    @property
    def major(self) -> int:
        """The major of the API that the driver was made for."""
        return int(self.group.rpartition("v")[2])

    @property
    def for_this_major(self) -> bool:
        """Whether the driver was made for this major of the API."""
        return self.group == DRIVER_GROUP

    @property
    def embedded(self) -> bool:
        """Whether the driver is part of the common package itself."""
        return canonical(self.distribution) == COMMON

    def __str__(self) -> str:
        return f"{self.distribution} {self.version}"


def offers() -> tuple[Offer, ...]:
    """Every driver that an installed distribution offers, for whatever major, in the order of ``sys.path``."""
    return tuple(offer for source in driver_distributions() for offer in offers_of(source))


def driver_distributions() -> Iterator[metadata.Distribution]:
    """The distributions whose entry points mention drivers, each once: the one that an import would find."""
    seen: set[str] = set()
    for candidate in metadata.distributions():
        if not ANY_GROUP.search(candidate.read_text("entry_points.txt") or ""):
            continue
        name: str | None = candidate.metadata["Name"]
        if not name:
            LOG.warning("ignoring drivers of an installed distribution without a name: %s", candidate.locate_file(""))
        elif canonical(name) not in seen:
            seen.add(canonical(name))
            yield metadata.distribution(name)


def offers_of(source: metadata.Distribution) -> Iterator[Offer]:
    """What one distribution offers; a distribution whose entry points cannot be read offers nothing."""
    name, version = source.metadata["Name"], source.metadata["Version"]
    try:
        entry_points = tuple(source.entry_points)
    except (TypeError, ValueError) as error:
        LOG.warning("ignoring drivers of %s: its entry_points.txt cannot be read: %s", name, error)
        return
    for entry_point in entry_points:
        if ANY_GROUP.fullmatch(entry_point.group):
            yield Offer(
                name=entry_point.name,
                group=entry_point.group,
                entry_point=entry_point,
                source=source,
                distribution=name,
                version=version or "of unknown version",
            )


def canonical(distribution: str) -> str:
    """A distribution's name in the one spelling that all its spellings share."""
    return re.sub(r"[-_.]+", "-", distribution).lower()

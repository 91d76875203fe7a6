"""Which endpoint the kit may work on, and how far it may go there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from nova_virt_api.model.check import check, check_integer, check_seconds, check_text
from nova_virt_api.model.units import GiB
from nova_virt_conformance.outcome import Evidence

if TYPE_CHECKING:
    from nova_virt_api.model.image import ImageSource

OWNER_PREFIX: Final = "conformance"
"""What the kit's owners begin with, so that it can never be pointed at somebody's own guests."""


SECONDS_PER_TEST: Final = 120.0
"""So long may one test take where nobody says otherwise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Quota:
    """How much the kit may have at any one time.

    Args:
        guests: guests.
        vcpus: virtual CPUs, of all guests together.
        memory_bytes: memory, of all guests together.
        disk_bytes: disks, of all guests together.
    """

    guests: int = 12
    vcpus: int = 16
    memory_bytes: int = GiB(2)
    disk_bytes: int = GiB(16)

    def __post_init__(self) -> None:
        for name in ("guests", "vcpus", "memory_bytes", "disk_bytes"):
            check_integer(f"quota.{name}", getattr(self, name), 1, 2**60, name)


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownFailure:
    """A test that fails and is known to. Strict: once it passes, or past its day, the run fails.

    Args:
        test: the test's name; all of its cases, or one: ``test_x[case]``.
        reason: why it fails.
        link: where that is followed up.
        expires: the last day on which it counts as known.
    """

    test: str
    reason: str
    link: str
    expires: date

    def __post_init__(self) -> None:
        for name in ("test", "reason", "link"):
            check_text(f"known_failures.{name}", getattr(self, name), 1000)


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One endpoint, and the fence around the kit.

    Args:
        driver: name of the driver.
        options: the driver's options.
        owner: mark of the kit's guests; begins with ``conformance``. Everything of this owner, and of the same name
            with ``-other`` behind it, is the kit's to remove.
        pools: the storage pools that it may use; the first is its own choice. None where the endpoint has none.
        networks: the networks that it may use; the first is its own choice. None where the endpoint has none.
        nodes: nodes that it may take out of use for a while, whatever runs there. Where guests are whole nodes it
            takes those that its own guests hold, and needs none here.
        image: a bootable image that speaks the marker protocol; None leaves out what needs a guest that acts.
        quota: how much it may have.
        evidence: what stands behind the endpoint.
        note: what exactly it is, for the report.
        known_failures: what is known to fail.
        seconds_per_test: so long may one test take, and its clean-up once more; a driver that hangs longer fails it.
        settings: what the driver's rig wants to know beside.
    """

    driver: str
    options: Mapping[str, Any] = field(default_factory=dict)
    owner: str
    pools: tuple[str, ...] = ()
    networks: tuple[str, ...] = ()
    nodes: tuple[str, ...] = ()
    image: ImageSource | None = None
    quota: Quota = Quota()
    evidence: Evidence
    note: str = ""
    known_failures: tuple[KnownFailure, ...] = ()
    seconds_per_test: float = SECONDS_PER_TEST
    settings: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        begins = isinstance(self.owner, str) and self.owner.startswith(OWNER_PREFIX)
        check(begins, "owner", self.owner, f"a name that begins with {OWNER_PREFIX!r}: the kit removes all it owns")
        own = [name for name in ("owner", "manage") if name in self.options]
        check(not own, "options", own, "the driver's own options: the owner is the target's, and manage is the kit's")
        check_seconds("seconds_per_test", self.seconds_per_test)
        check(self.seconds_per_test > 0, "seconds_per_test", self.seconds_per_test, "more than 0 seconds")
        object.__setattr__(self, "options", MappingProxyType(dict(self.options)))
        object.__setattr__(self, "settings", MappingProxyType(dict(self.settings)))

    @property
    def pool(self) -> str | None:
        """The pool that the kit chooses by itself; None where the endpoint has none."""
        return self.pools[0] if self.pools else None

    @property
    def network(self) -> str | None:
        """The network that the kit chooses by itself; None where the endpoint has none."""
        return self.networks[0] if self.networks else None

    @property
    def other_owner(self) -> str:
        """A second owner, for tests of what belongs to somebody else."""
        return f"{self.owner}-other"

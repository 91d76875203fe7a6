"""Guests in which an agent answers: imitated ones, or one that has booted the kit's image."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from nova_virt_api.compute import until
from nova_virt_conformance.booted import BOOT_PATIENCE, Booted

if TYPE_CHECKING:
    from nova_virt_api.model.instance import Instance
    from nova_virt_conformance.lab import Lab

SETTLED: Final = 0.3
"""Seconds within which all that a guest has written is in its log."""

STILL: Final = 1.0
"""Seconds in which a guest that writes would have written four times."""


class Inhabited(ABC):
    """A running guest with an agent, and what became of what the agent was told.

    Args:
        guest: the guest.
    """

    def __init__(self, guest: Instance) -> None:
        self.guest: Final = guest

    @abstractmethod
    def passwords_of(self) -> tuple[str, ...]:
        """Whose passwords were set, in this order."""

    @abstractmethod
    def check_at_rest(self) -> None:
        """See that nothing is written to its file systems."""

    @abstractmethod
    def check_writes(self) -> None:
        """See that it writes to its file systems."""


class Imitated(Inhabited):
    """A guest that only seems to run an operating system.

    Args:
        lab: where it is.
        guest: the guest.
    """

    def __init__(self, lab: Lab, guest: Instance) -> None:
        super().__init__(guest)
        self._lab = lab

    def passwords_of(self) -> tuple[str, ...]:  # noqa: D102 - inherited
        return self._lab.rig.inside(self.guest).passwords_of

    def check_at_rest(self) -> None:  # noqa: D102 - inherited
        assert self._lab.rig.inside(self.guest).at_rest, "the guest's file systems are not at rest"

    def check_writes(self) -> None:  # noqa: D102 - inherited
        assert not self._lab.rig.inside(self.guest).at_rest, "the guest's file systems are at rest"


class Telling(Inhabited):
    """A guest that has booted the kit's image, and tells what it does on its console.

    Args:
        booted: the guest.
    """

    def __init__(self, booted: Booted) -> None:
        super().__init__(booted.guest)
        self._booted = booted

    def passwords_of(self) -> tuple[str, ...]:  # noqa: D102 - inherited
        return self._booted.report().passwords_of

    def check_at_rest(self) -> None:  # noqa: D102 - inherited
        time.sleep(SETTLED)
        at = self._booted.writes()
        time.sleep(STILL)
        assert self._booted.writes() == at, "the guest writes to its file system, which should be at rest"

    def check_writes(self) -> None:  # noqa: D102 - inherited
        at = self._booted.writes()
        self._booted.await_until(lambda: self._booted.writes() > at, "the guest writes to its file system")


def inhabited(lab: Lab) -> Inhabited:
    """A running guest whose agent answers.

    Raises:
        NotVerified: the target names no image of a guest that has one, or what a guest writes cannot be read.
        NotApplicable: no guest has one here.
    """
    if lab.rig.imitates_guests:
        return Imitated(lab, lab.spawn())
    booted = lab.booted.running()
    lab.compute.wait_for(booted.guest, until.agent(), timeout=BOOT_PATIENCE)
    return Telling(booted)


@contextmanager
def left_writing(lab: Lab) -> Iterator[Inhabited]:
    """A guest whose agent answers, and whose file systems are not at rest in the end, as others want to use it."""
    living = inhabited(lab)
    try:
        yield living
    finally:
        lab.compute.unquiesce(living.guest, timeout=lab.patience)

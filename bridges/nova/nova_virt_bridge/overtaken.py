"""Guests that Nova deletes while it makes them."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import nova_virt_api as virt

if TYPE_CHECKING:
    from collections.abc import Iterator
    from uuid import UUID


@dataclass(eq=False)
class Build:
    """A guest that is being made.

    Args:
        uuid: the guest.
        overtaken: whether its deletion has begun.
    """

    uuid: UUID
    overtaken: bool = False


class Builds:
    """What is being made now. It tells a build that a deletion cancels from one that ends with nova-compute.

    Thread-safe.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._under_way: set[Build] = set()

    @contextmanager
    def making(self, guest: UUID) -> Iterator[None]:
        """Around a verb that makes a guest.

        Raises:
            InstanceNotFound: it was cancelled, and the guest is being deleted.
        """
        build = Build(guest)
        with self._lock:
            self._under_way.add(build)
        try:
            yield
        except virt.Cancelled as error:
            if build.overtaken:
                raise virt.InstanceNotFound(f"guest {guest} was deleted while it was made") from error
            raise
        finally:
            with self._lock:
                self._under_way.discard(build)

    def overtake(self, guest: UUID) -> None:
        """Note that a guest is being deleted; before the verb that cancels its build."""
        with self._lock:
            for build in self._under_way:
                if build.uuid == guest:
                    build.overtaken = True

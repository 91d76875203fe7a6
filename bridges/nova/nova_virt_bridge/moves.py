"""Live migrations that leave from here now, and those that a killed nova-compute had begun."""

from __future__ import annotations

import os
import threading
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import nova.conf

import nova_virt_api as virt
from nova_virt_bridge.tickets import ticket_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from uuid import UUID

CONF = nova.conf.CONF
UNFINISHED: Final = ".new"
"""Ending of a file that is being written: whoever was killed then has not begun its move either."""


@dataclass(eq=False)
class Departure:
    """A move that leaves from here.

    Args:
        operation: None while it begins.
        aborted: whether it is to be cancelled as soon as it has begun.
    """

    operation: virt.Operation[None] | None = None
    aborted: bool = False


class Moves:
    """The moves by guest, and their tickets in files: Nova gives no ticket to who aborts what was begun earlier.

    Thread-safe.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._departures: dict[UUID, Departure] = {}

    @contextmanager
    def under_way(
        self, guest: UUID, ticket: virt.Ticket, begin: Callable[[], virt.Operation[None]]
    ) -> Iterator[virt.Operation[None]]:
        """Around a move that this begins; its ticket is kept until :meth:`forget`."""
        departure = Departure()
        with self._lock:
            self._departures[guest] = departure
        try:
            self._write(guest, ticket)
            operation = begin()
            with self._lock:
                departure.operation = operation
            if departure.aborted:
                operation.cancel()
            yield operation
        finally:
            with self._lock:
                self._departures.pop(guest, None)

    def abort(self, guest: UUID) -> virt.Ticket | None:
        """Cancel a guest's move. Nothing to do where there is none.

        Returns:
            The ticket of a move that somebody else had begun who is not there any more.
        """
        with self._lock:
            departure = self._departures.get(guest)
            if departure is not None:
                departure.aborted = True
        if departure is not None:
            if departure.operation is not None:
                departure.operation.cancel()
            return None
        path = self._path(guest)
        return ticket_of(path.read_text(), "rollback_source") if path.exists() else None

    def left(self) -> list[virt.Ticket]:
        """The tickets of moves that somebody else had begun who is not there any more, and that nobody looked after."""
        found = []
        for path in sorted(directory().glob("*")):
            if path.suffix == UNFINISHED:
                continue
            with suppress(virt.MigrationError, OSError):  # of an older version, or gone by now
                found.append(ticket_of(path.read_text(), "rollback_source"))
        return found

    def complete_now(self, guest: UUID) -> None:
        """Have a guest's move end soon, at its expense.

        Raises:
            MigrationError: it is not on its way, or the endpoint cannot.
        """
        with self._lock:
            departure = self._departures.get(guest)
        operation = None if departure is None else departure.operation
        if operation is None or not operation.complete_now():
            hint = "it may have arrived; else wait for it, or abort it"
            raise virt.MigrationError("migrate", "there is no copying that could be ended early", hint=hint)

    def forget(self, guest: UUID) -> None:
        """Forget the ticket of a guest's move. Idempotent."""
        self._path(guest).unlink(missing_ok=True)

    def _write(self, guest: UUID, ticket: virt.Ticket) -> None:
        path = self._path(guest)
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        new = path.with_suffix(UNFINISHED)
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(ticket.encode())
        new.replace(path)

    def _path(self, guest: UUID) -> Path:
        return directory() / str(guest)


def directory() -> Path:
    """Where tickets are kept."""
    return Path(CONF.nova_virt.state_dir, "nova-moves")

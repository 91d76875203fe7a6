"""What the ticket of a live migration says in the fake driver."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import UUID

from nova_virt_api.errors import MigrationError
from nova_virt_api.fake.parcel import REACHED
from nova_virt_api.model.ticket import Move, Ticket
from nova_virt_api.version import __version__

if TYPE_CHECKING:
    from nova_virt_api.fake.world import World


@dataclass(frozen=True, slots=True, kw_only=True)
class Journey:
    """The content of a ticket.

    Args:
        guest: the guest.
        source: key of the world that it leaves; None before the source was asked.
        destination: key of the world that it goes to.
        node: the host there; None for any.
        token: of this move.
        prepared: whether the destination is ready.
        host_cells: the cells that its own are in there; None for those that they were in.
    """

    guest: UUID
    source: str | None
    destination: str
    node: str | None
    token: str
    prepared: bool = False
    host_cells: tuple[int, ...] | None = None

    @property
    def within(self) -> bool:
        """Whether the guest stays in its world and changes its host only."""
        return self.source == self.destination

    def ticket(self) -> Ticket:
        """The ticket that carries it."""
        content = {
            "source": self.source,
            "destination": self.destination,
            "node": self.node,
            "token": self.token,
            "prepared": self.prepared,
            "host_cells": self.host_cells,
        }
        text = json.dumps(content)
        return Ticket(move=Move.LIVE, guest=self.guest, driver="fake", driver_version=__version__, content=text)

    @classmethod
    def of(cls, ticket: Ticket, phase: str, guest: UUID | None = None) -> Journey:
        """What a ticket carries.

        Raises:
            MigrationError: it is not the fake driver's, of another guest or for another kind of move.
        """
        found = json.loads(ticket.content)
        if ticket.move is not Move.LIVE or ticket.driver != "fake" or "destination" not in found:
            message = f"this ticket is for a {ticket.move.value} move by the driver {ticket.driver}"
            raise MigrationError(phase, message, hint="both endpoints must be of the same driver")
        if guest not in (None, ticket.guest):
            raise MigrationError(phase, f"this ticket is for guest {ticket.guest}", hint="give each guest a ticket")
        return cls(
            guest=ticket.guest,
            source=found["source"],
            destination=found["destination"],
            node=found["node"],
            token=found["token"],
            prepared=found["prepared"],
            host_cells=None if found["host_cells"] is None else tuple(found["host_cells"]),
        )

    def world(self) -> World:
        """The world that the guest goes to.

        Raises:
            MigrationError: it cannot be reached.
        """
        return reached(self.destination)

    def origin(self) -> World:
        """The world that the guest leaves.

        Raises:
            MigrationError: it cannot be reached, or was not asked yet.
        """
        if self.source is None:
            raise MigrationError("prepare", "the source has not been asked yet", hint="call check_source first")
        return reached(self.source)


def reached(key: str) -> World:
    """A world of this process.

    Raises:
        MigrationError: it is none.
    """
    world = REACHED.get(key)
    if world is None:
        hint = "fake guests move between worlds of one process"
        raise MigrationError("migrate", "the other world is not one of this process", hint=hint)
    return world

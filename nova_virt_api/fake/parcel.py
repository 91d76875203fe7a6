"""What the ticket of a resize says in the fake driver: in which world the guest waits, and for which resize."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from weakref import WeakValueDictionary

from nova_virt_api.errors import MigrationError
from nova_virt_api.model.ticket import Move, Ticket
from nova_virt_api.version import __version__

if TYPE_CHECKING:
    from uuid import UUID

    from nova_virt_api.fake.world import World

REACHED: Final[WeakValueDictionary[str, World]] = WeakValueDictionary()
"""Worlds of this process from which guests may be fetched, by their keys."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parcel:
    """The content of a ticket.

    Args:
        world: key of the world where the guest waits.
        token: of the resize.
    """

    world: str
    token: str

    @classmethod
    def at(cls, world: World, token: str) -> Parcel:
        """For a guest that waits in this world."""
        REACHED[world.key] = world
        return cls(world=world.key, token=token)

    def ticket(self, guest: UUID) -> Ticket:
        """The ticket that carries it."""
        content = json.dumps({"world": self.world, "token": self.token})
        return Ticket(move=Move.RESIZE, guest=guest, driver="fake", driver_version=__version__, content=content)

    @classmethod
    def of(cls, ticket: Ticket) -> Parcel:
        """What a ticket carries.

        Raises:
            MigrationError: it is not the fake driver's, or for another kind of move.
        """
        found = json.loads(ticket.content)
        texts = [found.get(key) for key in ("world", "token")]
        if ticket.move is not Move.RESIZE or ticket.driver != "fake" or not all(isinstance(t, str) for t in texts):
            message = f"this is a ticket of {ticket.driver} for a {ticket.move.value} move"
            raise MigrationError("finish_resize", message, hint="give one that prepare_resize of the driver fake gave")
        return cls(world=texts[0], token=texts[1])

    def source(self) -> World:
        """The world where the guest waits.

        Raises:
            MigrationError: it cannot be reached.
        """
        world = REACHED.get(self.world)
        if world is None:
            hint = "finish the resize in the process that prepared it"
            raise MigrationError("finish_resize", "the source's world is not one of this process", hint=hint)
        return world

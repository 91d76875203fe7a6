"""What the ticket of a resize says: where the guest waits, and for which resize."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from nova_virt_api.errors import MigrationError
from nova_virt_api.model.ticket import Move, Ticket
from nova_virt_libvirt.version import __version__

if TYPE_CHECKING:
    from uuid import UUID

HOST_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,252}")
"""Nothing but a name may get into the URI by which the source is reached: a URI can name commands."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parcel:
    """The content of a ticket. What the guest was is not in it: whoever fetches the disks also reads that there.

    Args:
        host: uuid of the host where the guest waits.
        host_name: that host's name, by which the destination finds a way to it.
        token: of the resize, as the guest's mark has it.
        shared: that host's processors that guests share; a definition does not tell which they are.
    """

    host: str
    host_name: str
    token: str
    shared: frozenset[int] = frozenset()

    def ticket(self, guest: UUID, driver: str) -> Ticket:
        """The ticket that carries it."""
        texts = {"host": self.host, "host_name": self.host_name, "token": self.token}
        content = json.dumps({**texts, "shared": sorted(self.shared)})
        return Ticket(move=Move.RESIZE, guest=guest, driver=driver, driver_version=__version__, content=content)

    @classmethod
    def of(cls, ticket: Ticket, driver: str) -> Parcel:
        """What a ticket carries.

        Raises:
            MigrationError: it is not this driver's, or for another kind of move.
        """
        hint = f"give a ticket that prepare_resize of the driver {driver} gave"
        if ticket.move is not Move.RESIZE or ticket.driver != driver:
            message = f"this is a ticket of {ticket.driver} for a {ticket.move.value} move"
            raise MigrationError("finish_resize", message, hint=hint)
        found = json.loads(ticket.content)
        texts = [found.get(key) for key in ("host", "host_name", "token")]
        if not all(isinstance(text, str) for text in texts) or HOST_NAME.fullmatch(texts[1]) is None:
            raise MigrationError("finish_resize", "the ticket does not say where the guest waits", hint=hint)
        shared = found.get("shared")
        if not isinstance(shared, list) or not all(isinstance(cpu, int) for cpu in shared):
            raise MigrationError("finish_resize", "the ticket does not say which processors guests share", hint=hint)
        host, host_name, token = texts
        return cls(host=host, host_name=host_name, token=token, shared=frozenset(shared))

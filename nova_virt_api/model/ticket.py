"""What one phase of a move between two endpoints tells the next, which may run in another process."""

import enum
import json
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from nova_virt_api.errors import InvalidSpec
from nova_virt_api.model.check import check, check_text, check_type

FORM: Final = 1
"""Version of the text that a ticket is encoded as. A later one only adds keys; other changes raise this number."""

LARGEST_TICKET: Final = 65536
"""Most bytes of an encoded ticket."""

NAMED: Final = frozenset({"move", "guest", "driver", "driver_version", "content"})
"""Keys that every ticket has beside the number of its form."""


class Move(enum.Enum):
    """The kind of move that a ticket is for."""

    RESIZE = "resize"
    """To another endpoint or size while the guest is off, with a way back until it is confirmed."""

    LIVE = "live"
    """To another endpoint while the guest runs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ticket:
    """What a phase of a move hands on. Whoever carries it need not read it, and may store it: it holds no secrets.

    Args:
        move: the kind of move.
        guest: the guest.
        driver: name of the driver that wrote the content.
        driver_version: its version.
        content: what the driver has to hand on, a JSON object as text.
    """

    move: Move
    guest: UUID
    driver: str
    driver_version: str
    content: str

    def __post_init__(self) -> None:
        check_type("move", self.move, Move, "a Move")
        check_type("guest", self.guest, UUID, "a uuid.UUID")
        check_text("driver", self.driver, 63)
        check_text("driver_version", self.driver_version, 63)
        check_type("content", self.content, str, "a JSON object as text")
        if json_object(self.content) is None:
            raise InvalidSpec("content", self.content, "a JSON object as text")
        size = len(self.encode().encode())
        check(size <= LARGEST_TICKET, "content", f"{size} bytes", f"at most {LARGEST_TICKET} bytes when encoded")

    def encode(self) -> str:
        """The ticket as one line of ASCII."""
        return json.dumps(
            {
                "form": FORM,
                "move": self.move.value,
                "guest": str(self.guest),
                "driver": self.driver,
                "driver_version": self.driver_version,
                "content": json.loads(self.content),
            },
            sort_keys=True,
        )

    @classmethod
    def decode(cls, text: str) -> "Ticket":
        """Read :meth:`encode`'s line back; keys that a later version added are ignored.

        Raises:
            InvalidSpec: it is not a ticket, or one of a form that this version does not know.
        """
        allowed = f"what Ticket.encode() gave, at most {LARGEST_TICKET} bytes"
        check_type("ticket", text, str, allowed)
        found = json_object(text) if len(text) <= LARGEST_TICKET else None
        if found is None or not found.keys() >= NAMED:
            raise InvalidSpec("ticket", text, allowed)
        check(found.get("form") == FORM, "ticket.form", found.get("form"), f"{FORM}, or install a newer nova-virt-api")
        try:
            move, guest = Move(found["move"]), UUID(found["guest"])
        except (ValueError, TypeError, AttributeError):
            raise InvalidSpec("ticket", text, allowed) from None
        return cls(
            move=move,
            guest=guest,
            driver=found["driver"],
            driver_version=found["driver_version"],
            content=json.dumps(found["content"], sort_keys=True),
        )


def json_object(text: str) -> dict[str, Any] | None:
    """What the text says, if that is a JSON object."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None

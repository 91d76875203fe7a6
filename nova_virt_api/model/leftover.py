"""Things of ours that were left behind."""

from dataclasses import dataclass
from uuid import UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class Leftover:
    """An object that belongs to a guest which is not there or was never finished.

    Args:
        uuid: the guest that it was made for.
        kind: the backend's word for it, e.g. ``volume``.
        name: its name or id.
        place: pool, folder or host that holds it; empty where that means nothing.
        owner: the owner whose guest it was.
    """

    uuid: UUID
    kind: str
    name: str
    place: str = ""
    owner: str | None = None

    def __str__(self) -> str:
        return f"{self.kind} {self.place + '/' if self.place else ''}{self.name}"

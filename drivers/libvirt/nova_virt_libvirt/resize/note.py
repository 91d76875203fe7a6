"""What a guest's mark remembers of a resize that is neither confirmed nor reverted."""

from __future__ import annotations

import enum
import json
import secrets
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from nova_virt_api.errors import BackendError, InvalidState, MigrationError, StateAfter
from nova_virt_api.model.instance import Lifecycle
from nova_virt_api.model.size import Size
from nova_virt_libvirt.network.vif_note import VifNote

if TYPE_CHECKING:
    from nova_virt_libvirt.metadata import Mark

ROLE: Final = "resize"
"""What the note is kept under."""


class ResizeStage(enum.Enum):
    """How far a resize has got."""

    RESIZING = "resizing"
    """The definition is the old one; layers may have been made. Whoever finds it so may go on or go back."""

    PREPARED = "prepared"
    """Whoever has the ticket may finish it, here or elsewhere."""

    DONE = "done"
    """The definition is the new one, and the disks are layers on the old ones."""

    REVERTING = "reverting"
    """The definition is the old one again; layers and copies may still be there."""

    ARRIVED = "arrived"
    """The guest was made here from a ticket. Nothing is pending; the token tells a repeated call."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """A volume on top of a disk as it was.

    Args:
        pool: the storage pool.
        name: the volume.
    """

    pool: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ResizeNote:
    """One resize.

    Args:
        stage: how far it has got.
        token: names this resize and no other; the ticket bears it too.
        size: what was asked for.
        definition: the domain's XML as it was, without our mark; empty where there is no way back.
        layers: the volumes that are, or are about to be, the disks in place of those in the definition.
        destination: uuid of the other host that makes the guest, or has made it; empty while none does.
        made: whether it is made there.
        ports: those that os-vif had made for the guest as it was; None if nobody wrote that down.
    """

    stage: ResizeStage
    token: str
    size: Size
    definition: str = ""
    layers: tuple[Layer, ...] = ()
    destination: str = ""
    made: bool = False
    ports: VifNote | None = None

    def encode(self) -> str:
        """The note as JSON."""
        return json.dumps(
            {
                "stage": self.stage.value,
                "token": self.token,
                "size": self.size.encode(),
                "definition": self.definition,
                "layers": [[layer.pool, layer.name] for layer in self.layers],
                "destination": self.destination,
                "made": self.made,
                "ports": None if self.ports is None else dict(self.ports.ports),
            },
            sort_keys=True,
        )

    @classmethod
    def decode(cls, text: str) -> ResizeNote:
        """Read :meth:`encode`'s text back.

        Raises:
            BackendError: somebody has edited it.
        """
        try:
            found = json.loads(text)
            return cls(
                stage=ResizeStage(found["stage"]),
                token=found["token"],
                size=Size.decode(found["size"]),
                definition=found["definition"],
                layers=tuple(Layer(pool=pool, name=name) for pool, name in found["layers"]),
                destination=found.get("destination", ""),
                made=found.get("made", False),
                ports=None if found.get("ports") is None else VifNote(found["ports"]),
            )
        except (ValueError, KeyError, TypeError) as error:
            hint = f"look at it (virsh metadata) and mend the note of the role {ROLE}, or destroy the guest"
            raise BackendError("the guest's mark holds a note of a resize that means nothing", hint=hint) from error


def new_token() -> str:
    """A token that no other resize bears."""
    return secrets.token_hex(8)


def note_of(mark: Mark) -> ResizeNote | None:
    """The note in a guest's mark; None without one."""
    text = mark.notes.get(ROLE)
    return None if text is None else ResizeNote.decode(text)


def pending_note(mark: Mark) -> ResizeNote | None:
    """The note of a resize that waits to be confirmed or reverted; None if none does."""
    return note_of(mark) if mark.lifecycle is Lifecycle.RESIZE_PENDING else None


def with_note(mark: Mark, note: ResizeNote | None) -> Mark:
    """The mark of a guest that waits with this note; with None, or one that has ARRIVED, it waits for nothing."""
    if note is None:
        return replace(mark.noting(ROLE, None), standing=None)
    standing = None if note.stage is ResizeStage.ARRIVED else Lifecycle.RESIZE_PENDING
    return replace(mark.noting(ROLE, note.encode()), standing=standing)


def refuse_made_elsewhere(note: ResizeNote, host: str) -> None:
    """Refuse a guest that another destination makes, or has made: there would be two of it.

    Args:
        note: the note at its source.
        host: uuid of the host where it is to be made.

    Raises:
        MigrationError: it is such a guest.
    """
    if note.destination not in ("", host):
        message = f"the host with uuid {note.destination} makes the guest from this ticket, or has made it"
        hint = "finish it there; or destroy it there, revert the resize at the source, and prepare it anew"
        raise MigrationError("finish_resize", message, hint=hint, state_after=StateAfter.UNKNOWN)


def refuse_start_of_prepared(mark: Mark | None) -> None:
    """Refuse to start a guest that may run elsewhere, or that is half resized.

    Raises:
        InvalidState: it must be confirmed, reverted or finished first.
    """
    note = None if mark is None else pending_note(mark)
    if note is not None and note.stage is not ResizeStage.DONE:
        hint = "it is being resized or moved: finish, confirm or revert that first"
        raise InvalidState(Lifecycle.RESIZE_PENDING, (Lifecycle.READY,), hint=hint)

"""What is remembered of a guest that somebody has brought to rest: in which run that was."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from nova_virt_libvirt.metadata import read_mark, write_mark

ROLE: Final = "guest"
"""Name of the note in the guest's mark."""


@dataclass(frozen=True, slots=True)
class Quiesced:
    """The guest was brought to rest until somebody lets it write again.

    Args:
        run: libvirt's id of the guest's run; each start gets another, and begins without rest.
    """

    run: int

    def encode(self) -> str:
        """The note as it stands in the mark."""
        return str(self.run)

    @classmethod
    def decode(cls, text: str) -> Quiesced | None:
        """The note in a mark; None for what nobody here wrote."""
        return cls(int(text)) if text.isdecimal() else None


def is_meant(native: Any) -> bool:
    """Whether somebody wants a ``virDomain`` that runs to be at rest.

    Raises:
        libvirt.libvirtError: the guest is gone, or the connection.
    """
    mark = read_mark(native)
    note = None if mark is None or ROLE not in mark.notes else Quiesced.decode(mark.notes[ROLE])
    return note is not None and note.run == native.ID()


def remember(native: Any) -> None:
    """Write down that a ``virDomain`` is meant to be at rest; one without a mark has no place for that.

    Raises:
        libvirt.libvirtError: the guest is gone, or the connection, or it is busy.
    """
    mark = read_mark(native)
    note = Quiesced(native.ID()).encode()
    if mark is not None and mark.notes.get(ROLE) != note:
        write_mark(native, mark.noting(ROLE, note))


def forget(native: Any) -> None:
    """Take that back.

    Raises:
        libvirt.libvirtError: the guest is gone, or the connection, or it is busy.
    """
    mark = read_mark(native)
    if mark is not None and ROLE in mark.notes:
        write_mark(native, mark.noting(ROLE, None))

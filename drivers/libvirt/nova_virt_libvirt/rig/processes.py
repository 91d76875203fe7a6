"""The processes of guests' QEMUs, as far as this machine sees them."""

from __future__ import annotations

import os
import signal
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from uuid import UUID


def process_of(guest: UUID) -> int:
    """The process id of a guest's QEMU, which libvirt names after the guest in its command line.

    Raises:
        LookupError: there is none, or it cannot be seen from here.
    """
    for line in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):  # it has ended
            words = line.read_bytes().split(b"\0")
            if b"qemu-system" in words[0] and str(guest).encode() in words:
                return int(line.parent.name)
    raise LookupError(f"the process of guest {guest} cannot be seen from here")


@contextmanager
def standing_still(guest: UUID) -> Iterator[None]:
    """Stop a guest's QEMU for a while, as if it hung.

    Raises:
        LookupError: it has none, or it cannot be seen from here.
    """
    process = process_of(guest)
    os.kill(process, signal.SIGSTOP)
    try:
        yield
    finally:
        with suppress(ProcessLookupError):  # it was destroyed meanwhile
            os.kill(process, signal.SIGCONT)

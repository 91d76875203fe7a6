"""What libvirt and QEMU say when a volume cannot be used, and what to do about it."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

import libvirt

from nova_virt_api.errors import BackendError, Busy, StorageError, VirtError, VolumeError
from nova_virt_libvirt.errors import translate

if TYPE_CHECKING:
    from collections.abc import Iterator

LONGEST: Final = 500
"""Characters of a reason that are told."""

LOOK: Final = "look at the storage service, and at the log of libvirt's daemon"
HINTS: Final = (
    ("cannot unlock any keyslot", "the passphrase does not open this volume: give the one that it was formatted with"),
    ("not in LUKS format", "the volume was not formatted with LUKS: attach it without encryption, or format it"),
    ("is not in luks format", "the volume was not formatted with LUKS: attach it without encryption, or format it"),
    ('"write" lock', "another guest uses it: detach it there, or attach it to each with shared=True"),
    ("consistent read", "another guest uses it: detach it there, or attach it to each with shared=True"),
    ("fixed-size raw", "it was swapped to a larger volume: the guest sees all of it when it is stopped and started"),
    ("has to be smaller or equal", "the new volume is smaller: see that it is as large as the old one, or larger"),
    ("Cannot grow device", "let the storage service make the volume larger first"),
    ("log in to target", "see that user name and password are those of the target, and that it lets this host in"),
    ("Failed to connect", "see that the storage service exports the volume to this host, and under this address"),
    ("Failed to mount nfs", "see that the server exports the directory to this host"),
    ("No such file or directory", "see that the path is there on the hypervisor's host"),
    ("Secret not found", "attach the volume again, so that libvirt is given its password"),
    ("Permission denied", "see that QEMU's user may open it, and that no security profile forbids it"),
)
"""What to do about what the text contains; the first that matches counts."""


@contextmanager
def volume_errors(what: str, *, only_known: bool = False) -> Iterator[None]:
    """Raise our errors for what libvirt raises in this block; one of no other kind is about the volume.

    Args:
        what: what is being done to what, e.g. ``attach volume v1``.
        only_known: whether much else can fail too, and only what is said of volumes alone counts for one.
    """
    try:
        yield
    except libvirt.libvirtError as error:
        if only_known and not is_known(str(error)):
            raise translate(error, what) from error
        raise volume_error(error, what) from error


def volume_error(error: libvirt.libvirtError, what: str) -> VirtError:
    """Our error for libvirt's; of what QEMU says only the end, after all its arguments, tells why."""
    found = translate(error, what)
    text = str(error)
    locked = isinstance(found, Busy) and '" lock' in text
    if type(found) in (BackendError, StorageError) or locked:
        reason = " ".join(text.rpartition("}: ")[2].split())[:LONGEST]
        return VolumeError(f"{what}: {reason}", hint=hint_of(text))
    return found


def is_known(message: str) -> bool:
    """Whether it is one that is about volumes."""
    return any(text in message for text, _ in HINTS)


def hint_of(message: str) -> str:
    """What to do about it."""
    return next((hint for text, hint in HINTS if text in message), LOOK)

"""The one place where libvirt's errors become ours.

libvirt's errors have a number (``virErrorNumber``), the part of libvirt that raised it (``virErrorDomain``), a text,
and for system errors ``errno``. Where the number is too coarse, the text decides.
"""

import errno
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

import libvirt

from nova_virt_api.errors import (
    AuthenticationFailed,
    BackendError,
    Busy,
    ConnectionLost,
    GuestAgentUnavailable,
    InstanceExists,
    InstanceNotFound,
    NetworkError,
    NoCapacity,
    PermissionDenied,
    StateAfter,
    StorageError,
    Timeout,
    VirtError,
)

CLASSES: Final[dict[int, type[VirtError]]] = {
    libvirt.VIR_ERR_NO_DOMAIN: InstanceNotFound,
    libvirt.VIR_ERR_DOM_EXIST: InstanceExists,
    libvirt.VIR_ERR_AUTH_FAILED: AuthenticationFailed,
    libvirt.VIR_ERR_AUTH_CANCELLED: AuthenticationFailed,
    libvirt.VIR_ERR_AUTH_UNAVAILABLE: AuthenticationFailed,
    libvirt.VIR_ERR_ACCESS_DENIED: PermissionDenied,
    libvirt.VIR_ERR_OPERATION_DENIED: PermissionDenied,
    libvirt.VIR_ERR_INVALID_CONN: ConnectionLost,
    libvirt.VIR_ERR_RESOURCE_BUSY: Busy,
    libvirt.VIR_ERR_AGENT_UNRESPONSIVE: GuestAgentUnavailable,
    libvirt.VIR_ERR_AGENT_UNSYNCED: GuestAgentUnavailable,
    libvirt.VIR_ERR_NO_STORAGE_POOL: StorageError,
    libvirt.VIR_ERR_INVALID_STORAGE_POOL: StorageError,
    libvirt.VIR_ERR_STORAGE_POOL_BUILT: StorageError,
    libvirt.VIR_ERR_NO_STORAGE_VOL: StorageError,
    libvirt.VIR_ERR_INVALID_STORAGE_VOL: StorageError,
    libvirt.VIR_ERR_STORAGE_VOL_EXIST: StorageError,
    libvirt.VIR_ERR_NO_NETWORK: NetworkError,
    libvirt.VIR_ERR_INVALID_NETWORK: NetworkError,
    libvirt.VIR_ERR_NETWORK_EXIST: NetworkError,
}
"""By the error's number, where it says enough."""

PARTS: Final[dict[int, type[VirtError]]] = {
    libvirt.VIR_FROM_STORAGE: StorageError,
    libvirt.VIR_FROM_NETWORK: NetworkError,
}
"""By the part of libvirt that raised it, where nothing finer is known."""

TRANSPORT: Final = frozenset({libvirt.VIR_FROM_RPC, libvirt.VIR_FROM_REMOTE})
TRANSPORT_CODES: Final = frozenset({libvirt.VIR_ERR_RPC, libvirt.VIR_ERR_SYSTEM_ERROR, libvirt.VIR_ERR_INTERNAL_ERROR})
FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT})
HOLDER: Final = re.compile(r"held by (?P<holder>[^)]*)\)?")

LOST_TEXTS: Final = ("client socket is closed", "connection closed due to keepalive timeout", "cannot send data")
BUSY_TEXTS: Final = (
    "cannot acquire state change lock",
    "has asynchronous jobs running",
    "is still being allocated",
    "is still in use",
    "is already in use by another",
    "domain is already active",
    "domain is not running",
    'Failed to get "write" lock',
    'Failed to get shared "write" lock',
    "another migration job is already running",
)
FULL_TEXTS: Final = ("No space left on device", "Disk quota exceeded")
SLOT_TEXTS: Final = ("No more available PCI slots", "No more available PCI addresses")
TRAFFIC_TEXTS: Final = ("Child process (tc ", "Child process (/sbin/tc ")
LOCKED_TEXTS: Final = ("cannot limit locked memory",)
SHARE_TEXTS: Final = ("the virtiofs export directory", "virtiofsd died unexpectedly")
MEMORY_TEXTS: Final = ("Cannot allocate memory", "cannot set up guest memory", "unable to allocate memory")


def is_transport(error: libvirt.libvirtError) -> bool:
    """Whether the connection broke, not the request."""
    text = message_of(error)
    if any(lost in text for lost in LOST_TEXTS):
        return True
    return error.get_error_domain() in TRANSPORT and error.get_error_code() in TRANSPORT_CODES


def translate(error: libvirt.libvirtError, what: str = "") -> VirtError:
    """Our error for libvirt's; raise it ``from`` the latter.

    Args:
        error: what libvirt raised.
        what: what was being done to what, e.g. ``start guest web``; begins the message.
    """
    text = message_of(error)
    message = f"{what}: {text}" if what else text
    for matches, make in RULES:
        if matches(error, text):
            return make(error, text, message)
    kind = CLASSES.get(error.get_error_code()) or PARTS.get(error.get_error_domain()) or BackendError
    return kind(message, hint=HINTS.get(kind, ""))


def message_of(error: libvirt.libvirtError) -> str:
    """Libvirt's text in one line of bounded length."""
    text = " ".join(str(error.get_error_message() or error).split())
    return text if len(text) <= 500 else f"{text[:499]}…"


@contextmanager
def translated(what: str) -> Iterator[None]:
    """Raise our errors for what libvirt raises in this block.

    Args:
        what: what is being done to what, e.g. ``start guest web``.
    """
    try:
        yield
    except libvirt.libvirtError as error:
        raise translate(error, what) from error


HINTS: Final[dict[type[VirtError], str]] = {
    AuthenticationFailed: "check user name and password; for a local socket: be a member of the group 'libvirt'",
    PermissionDenied: "the account lacks this right at libvirtd (polkit, access driver, or a read-only connection)",
    GuestAgentUnavailable: "install and start qemu-guest-agent in the guest",
    StorageError: "look at the storage pool (virsh pool-info, vol-list) and at the log of libvirt's daemon",
    NetworkError: "look at the network (virsh net-info) and at the log of libvirt's daemon",
}

Rule = tuple[Callable[[libvirt.libvirtError, str], bool], Callable[[libvirt.libvirtError, str, str], VirtError]]


def says(texts: tuple[str, ...]) -> Callable[[libvirt.libvirtError, str], bool]:
    """Whether the text contains one of these."""
    return lambda _error, text: any(part in text for part in texts)


def is_full(error: libvirt.libvirtError, text: str) -> bool:
    """Whether storage ran out of space."""
    if error.get_error_code() == libvirt.VIR_ERR_SYSTEM_ERROR and error.get_int1() in FULL:
        return True
    return any(part in text for part in FULL_TEXTS)


def is_out_of_memory(error: libvirt.libvirtError, text: str) -> bool:
    """Whether the host's memory does not suffice."""
    return error.get_error_code() == libvirt.VIR_ERR_NO_MEMORY or any(part in text for part in MEMORY_TEXTS)


def busy(_error: libvirt.libvirtError, text: str, message: str) -> VirtError:
    """Somebody else has it; libvirt says who, in parentheses."""
    found = HOLDER.search(text)
    if found is None:
        return Busy(message, hint="try again later")
    return Busy(message.replace(f"({found[0]}", "").rstrip(), found["holder"].strip(), hint="try again later")


RULES: Final[tuple[Rule, ...]] = (
    (
        lambda error, _: is_transport(error),
        lambda _, text, message: ConnectionLost(message, state_after=StateAfter.UNKNOWN),
    ),
    (says(BUSY_TEXTS), busy),
    (
        lambda error, _: error.get_error_code() == libvirt.VIR_ERR_OPERATION_TIMEOUT,
        lambda _, text, message: Timeout(text, message),
    ),
    (
        says(SLOT_TEXTS),
        lambda _, text, message: NoCapacity(
            "slots", message, hint="change the guest while it is off: libvirt then makes room for one more"
        ),
    ),
    (
        says(TRAFFIC_TEXTS),
        lambda _, text, message: NetworkError(
            message, hint="limits need traffic control in the host's kernel: modules sch_htb, sch_sfq, sch_ingress"
        ),
    ),
    (
        says(LOCKED_TEXTS),
        lambda _, text, message: PermissionDenied(
            message, hint="let libvirtd raise limits (CAP_SYS_RESOURCE), or make the guest without locked memory"
        ),
    ),
    (
        says(SHARE_TEXTS),
        lambda _, text, message: StorageError(
            message, hint="see that each share's directory is there, and is no symbolic link; or detach the share"
        ),
    ),
    (is_full, lambda _, text, message: NoCapacity("storage", message)),
    (is_out_of_memory, lambda _, text, message: NoCapacity("memory_bytes", message)),
)
"""What number and part alone do not tell; the first that matches decides."""

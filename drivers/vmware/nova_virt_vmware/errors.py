"""The one place where the errors of vSphere become ours.

Two libraries raise: pyvmomi the server's own faults (``vmodl.MethodFault`` and what derives of it, also as the error of
a task or of a property that could not be read), and urllib3 what happened on the way. A fault's class decides what it
becomes; its own text and the object that it names are kept.
"""

from __future__ import annotations

import re
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

from pyVmomi import vim, vmodl
from urllib3 import exceptions as transport

from nova_virt_api.errors import (
    AuthenticationFailed,
    BackendError,
    Busy,
    ConnectionLost,
    GuestAgentUnavailable,
    NetworkError,
    NoCapacity,
    PermissionDenied,
    StateAfter,
    StorageError,
    Unavailable,
    VirtError,
)

LONGEST_TEXT: Final = 500
POOL: Final = re.compile(r"^\w+\(host=.*?\): |^\w+Pool\(.*?\): ")
"""urllib3 says which of its objects failed."""

LOOK: Final = "see that the server runs, and look what was done before doing it again"


class BadAnswer(Exception):
    """The server answered, but not as a web service of vSphere does.

    Args:
        message: what came instead.
        status: the answer's HTTP status.
    """

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


NATIVE: Final = (vmodl.MethodFault, transport.HTTPError, BadAnswer)
"""All that a request can raise."""


# --- errors of this driver's own, for verbs that have to know more ---------------------------------------------------


class NotThere(BackendError):
    """The object does not exist, any more or at all.

    Args:
        moref: the object's id as the fault names it; empty if it does not.
    """

    def __init__(self, message: str, moref: str = "", **more: Any) -> None:
        super().__init__(message, **more)
        self.moref = moref


class NameTaken(BackendError):
    """The folder has an object of this name (``DuplicateName``).

    Args:
        name: the name, as the server spells it.
        moref: the id of the object that has it; empty if the fault does not tell.
    """

    def __init__(self, message: str, name: str, moref: str, **more: Any) -> None:
        super().__init__(message, **more)
        self.name = name
        self.moref = moref


class WrongPowerState(BackendError):
    """The virtual machine's power state does not allow it (``InvalidPowerState``); it has changed since we looked.

    Args:
        existing: the server's word for the state that it is in, e.g. ``poweredOn``.
    """

    def __init__(self, message: str, existing: str, **more: Any) -> None:
        super().__init__(message, **more)
        self.existing = existing


class Refused(BackendError):
    """The server does not take the request: a value is wrong, or the object's state or kind does not allow it."""


class TaskStopped(BackendError):
    """Somebody cancelled the server's task."""


class ChangedMeanwhile(Busy):
    """Somebody else changed the object between our look and our change: look again; saying it again does not help."""


class Untrusted(Unavailable):
    """Who answers is not who was expected, or cannot show it."""


class Closed(Unavailable):
    """The connection was closed on this side."""


class SessionExpired(Unavailable):
    """The server does not know the session any more. The connection logs in anew, so nobody else sees this."""


# --- translation ------------------------------------------------------------------------------------------------------


def translate(error: Exception, doing: str) -> VirtError:
    """Our error for a native one; raise it ``from`` the latter.

    Errors whose ``state_after`` is UNCHANGED did nothing at the server, ``Busy`` and ``Unavailable`` among them: the
    request may be sent again. After ``ConnectionLost`` nobody knows what was done.

    Args:
        error: what a library raised, or the error of a task.
        doing: what was being done to what, e.g. ``switch on virtual machine vm-42``; begins the message.
    """
    for kinds, make in KINDS:
        if isinstance(error, kinds):
            return make(error, doing)
    return BackendError(f"{doing}: {text_of(error)}", state_after=StateAfter.UNKNOWN)


@contextmanager
def translated(doing: str) -> Iterator[None]:
    """Raise our errors for what the libraries raise in this block."""
    try:
        yield
    except NATIVE as error:
        raise translate(error, doing) from error


def text_of(error: Any) -> str:
    """What an error says, fit to be shown: one line of bounded length, a fault's own text and its class."""
    if not isinstance(error, vmodl.MethodFault):
        said = str(error.args[-1]) if isinstance(error, transport.HTTPError) and error.args else str(error)
        return shown(POOL.sub("", said) or type(error).__name__)
    kind = type(error).__name__.rpartition(".")[2]
    texts = [error.msg or "", *(message.message or "" for message in error.faultMessage or ())]
    text = "; ".join(dict.fromkeys(filter(None, map(shown, texts))))
    cause = text_of(error.faultCause) if error.faultCause is not None else ""
    return shown("; ".join(filter(None, (f"{text} ({kind})" if text else kind, cause))))


def shown(text: str) -> str:
    """A text in one line of bounded length."""
    text = " ".join(text.split())
    return text if len(text) <= LONGEST_TEXT else f"{text[: LONGEST_TEXT - 1]}…"


def moref_of(native: Any) -> str:
    """The id of a managed object; empty for None."""
    return "" if native is None else str(native._moId)


# --- the server's faults ----------------------------------------------------------------------------------------------


def plain(kind: type[VirtError], hint: str = "", state_after: StateAfter = StateAfter.UNCHANGED) -> Make:
    """Makes errors of a kind that takes no more than a text."""
    return lambda error, doing: kind(f"{doing}: {text_of(error)}", hint=hint, state_after=state_after)


def not_there(error: Any, doing: str) -> VirtError:
    """For an object that is gone."""
    return NotThere(f"{doing}: {text_of(error)}", moref_of(error.obj))


def name_taken(error: Any, doing: str) -> VirtError:
    """For a name that its folder has."""
    name, moref = str(error.name or ""), moref_of(error.object)
    return NameTaken(f"{doing}: the name {name!r} is taken by {moref or 'another object'}", name, moref)


def denied(error: Any, doing: str) -> VirtError:
    """For a privilege that the account lacks."""
    lacks = f"privilege {error.privilegeId}" if error.privilegeId else "a privilege"
    where = f" on {moref_of(error.object)}" if error.object is not None else ""
    return PermissionDenied(
        f"{doing}: the account lacks {lacks}{where}", hint="give a role that has it to the account in vCenter"
    )


def wrong_power_state(error: Any, doing: str) -> VirtError:
    """For a power state that has changed since it was looked at."""
    return WrongPowerState(f"{doing}: it is {error.existingState}", str(error.existingState))


def in_use(error: Any, doing: str) -> VirtError:
    """For an object that another task works on."""
    return Busy(f"{doing}: {text_of(error)}", moref_of(error.task), hint="try again later")


def full(error: Any, doing: str) -> VirtError:
    """For a datastore without room."""
    resource = str(error.datastore or error.file or "storage")
    return NoCapacity(resource, f"{doing}: no room on {resource}", hint="free some space, or name another storage pool")


def short(resource: str) -> Make:
    """Makes errors for a resource that there is not enough of."""
    hint = "switch off other guests, or name another node"
    return lambda error, doing: NoCapacity(resource, f"{doing}: {text_of(error)}", hint=hint)


# --- on the way -------------------------------------------------------------------------------------------------------


def untrusted(error: Any, doing: str) -> VirtError:
    """For a certificate that is not accepted; a connection may also just have broken."""
    reason = error.args[0] if error.args else None
    if isinstance(reason, ssl.SSLError) and not isinstance(reason, ssl.SSLCertVerificationError):
        return ConnectionLost(f"{doing}: {text_of(error)}", hint=LOOK, state_after=StateAfter.UNKNOWN)
    hint = "name the authority's certificate by the option cafile, or the server's by thumbprint"
    return Untrusted(f"{doing}: {text_of(error)}", hint=hint)


def no_turn(error: Any, doing: str) -> VirtError:
    """For a request that found no free connection."""
    return Busy(f"{doing}: {text_of(error)}", "other requests of this connection", hint="raise max_requests")


def bad_answer(error: Any, doing: str) -> VirtError:
    """For a server that answers something else."""
    message = f"{doing}: {text_of(error)}"
    if error.status in (502, 504):  # a proxy in front of the server: nobody knows how far the request came
        return ConnectionLost(message, hint=LOOK, state_after=StateAfter.UNKNOWN)
    if error.status == 503:
        return Unavailable(message, hint="the server is starting or overloaded; try again later")
    if error.status < 400:
        return BackendError(message, hint="check host, port and path", state_after=StateAfter.UNKNOWN)
    return Unavailable(message, hint="check host, port and path: this is not vSphere's web service")


Make = Callable[[Any, str], VirtError]

KINDS: Final[tuple[tuple[tuple[type[Exception], ...], Make], ...]] = (
    # who we are; NotAuthenticated derives of NoPermission
    ((vim.fault.NotAuthenticated,), plain(SessionExpired)),
    (
        (vim.fault.InvalidLogin, vim.fault.PasswordExpired),
        plain(AuthenticationFailed, "check username, with its domain, and password"),
    ),
    ((vim.fault.NoPermission,), denied),
    (
        (vim.fault.RestrictedVersion, vim.fault.LicenseRestricted),
        plain(PermissionDenied, "the server's licence does not include this"),
    ),
    # what it is about
    ((vmodl.fault.ManagedObjectNotFound,), not_there),
    ((vim.fault.DuplicateName,), name_taken),
    ((vim.fault.InvalidPowerState,), wrong_power_state),
    ((vim.fault.ToolsUnavailable, vim.fault.GuestOperationsUnavailable), plain(GuestAgentUnavailable)),
    # what passes: the list that govmomi keeps (fault.IsTransientError)
    ((vim.fault.TaskInProgress,), in_use),
    ((vim.fault.ConcurrentAccess,), plain(ChangedMeanwhile, "try again")),
    ((vim.fault.FailToLockFaultToleranceVMs,), plain(Busy, "try again later")),
    (
        (vmodl.fault.HostCommunication, vim.fault.NetworkDisruptedAndConfigRolledBack),
        plain(Unavailable, "see that vCenter reaches the host"),
    ),
    # what there is not enough of
    ((vim.fault.NoDiskSpace,), full),
    ((vim.fault.InsufficientMemoryResourcesFault,), short("memory")),
    ((vim.fault.InsufficientCpuResourcesFault,), short("CPU")),
    ((vim.fault.InsufficientStorageSpace,), short("storage")),
    ((vmodl.fault.NotEnoughLicenses,), short("licences")),
    ((vim.fault.InsufficientResourcesFault,), short("resources")),
    # what went wrong
    ((vim.fault.NetworkCopyFault,), plain(BackendError)),
    (
        (vim.fault.FileFault, vim.fault.InvalidDatastore, vim.fault.DatastoreNotWritableOnHost),
        plain(StorageError, "see in vCenter that the host reaches the datastore and its files"),
    ),
    ((vim.fault.CannotAccessNetwork,), plain(NetworkError, "see in vCenter that the host has the network")),
    ((vmodl.fault.RequestCanceled,), plain(TaskStopped, state_after=StateAfter.UNKNOWN)),
    (
        (
            vmodl.fault.InvalidRequest,
            vmodl.fault.InvalidArgument,
            vmodl.fault.NotSupported,
            vmodl.fault.NotImplemented,
            vim.fault.InvalidState,
            vim.fault.MethodDisabled,
            vim.fault.VmConfigFault,
            vim.fault.InvalidName,
            vim.fault.NotFound,
        ),
        plain(Refused),
    ),
    # on the way
    ((transport.SSLError,), untrusted),
    ((transport.ClosedPoolError,), plain(Closed, "connect anew")),
    ((transport.EmptyPoolError,), no_turn),
    (
        (transport.NewConnectionError, transport.ConnectTimeoutError, transport.LocationValueError),
        plain(Unavailable, "see that host and port are right and the server runs"),
    ),
    ((BadAnswer,), bad_answer),
    ((transport.HTTPError,), plain(ConnectionLost, LOOK, StateAfter.UNKNOWN)),
)
"""The first that matches decides."""

"""The one place where the errors of Ironic's client become ours.

Three libraries raise: ironicclient for answers of status 400 and more, keystoneauth for what happened on the way, and
requests for the little that keystoneauth lets through. Ironic's statuses are coarse (409 is a lock, a transition or a
real conflict), so its texts decide where they must.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

import requests
from ironicclient import exc
from keystoneauth1 import exceptions as keystone
from urllib3 import exceptions as transport

from nova_virt_api.errors import (
    AuthenticationFailed,
    BackendError,
    Busy,
    ConnectionLost,
    PermissionDenied,
    StateAfter,
    Unavailable,
    VirtError,
)

NATIVE: Final = (exc.ClientException, keystone.ClientException, requests.RequestException)
"""All that a request can raise."""

LONGEST_TEXT: Final = 500
LOOK: Final = "see that Ironic's services run, and look what was done before doing it again"

LOCKED: Final = re.compile(r"is locked by host (?P<holder>\S+?),? please retry", re.IGNORECASE)
IN_TRANSITION: Final = re.compile(
    r"while a state transition is in progress|presently locked and we are unable|while it is in state \"inspecting\""
)
FULL: Final = re.compile(r"concurrent action limit for .* has been reached|lack of free conductor workers")
"""As long as others deploy or clean, which may take hours: no outage."""

NO_CONDUCTOR: Final = re.compile(
    r"No valid host was found|No conductor service registered|Unable to establish connection to .*NewConnectionError"
)
UNANSWERED: Final = re.compile(
    r"Unable to establish connection to|Timed out waiting for a reply to message"
    r"|database is locked|Deadlock found when trying to get lock|Lock wait timeout exceeded"
)
"""The API tells its own trouble with the conductor that it hands requests to, by HTTP or by a message bus; or either
its trouble with the database."""

USERINFO: Final = re.compile(r"(://)[^/@\s]*@")
QUERY: Final = re.compile(r"(https?://[^\s?'\"]+)\?[^\s'\"]*")
POOL: Final = re.compile(r":? HTTPS?ConnectionPool\(.*\[Errno -?\d+\] ([^\"')(]+).*")
"""urllib3's account of its attempts; what a person wants to know is what the system said, e.g. connection refused."""


class NotThere(BackendError):
    """Ironic has no such object (404)."""


class Conflict(BackendError):
    """Ironic refuses for good, as it contradicts something that is there (409 that is no lock)."""


class Refused(BackendError):
    """Ironic does not take the request: the state does not allow it, or a value is wrong (400, 406)."""


def translate(error: Exception, doing: str) -> VirtError:
    """Our error for a native one; raise it ``from`` the latter.

    Errors whose ``state_after`` is UNCHANGED did nothing at the endpoint, ``Busy`` and ``Unavailable`` among them: the
    request may be sent again. After ``ConnectionLost`` nobody knows what was done.

    Args:
        error: what a library raised.
        doing: what was being done to what, e.g. ``switch on node rack1``; begins the message.
    """
    if isinstance(error, exc.HttpError | keystone.HttpError):
        return answered(error, doing)
    for kinds, make in ON_THE_WAY:
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


def text_of(error: Exception) -> str:
    """What an error says, fit to be shown."""
    return cleaned(str(getattr(error, "message", None) or str(error) or type(error).__name__))


def cleaned(text: str) -> str:
    """A text of Ironic's in one line of bounded length, without credentials and queries in URLs."""
    text = " ".join(text.split())
    text = QUERY.sub(r"\1?...", USERINFO.sub(r"\1***@", text))
    return text if len(text) <= LONGEST_TEXT else f"{text[: LONGEST_TEXT - 1]}…"


# --- the endpoint answered --------------------------------------------------------------------------------------------


def answered(error: Any, doing: str) -> VirtError:
    """For an answer of status 400 or more."""
    status = int(error.http_status)
    text = TEXTS.get(status) or text_of(error)
    message = f"{doing}: {text}"
    if (locked := LOCKED.search(text)) is not None:
        return Busy(f"{doing}: the node is locked", locked["holder"].rstrip(","), hint="try again later")
    if IN_TRANSITION.search(text):
        return Busy(message, hint="wait until the node is in a stable state")
    if FULL.search(text):
        return Busy(message, hint="Ironic does as much at a time as its configuration allows; try again later")
    if status == 503:
        return Unavailable(message, hint="Ironic has no free worker now, or is starting; try again later")
    if NO_CONDUCTOR.search(text):
        return Unavailable(message, hint="see that a conductor runs that serves this node")
    if status >= 500:
        nobody_knows = status in (502, 504) or UNANSWERED.search(text)
        failed = ConnectionLost if nobody_knows else BackendError
        return failed(message, hint=LOOK, state_after=StateAfter.UNKNOWN)
    kind = BY_STATUS.get(status, BackendError)
    return kind(message, hint=HINTS.get(kind, ""))


BY_STATUS: Final[dict[int, type[VirtError]]] = {
    400: Refused,
    401: AuthenticationFailed,
    403: PermissionDenied,
    404: NotThere,
    406: Refused,
    409: Conflict,
}

TEXTS: Final = {401: "the endpoint does not accept the credentials"}
"""Where Ironic's own text is the bare name of the status."""

HINTS: Final[dict[type[VirtError], str]] = {
    AuthenticationFailed: "check auth_type, name and secret, and with Keystone the domain and the scope",
    PermissionDenied: "the account lacks this right at Ironic (its policy, or the node belongs to another project)",
}


# --- it did not -------------------------------------------------------------------------------------------------------


def not_sent(error: BaseException) -> bool:
    """Whether a connection could not even be made, so that the endpoint heard nothing."""
    seen: set[int] = set()
    found: list[Any] = [error]
    while found:
        one = found.pop()
        if not isinstance(one, BaseException) or id(one) in seen:
            continue
        seen.add(id(one))
        if isinstance(one, transport.NewConnectionError | transport.ConnectTimeoutError | requests.ConnectTimeout):
            return True
        found += [one.__cause__, one.__context__, getattr(one, "reason", None), *one.args]
    return False


def cut(error: Exception, doing: str) -> VirtError:
    """For a connection that could not be made, or broke."""
    text = POOL.sub(r": \1", text_of(error))
    if not_sent(error):
        return Unavailable(f"{doing}: {text}", hint="see that the endpoint's URL is right and Ironic's API runs")
    return ConnectionLost(f"{doing}: {text}", hint=LOOK, state_after=StateAfter.UNKNOWN)


def untrusted(error: Exception, doing: str) -> VirtError:
    """For a certificate that is not accepted."""
    return Unavailable(f"{doing}: {text_of(error)}", hint="name the authority's certificate by the option cafile")


def no_endpoint(error: Exception, doing: str) -> VirtError:
    """For a catalog without Ironic."""
    hint = (
        "name the endpoint by the option endpoint, or check region_name, interface, and that there is a project_name"
        " or a system_scope: without a scope the catalog is empty"
    )
    return Unavailable(f"{doing}: {text_of(error)}", hint=hint)


def no_login(error: Exception, doing: str) -> VirtError:
    """For credentials that are not accepted, or not complete."""
    return AuthenticationFailed(f"{doing}: {text_of(error)}", hint=HINTS[AuthenticationFailed])


Make = Callable[[Exception, str], VirtError]

ON_THE_WAY: Final[tuple[tuple[tuple[type[Exception], ...], Make], ...]] = (
    ((keystone.SSLError, requests.exceptions.SSLError), untrusted),
    ((keystone.ConnectionError, requests.ConnectionError, requests.Timeout, exc.ConnectionRefused), cut),
    (
        (keystone.CatalogException, keystone.EndpointNotFound, exc.EndpointNotFound, exc.AmbiguousAuthSystem),
        no_endpoint,
    ),
    ((keystone.AuthorizationFailure, keystone.AuthPluginException, exc.AuthorizationFailure), no_login),
)
"""The first that matches decides."""

"""The one place where Ironic is asked: versions, repeated attempts and errors are dealt with here."""

from __future__ import annotations

import logging
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, TypeVar

from ironicclient.v1.client import Client

from nova_virt_api.errors import BackendError, Unavailable
from nova_virt_ironic.errors import translated
from nova_virt_ironic.microversions import LATEST_KNOWN, MINIMUM, Call, Microversion, Versions, too_old
from nova_virt_ironic.retry import Again, persist
from nova_virt_ironic.session import Session, open_session

if TYPE_CHECKING:
    from collections.abc import Callable

    import requests

    from nova_virt_api.driver.operation import Operation

T = TypeVar("T")

SERVICE_TYPE: Final = "baremetal"
VERSION_PATH: Final = "/v1"
FIRST: Final = Microversion(1, 8)
"""Of the first request, which the oldest endpoint answers that can be told which fields to show."""

LOWEST_HEADER: Final = "X-OpenStack-Ironic-API-Minimum-Version"
HIGHEST_HEADER: Final = "X-OpenStack-Ironic-API-Maximum-Version"


class Connection:
    """Requests to one endpoint, from any number of threads.

    Ironic's client is given each request's version, so it never negotiates, and never writes the cache of negotiated
    versions into the user's home; its own repetitions, which include conflicts for good, are off. What the endpoint
    speaks is told by the headers of every answer, so an upgrade or downgrade is noticed at once.

    Args:
        options: the driver's options.
    """

    def __init__(self, options: Any) -> None:
        self._options = options
        self._lock = threading.Lock()
        self._session: Session | None = None
        self._versions: Versions | None = None
        self._clients: dict[Microversion, Client] = {}
        self._heard_by: list[Callable[[], None]] = []
        self._changed_at = 0.0
        self._endpoint = ""
        self._closed = False

    # --- open and close -------------------------------------------------------------------------------------------

    def open(self) -> None:
        """Log in and learn which versions the endpoint speaks.

        Raises:
            Unavailable: the endpoint cannot be reached, or is too old.
            AuthenticationFailed: it does not accept the credentials.
            ConfigError: an option is missing.
        """
        session = self._session = open_session(self._options, self._hear)
        with translated("find the endpoint"):
            found = self._options.endpoint or session.get_endpoint(
                service_type=SERVICE_TYPE, interface=self._options.interface, region_name=self._options.region_name
            )
        if not found:
            raise Unavailable("Keystone's catalog has no bare metal endpoint", hint="name it by the option endpoint")
        self._endpoint = str(found).rstrip("/").removesuffix(VERSION_PATH)
        try:  # the API's root tells the versions too, but to anybody, so it says nothing of the credentials
            self.read("look at the nodes", lambda client: client.node.list(limit=1, fields=["uuid"]), at=FIRST)
        except BackendError as error:
            hint = "check the endpoint's URL: this is not Ironic's API" if self._versions is None else error.hint
            raise Unavailable(error.message, hint=hint) from error
        if self.versions.highest < MINIMUM:
            raise Unavailable(
                f"the endpoint speaks Ironic's API up to {self.versions.highest}, the driver needs {MINIMUM}",
                hint="upgrade Ironic",
            )

    def close(self) -> None:
        """Let go of the connections. Idempotent."""
        with self._lock:
            session, self._closed = self._session, True
            self._clients.clear()
        if session is not None:
            session.session.close()

    @property
    def endpoint(self) -> str:
        """The endpoint's URL without the API's version."""
        return self._endpoint

    @property
    def versions(self) -> Versions:
        """What the endpoint speaks, as its last answer said.

        Raises:
            Unavailable: it has not answered yet, or does not speak Ironic's API.
        """
        if self._versions is None:
            raise Unavailable(f"{self._endpoint} does not answer like Ironic's API", hint="check the endpoint's URL")
        return self._versions

    @property
    def request_count(self) -> int:
        """How many requests were sent so far, logging in included; one repeated with a new token counts once."""
        return self._session.count if self._session is not None else 0

    @property
    def changed_at(self) -> float:
        """When the last change of this connection began or ended, on the monotonic clock."""
        return self._changed_at

    def on_change(self, callback: Callable[[], None]) -> None:
        """Call this after each change that was asked for here; it must not block."""
        self._heard_by.append(callback)

    # --- requests -------------------------------------------------------------------------------------------------

    def serves(self, call: Call) -> bool:
        """Whether the endpoint is new enough for this."""
        return not self.too_old(call)

    def too_old(self, call: Call) -> str:
        """Why the endpoint cannot do this, in a few words; empty when it can."""
        return too_old(call, self.versions)

    def read(
        self,
        doing: str,
        request: Callable[[Client], T],
        *,
        at: Call | Microversion = Call.READ,
        op: Operation | None = None,
    ) -> T:
        """Ask something; nothing changes by it.

        With an operation it is asked again, while the endpoint is away or has no worker free, until the operation's
        deadline and at most for the option ``outage_timeout``. Without one it is asked once more if the connection
        broke.

        Args:
            doing: what is being done to what, for errors, e.g. ``look at node rack1``.
            request: sends it by the client that it is given, once.
            at: what is called, or the version that serves it.
            op: the operation worked for, if any.

        Raises:
            VirtError: see :mod:`nova_virt_ironic.errors`.
        """
        return persist(lambda: self._ask(doing, request, at), Again.ALWAYS, op, self._options.outage_timeout)

    def change(
        self,
        doing: str,
        request: Callable[[Client], T],
        *,
        at: Call | Microversion,
        op: Operation,
        again: Again = Again.UNHEARD,
    ) -> T:
        """Ask for a change. While the node is locked it is asked again with growing pauses, until the deadline.

        Args:
            doing: what is being done to what, for errors, e.g. ``switch on node rack1``.
            request: sends it by the client that it is given, once.
            at: what is called, or the version that serves it.
            op: the operation worked for.
            again: whether it may be sent again when nobody knows if it was heard.

        Raises:
            Busy: the node was locked until the deadline, by ``holder``.
            ConnectionLost: the connection broke; whether the change was made is not known. Look before you repeat it.
            VirtError: see :mod:`nova_virt_ironic.errors`.
        """
        self._changed_at = time.monotonic()
        try:
            return persist(lambda: self._ask(doing, request, at), again, op, self._options.outage_timeout)
        finally:
            self._changed_at = time.monotonic()
            for callback in self._heard_by:
                callback()

    @property
    def native(self) -> Client:
        """The client at the newest version that both it and the endpoint know."""
        return self._client(min(self.versions.highest, LATEST_KNOWN))

    def _ask(self, doing: str, request: Callable[[Client], T], at: Call | Microversion) -> T:
        with translated(doing), quiet():
            return request(self._client(self._version(doing, at)))

    def _version(self, doing: str, at: Call | Microversion) -> Microversion:
        if isinstance(at, Microversion):
            return at
        reason = too_old(at, self._versions) if self._versions is not None else ""
        if reason:
            raise BackendError(f"{doing}: {reason}", hint="upgrade Ironic")
        return at.needs

    def _client(self, version: Microversion) -> Client:
        with self._lock:
            if self._closed or self._session is None:
                raise Unavailable("the connection to Ironic was closed", hint="connect anew")
            client = self._clients.get(version)
            if client is None:
                client = self._clients[version] = Client(
                    endpoint_override=self._endpoint,
                    session=self._session,
                    os_ironic_api_version=str(version),
                    max_retries=0,
                    retry_interval=0,
                )
            return client

    def _hear(self, response: requests.Response) -> None:
        lowest, highest = response.headers.get(LOWEST_HEADER), response.headers.get(HIGHEST_HEADER)
        if lowest and highest:
            with suppress(ValueError):  # a proxy's invention
                self._versions = Versions(Microversion.parse(lowest), Microversion.parse(highest))


# --- the client's own complaints --------------------------------------------------------------------------------------


class Expected(logging.Filter):
    """Drops what the client logs as an error, on a thread whose errors are caught, translated and raised by us."""

    def __init__(self) -> None:
        super().__init__()
        self.here = threading.local()

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the record is to be logged."""
        return not getattr(self.here, "depth", 0)

    def __enter__(self) -> None:
        self.here.depth = getattr(self.here, "depth", 0) + 1

    def __exit__(self, *_: object) -> None:
        self.here.depth -= 1


EXPECTED: Final = Expected()
logging.getLogger("ironicclient.common.http").addFilter(EXPECTED)


def quiet() -> Expected:
    """A block in which the client's errors are expected on this thread."""
    return EXPECTED

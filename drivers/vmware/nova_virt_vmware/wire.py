"""The HTTPS connections to the server: pooled, with time-outs, each with its certificate checked."""

from __future__ import annotations

import socket
import ssl
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final
from weakref import WeakSet

from urllib3 import HTTPSConnectionPool, Timeout
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import NewConnectionError

from nova_virt_vmware.trust import trust

if TYPE_CHECKING:
    from collections.abc import Mapping

    from urllib3 import BaseHTTPResponse

LONGEST_WAIT: Final = 60
"""Seconds that a call of a waiting object may ask the server to wait for something to tell."""

WAITERS: Final = 8
"""Idle connections that are kept for calls that wait; more are made when needed."""

LAST_TIMEOUT: Final = 10.0
"""Seconds for the last words to the server, which nobody wants to wait for."""

KEEPALIVE: Final = [
    *HTTPConnection.default_socket_options,
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 30),
    (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 10),
    (socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 6),
]
"""A server that vanished while a call waits is noticed, and firewalls in between do not forget the connection."""


class Line(HTTPSConnection):
    """A connection that tells whether it could not be made, when nobody heard anything, or broke later."""

    def connect(self) -> None:
        """Connect, and look at the server's certificate."""
        try:
            super().connect()
        except ssl.SSLCertVerificationError:
            raise
        except OSError as error:
            raise NewConnectionError(self, str(error)) from error


class Pool(HTTPSConnectionPool):
    """Connections of that kind."""

    ConnectionCls = Line


class LatePool(Pool):
    """Connections of that kind on which requests can be broken off."""

    def __init__(self, **arguments: Any) -> None:
        super().__init__(**arguments)
        self._lines: WeakSet[Line] = WeakSet()
        self._listing = threading.Lock()
        self.ConnectionCls = self._line  # type: ignore[assignment]  # it is only called

    def break_off(self) -> None:
        """Let everybody who waits for an answer get an error instead."""
        with self._listing:
            lines = list(self._lines)
        for line in lines:
            if line.sock is not None:
                with suppress(OSError):  # it is gone already
                    socket.socket.shutdown(line.sock, socket.SHUT_RDWR)  # TLS's own is not for other threads

    def _line(self, **arguments: Any) -> Line:
        made = Line(**arguments)
        with self._listing:
            self._lines.add(made)
        return made


class Wire:
    """Requests and their answers, from any number of threads. Connects when it is first used.

    Nothing is sent twice, no redirection is followed, as that would hand the credentials to somebody else, and proxies
    of the environment are not asked.

    Args:
        options: the driver's options.

    Raises:
        ConfigError: an option is wrong.
    """

    def __init__(self, options: Any) -> None:
        common = {"host": options.host, "port": options.port, "retries": False, "socket_options": KEEPALIVE}
        common |= trust(options)
        connect, read = options.connect_timeout, options.read_timeout
        self.port = int(options.port)
        self._path = str(options.path)
        self._patience = read
        self._timeout = Timeout(connect=connect, read=read)
        self._late_timeout = Timeout(connect=connect, read=LONGEST_WAIT + read)
        self._last_timeout = Timeout(connect=min(connect, LAST_TIMEOUT), read=min(read, LAST_TIMEOUT))
        self._pool = Pool(maxsize=options.max_requests, block=True, **common)
        self._late_pool = LatePool(maxsize=WAITERS, **common)
        self._counting = threading.Lock()
        self.count = 0

    def post(self, body: bytes, headers: Mapping[str, str], *, late: bool = False) -> BaseHTTPResponse:
        """Send one request and wait for the whole answer.

        Args:
            body: the request.
            headers: of the request.
            late: whether the server may wait before it answers; such a request takes no other's connection.

        Raises:
            urllib3.exceptions.HTTPError: there was no answer.
        """
        with self._counting:
            self.count += 1
        if late:
            return self._late_pool.urlopen("POST", self._path, body, headers, timeout=self._late_timeout)
        patience = self._patience
        return self._pool.urlopen("POST", self._path, body, headers, timeout=self._timeout, pool_timeout=patience)

    def post_last(self, body: bytes, headers: Mapping[str, str]) -> BaseHTTPResponse:
        """As :meth:`post`, for what is said in parting: outside of all turns, and not waited for very long."""
        with self._counting:
            self.count += 1
        return self._late_pool.urlopen("POST", self._path, body, headers, timeout=self._last_timeout)

    def break_off(self) -> None:
        """Break off the requests that the server may answer late; they raise."""
        self._late_pool.break_off()

    def close(self) -> None:
        """Close the connections that are idle; others are closed when their requests end. Idempotent."""
        self._pool.close()
        self._late_pool.close()

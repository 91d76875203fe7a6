"""An address of our own that leads to the API: a way that can be cut, on which requests are counted, or refused."""

from __future__ import annotations

import http.client
import re
import socket
import ssl
import threading
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from nova_virt_vmware.rig.refusal import Answer

HOP_BY_HOP: Final = frozenset({"connection", "keep-alive", "transfer-encoding", "te", "trailer", "upgrade", "host"})
"""Headers that are between two neighbours only (RFC 9110, section 7.6.1), and the name by which we were called."""

PATIENCE: Final = 900.0
"""Seconds for an answer; calls that wait for changes take minutes."""

METHOD: Final = re.compile(rb"<(?:\w+:)?Body[^>]*>\s*<(?:\w+:)?(\w+)")


@dataclass(frozen=True, slots=True)
class Request:
    """What a client asks.

    Args:
        method: of the API, e.g. ``PowerOnVM_Task``; empty for what is no SOAP request.
        body: of the request.
    """

    method: str
    body: bytes


class Relay:
    """Listens on the loopback interface from :meth:`open` to :meth:`close`. Thread-safe.

    Args:
        host: of the API that it leads to.
        port: of it.
        trust: whom to trust there.
        identity: what clients shall trust here.
    """

    host: Final = "127.0.0.1"

    def __init__(self, host: str, port: int, trust: ssl.SSLContext, identity: ssl.SSLContext) -> None:
        self._upstream = (host, port)
        self._trust = trust
        self._identity = identity
        self._lock = threading.Lock()
        self._answers: list[Callable[[Request], Answer | None]] = []
        self._clients: set[socket.socket] = set()
        self._requests = 0
        self._server: ThreadingHTTPServer | None = None
        self.port = 0
        """Where it listens, from the first :meth:`open` on."""

    @property
    def requests(self) -> int:
        """How many requests came so far, of all clients together."""
        with self._lock:
            return self._requests

    def open(self) -> None:
        """Let clients through from now on, always at the same address."""
        server = Server((self.host, self.port), handler(self))
        self.port = server.server_address[1]
        with self._lock:
            self._server = server
        threading.Thread(
            target=server.serve_forever, kwargs={"poll_interval": 0.02}, name="nova-virt-vmware-relay", daemon=True
        ).start()

    def close(self) -> None:
        """Break all that is connected, and let nobody through any more. Idempotent."""
        with self._lock:
            server, self._server = self._server, None
        if server is not None:
            server.shutdown()
            server.server_close()
        with self._lock:
            clients = list(self._clients)
        for client in clients:
            with suppress(OSError):  # the other side was faster
                client.shutdown(socket.SHUT_RDWR)

    @contextmanager
    def answering(self, answer: Callable[[Request], Answer | None]) -> Iterator[None]:
        """Answer certain requests in the endpoint's stead, for a while; it does not hear of them."""
        with self._lock:
            self._answers.append(answer)
        try:
            yield
        finally:
            with self._lock:
                self._answers.remove(answer)

    def came(self, client: socket.socket) -> socket.socket:
        """A client has connected; the channel on which it is spoken to."""
        with self._lock:
            self._clients.add(client)
            closed = self._server is None
        if closed:
            client.shutdown(socket.SHUT_RDWR)
        channel = self._identity.wrap_socket(client, server_side=True)
        with self._lock:
            self._clients.remove(client)
            self._clients.add(channel)
        return channel

    def went(self, channel: socket.socket) -> None:
        """A client is gone."""
        with self._lock:
            self._clients.discard(channel)

    def judged(self, request: Request) -> Answer | None:
        """Count a request; what it is to be answered with, if not by the endpoint."""
        with self._lock:
            self._requests += 1
            answers = list(self._answers)
        return next((found for answer in answers if (found := answer(request)) is not None), None)

    def connection(self) -> http.client.HTTPConnection:
        """A way to the endpoint, for one client."""
        host, port = self._upstream
        return http.client.HTTPSConnection(host, port, timeout=PATIENCE, context=self._trust)


class Server(ThreadingHTTPServer):
    """Serves each client on a thread of its own, and waits for none of them at the end."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A connection broke on either side; the client sees that by itself."""


def handler(relay: Relay) -> type[BaseHTTPRequestHandler]:
    """What serves a relay's clients."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def setup(self) -> None:
            self.request = relay.came(self.request)
            super().setup()
            self.upstream = relay.connection()

        def finish(self) -> None:
            self.upstream.close()
            relay.went(self.request)
            super().finish()
            self.request.close()

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            named = METHOD.search(body)
            answer = relay.judged(Request("" if named is None else named[1].decode(), body))
            if answer is not None:
                self.reply(answer.status, [("Content-Type", "text/xml; charset=utf-8")], answer.body)
                return
            kept = {name: value for name, value in self.headers.items() if name.lower() not in HOP_BY_HOP}
            self.upstream.request("POST", self.path, body, kept)
            found = self.upstream.getresponse()
            self.reply(found.status, found.getheaders(), found.read())

        def reply(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
            self.send_response_only(status)
            for name, value in headers:
                if name.lower() not in HOP_BY_HOP | {"content-length"}:
                    self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    return Handler

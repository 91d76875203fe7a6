"""An address of our own that leads to the API: a way that can be cut, on which requests are counted, or refused."""

from __future__ import annotations

import http.client
import socket
import ssl
import threading
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from nova_virt_ironic.rig.refusal import Answer

HOP_BY_HOP: Final = frozenset({"connection", "keep-alive", "transfer-encoding", "te", "trailer", "upgrade", "host"})
"""Headers that are between two neighbours only (RFC 9110, section 7.6.1), and the name by which we were called."""

PATIENCE: Final = 120.0


@dataclass(frozen=True, slots=True)
class Request:
    """What a client asks.

    Args:
        method: e.g. ``PUT``.
        path: with its query.
        body: empty when it has none.
    """

    method: str
    path: str
    body: bytes


class Relay:
    """Listens on the loopback interface from :meth:`open` to :meth:`close`. Thread-safe.

    Clients speak plain HTTP to it, whatever it speaks to the endpoint: it is on their own machine.

    Args:
        endpoint: URL of the API that it leads to, without the version.
        verify: False, True, or a file of certificates: whom to trust where that URL is https.
    """

    def __init__(self, endpoint: str, verify: bool | str) -> None:
        self._upstream = urlsplit(endpoint)
        self._trust = trust(verify) if self._upstream.scheme == "https" else None
        self._lock = threading.Lock()
        self._answers: list[Callable[[Request], Answer | None]] = []
        self._clients: set[socket.socket] = set()
        self._requests = 0
        self._port = 0
        self._server: ThreadingHTTPServer | None = None

    @property
    def url(self) -> str:
        """What clients are told to be the endpoint."""
        return f"http://127.0.0.1:{self._port}"

    @property
    def requests(self) -> int:
        """How many requests came so far, of all clients together."""
        with self._lock:
            return self._requests

    def open(self) -> None:
        """Let clients through from now on, always at the same address."""
        server = Server(("127.0.0.1", self._port), handler(self))
        self._port = server.server_address[1]
        with self._lock:
            self._server = server
        threading.Thread(
            target=server.serve_forever, kwargs={"poll_interval": 0.02}, name="nova-virt-ironic-relay", daemon=True
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

    def came(self, client: socket.socket) -> None:
        """A client has connected."""
        with self._lock:
            self._clients.add(client)
            closed = self._server is None
        if closed:
            client.shutdown(socket.SHUT_RDWR)

    def went(self, client: socket.socket) -> None:
        """A client is gone."""
        with self._lock:
            self._clients.discard(client)

    def judged(self, request: Request) -> Answer | None:
        """Count a request; what it is to be answered with, if not by the endpoint."""
        with self._lock:
            self._requests += 1
            answers = list(self._answers)
        return next((found for answer in answers if (found := answer(request)) is not None), None)

    def forward(self, request: Request, headers: Any) -> tuple[int, list[tuple[str, str]], bytes]:
        """Ask the endpoint: its status, headers and body."""
        host, port = self._upstream.hostname or "", self._upstream.port
        connection = (
            http.client.HTTPConnection(host, port, timeout=PATIENCE)
            if self._trust is None
            else http.client.HTTPSConnection(host, port, timeout=PATIENCE, context=self._trust)
        )
        try:
            kept = {name: value for name, value in headers.items() if name.lower() not in HOP_BY_HOP}
            path = f"{self._upstream.path.rstrip('/')}{request.path}"
            connection.request(request.method, path, request.body or None, {**kept, "Connection": "close"})
            answer = connection.getresponse()
            return answer.status, answer.getheaders(), answer.read()
        finally:
            connection.close()


class Server(ThreadingHTTPServer):
    """Serves each client on a thread of its own, and waits for none of them at the end."""

    daemon_threads = True
    block_on_close = False

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A connection broke on either side; the client sees that by itself."""


def handler(relay: Relay) -> type[BaseHTTPRequestHandler]:
    """What serves a relay's clients."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def setup(self) -> None:
            super().setup()
            relay.came(self.connection)

        def finish(self) -> None:
            relay.went(self.connection)
            super().finish()

        def serve(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            request = Request(self.command, self.path, body)
            answer = relay.judged(request)
            if answer is not None:
                self.reply(answer.status, [("Content-Type", "application/json")], answer.body)
            else:
                self.reply(*relay.forward(request, self.headers))

        def reply(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
            self.send_response_only(status)
            for name, value in headers:
                if name.lower() not in HOP_BY_HOP | {"content-length"}:
                    self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = serve  # noqa: N815 - names of http.server

    return Handler


def trust(verify: bool | str) -> ssl.SSLContext:
    """Whom to trust."""
    context = ssl.create_default_context(cafile=verify if isinstance(verify, str) else None)
    if verify is False:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context

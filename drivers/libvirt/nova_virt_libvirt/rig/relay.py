"""A socket of our own that leads to libvirtd's: a way that can be cut, on which requests are counted, or refused."""

from __future__ import annotations

import socket
import struct
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Final

from nova_virt_libvirt.rig.refusal import HEADER

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from nova_virt_libvirt.rig.refusal import Refusal

# libvirt's RPC protocol, https://libvirt.org/kbase/internals/rpc.html: every packet begins with its own length, then
# the numbers of program, version, procedure, type, serial and status, each of 32 bits, the highest byte first.
LENGTH: Final = struct.Struct(">I")
KEEPALIVE: Final = 0x6B656570
CALLS: Final = frozenset({0, 4})
"""The types of a packet that asks for something: a call, and a call that hands over files."""

CHUNK: Final = 256 * 1024


class Relay:
    """Listens from :meth:`open` to :meth:`close`. Thread-safe.

    Args:
        path: where it listens; clients connect there.
        daemon: the socket that it leads to.
    """

    def __init__(self, path: Path, daemon: Path) -> None:
        self.path: Final = path
        self._daemon = daemon
        self._lock = threading.Lock()
        self._listener: socket.socket | None = None
        self._ends: set[socket.socket] = set()
        self._requests = 0
        self._refusals: list[Refusal] = []

    @property
    def requests(self) -> int:
        """How many requests have passed so far, of all clients together."""
        with self._lock:
            return self._requests

    def open(self) -> None:
        """Let clients through from now on."""
        listener = socket.socket(socket.AF_UNIX)
        unseen = self.path.with_suffix(".new")
        listener.bind(str(unseen))
        listener.listen()
        unseen.rename(self.path)  # whoever finds it is served
        with self._lock:
            self._listener = listener
        start(self._accept, listener)

    def close(self) -> None:
        """Break all that is connected, and let nobody through any more. Idempotent."""
        with self._lock:
            listener, self._listener = self._listener, None
            ends = list(self._ends)
        if listener is not None:
            self.path.unlink()
            end(listener)
        for one in ends:
            end(one)

    @contextmanager
    def refusing(self, refusal: Refusal) -> Iterator[None]:
        """Answer certain requests in the daemon's stead, for a while; it does not hear of them."""
        with self._lock:
            self._refusals.append(refusal)
        try:
            yield
        finally:
            with self._lock:
                self._refusals.remove(refusal)

    def _accept(self, listener: socket.socket) -> None:
        with listener, suppress(OSError):  # it was closed
            while True:
                client, _ = listener.accept()
                daemon = socket.socket(socket.AF_UNIX)
                with self._lock:
                    self._ends |= {client, daemon}
                    closed = self._listener is not listener
                if closed:
                    end(client)
                start(self._lead, client, daemon)

    def _lead(self, client: socket.socket, daemon: socket.socket) -> None:
        """Serve one client until either side ends."""
        one_at_a_time = threading.Lock()
        with client, daemon:
            with suppress(OSError):
                daemon.connect(str(self._daemon))
                back = start(carry_answers, daemon, client, one_at_a_time)
                self._carry_requests(client, daemon, one_at_a_time)
                end(daemon)
                back.join()
            with self._lock:
                self._ends -= {client, daemon}

    def _carry_requests(self, client: socket.socket, daemon: socket.socket, one_at_a_time: threading.Lock) -> None:
        """Hand packets on, one by one, until the client ends."""
        with suppress(OSError, EOFError):
            while True:
                packet = receive_packet(client)
                refusal = self._judge(packet[LENGTH.size :])
                if refusal is None:
                    daemon.sendall(packet)
                else:
                    with one_at_a_time:
                        client.sendall(refusal.answer(packet[LENGTH.size :]))

    def _judge(self, request: bytes) -> Refusal | None:
        """Count a request; the refusal that is meant for it, if there is one."""
        program, _, _, kind, _, _ = HEADER.unpack_from(request)
        if program == KEEPALIVE or kind not in CALLS:
            return None
        with self._lock:
            self._requests += 1
            return next((refusal for refusal in self._refusals if refusal.meets(request)), None)


def carry_answers(daemon: socket.socket, client: socket.socket, one_at_a_time: threading.Lock) -> None:
    """Hand packets on until the daemon ends, then end the client."""
    with suppress(OSError, EOFError):
        while True:
            packet = receive_packet(daemon)
            with one_at_a_time:
                client.sendall(packet)
    end(client)


def receive_packet(source: socket.socket) -> bytes:
    """The next packet, with its length in front.

    Raises:
        EOFError: the source ended.
    """
    length = receive(source, LENGTH.size)
    return length + receive(source, LENGTH.unpack(length)[0] - LENGTH.size)


def receive(source: socket.socket, length: int) -> bytes:
    """Exactly so many bytes.

    Raises:
        EOFError: the source ended before.
    """
    parts = bytearray()
    while len(parts) < length:
        part = source.recv(min(CHUNK, length - len(parts)))
        if not part:
            raise EOFError
        parts += part
    return bytes(parts)


def end(one: socket.socket) -> None:
    """Let nothing pass any more, and wake whoever waits for it."""
    with suppress(OSError):  # the other side was faster
        one.shutdown(socket.SHUT_RDWR)


def start(work: Callable[..., None], *arguments: object) -> threading.Thread:
    """Do this on a thread of its own."""
    thread = threading.Thread(target=work, args=arguments, name="nova-virt-libvirt-relay", daemon=True)
    thread.start()
    return thread

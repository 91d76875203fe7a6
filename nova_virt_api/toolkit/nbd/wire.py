"""NBD on the wire, as far as a reader needs it. Reference: the NetworkBlockDevice protocol, doc/proto.md."""

import socket
import struct
from collections.abc import Sized
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

GREETING: Final = struct.Struct(">QQH")
MAGIC: Final = 0x4E42444D41474943
OPTIONS_MAGIC: Final = 0x49484156454F5054
OPTION: Final = struct.Struct(">QII")
OPTION_REPLY: Final = struct.Struct(">QIII")
OPTION_REPLY_MAGIC: Final = 0x3E889045565A9
REQUEST: Final = struct.Struct(">IHHQQI")
REQUEST_MAGIC: Final = 0x25609513
CHUNK: Final = struct.Struct(">IHHQI")
CHUNK_MAGIC: Final = 0x668E33EF

FIXED_NEWSTYLE: Final = 1
NO_ZEROES: Final = 2

OPT_GO: Final = 7
OPT_STRUCTURED_REPLY: Final = 8
OPT_SET_META_CONTEXT: Final = 10

REP_ACK: Final = 1
REP_INFO: Final = 3
REP_META_CONTEXT: Final = 4
REP_ERROR: Final = 1 << 31

INFO_EXPORT: Final = 0

CMD_READ: Final = 0
CMD_DISCONNECT: Final = 2
CMD_BLOCK_STATUS: Final = 7

DONE: Final = 1
OFFSET_DATA: Final = 1
OFFSET_HOLE: Final = 2
BLOCK_STATUS: Final = 5
CHUNK_ERROR: Final = 1 << 15

LONGEST_REPLY: Final = 64 * 1024**2
"""Bytes of a message that is still believed."""

MOST_PARTS: Final = 1 << 17
"""Messages of one answer that are still believed: a read of 32 MiB in sectors has half as many."""

BROKEN: Final = "the server broke the protocol"


class NbdError(Exception):
    """The server refused, broke the protocol, or is gone."""


class NbdSilence(NbdError):
    """The server did not answer in time."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """One part of the answer to a request."""

    kind: int
    last: bool
    payload: bytes


class Wire:
    """Whole messages over a socket.

    Args:
        stream: connected to the server; closed by :meth:`close`.
    """

    def __init__(self, stream: socket.socket) -> None:
        self._stream = stream
        self._requests = 0

    def close(self) -> None:
        """Hang up; whoever waits for the server gets an error."""
        with suppress(OSError):  # it hung up first
            self._stream.shutdown(socket.SHUT_RDWR)
        self._stream.close()

    def greet(self) -> None:
        """Exchange greetings."""
        magic, options, flags = GREETING.unpack(self._receive(GREETING.size))
        if magic != MAGIC or options != OPTIONS_MAGIC or not flags & FIXED_NEWSTYLE:
            raise NbdError("this is no NBD server, or one of the old style")
        self._send(struct.pack(">I", FIXED_NEWSTYLE | (flags & NO_ZEROES)))

    def negotiate(self, option: int, data: bytes) -> list[tuple[int, bytes]]:
        """Ask for an option; the replies before the server's consent.

        Raises:
            NbdError: it does not consent.
        """
        self._send(OPTION.pack(OPTIONS_MAGIC, option, len(data)) + data)
        replies: list[tuple[int, bytes]] = []
        while True:
            magic, of, kind, length = OPTION_REPLY.unpack(self._receive(OPTION_REPLY.size))
            if magic != OPTION_REPLY_MAGIC or of != option:
                raise NbdError("the server broke the protocol while an export was asked for")
            payload = self._receive(bounded(length))
            if kind & REP_ERROR:
                raise NbdError(payload.decode(errors="replace") or f"the server refuses option {option}")
            if kind == REP_ACK:
                return replies
            replies.append((kind, payload))
            refuse_endless(replies)

    def request(self, command: int, offset: int, length: int) -> list[Chunk]:
        """Send a request and gather its answer.

        Raises:
            NbdError: the server answers with an error.
        """
        cookie = self._requests = self._requests + 1
        self._send(REQUEST.pack(REQUEST_MAGIC, 0, command, cookie, offset, length))
        chunks: list[Chunk] = []
        while not chunks or not chunks[-1].last:
            chunks.append(self._chunk(cookie))
            refuse_endless(chunks)
        for chunk in chunks:
            if chunk.kind & CHUNK_ERROR:
                number, size = unpacked(">IH", chunk.payload)
                text = chunk.payload[6 : 6 + size].decode(errors="replace")
                raise NbdError(f"error {number} at byte {offset}" + (f": {text}" if text else ""))
        return chunks

    def take_leave(self) -> None:
        """Tell the server that no more comes."""
        self._send(REQUEST.pack(REQUEST_MAGIC, 0, CMD_DISCONNECT, 0, 0, 0))

    def _chunk(self, cookie: int) -> Chunk:
        magic, flags, kind, of, length = CHUNK.unpack(self._receive(CHUNK.size))
        if magic != CHUNK_MAGIC or of != cookie:
            raise NbdError(BROKEN)
        return Chunk(kind, bool(flags & DONE), self._receive(bounded(length)))

    def _send(self, data: bytes) -> None:
        try:
            self._stream.sendall(data)
        except OSError as error:
            raise told(error) from error

    def _receive(self, length: int) -> bytes:
        data = bytearray(length)
        view, done = memoryview(data), 0
        while done < length:
            try:
                count = self._stream.recv_into(view[done:])
            except OSError as error:
                raise told(error) from error
            if not count:
                raise NbdError("the server closed the connection")
            done += count
        return bytes(data)


def unpacked(layout: str, payload: bytes, offset: int = 0) -> tuple[Any, ...]:
    """The numbers at a place of a message.

    Raises:
        NbdError: the message ends before.
    """
    try:
        return struct.unpack_from(layout, payload, offset)
    except struct.error:
        raise NbdError(BROKEN) from None


def refuse_endless(parts: Sized) -> None:
    """Refuse an answer of more messages than any has."""
    if len(parts) > MOST_PARTS:
        raise NbdError("the server goes on answering for ever")


def bounded(length: int) -> int:
    """A length that a server may send."""
    if length > LONGEST_REPLY:
        raise NbdError(f"the server announces a message of {length} bytes")
    return length


def told(error: OSError) -> NbdError:
    """The error for what the socket answers."""
    if isinstance(error, TimeoutError):
        return NbdSilence("the server does not answer")
    return NbdError(f"the connection to the server broke: {error.strerror or error}")

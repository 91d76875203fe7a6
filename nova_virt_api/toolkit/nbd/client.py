"""A reader of one NBD export: structured replies, block status by metadata contexts. No writing, no TLS."""

import socket
import struct
import threading
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from nova_virt_api.toolkit.nbd.wire import (
    BLOCK_STATUS,
    BROKEN,
    CMD_BLOCK_STATUS,
    CMD_READ,
    INFO_EXPORT,
    OFFSET_DATA,
    OFFSET_HOLE,
    OPT_GO,
    OPT_SET_META_CONTEXT,
    OPT_STRUCTURED_REPLY,
    REP_INFO,
    REP_META_CONTEXT,
    Chunk,
    NbdError,
    Wire,
    unpacked,
)

ALLOCATION: Final = "base:allocation"
"""The context that says what is a hole (bit 0) and what reads as zeros (bit 1)."""

LONGEST_STATUS: Final = 1 << 30
"""Bytes that are asked about at once."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """Bytes of an export that have the same flags in each context.

    Args:
        offset: where they begin.
        length: how many they are.
        flags: what each context says of them, in the order in which the contexts were asked for.
    """

    offset: int
    length: int
    flags: tuple[int, ...]


class Export:
    """One export, open for reading. Thread-safe: requests take turns.

    Args:
        stream: connected to the server, with a time-out that bounds each wait; closed with the export, or at once if
            the server refuses.
        name: the export's name.
        contexts: the metadata contexts that are going to be asked for.

    Raises:
        NbdError: the server has no such export or no such context, or does not speak the protocol.
    """

    def __init__(self, stream: socket.socket, name: str, contexts: Sequence[str] = (ALLOCATION,)) -> None:
        self._wire = Wire(stream)
        self._lock = threading.Lock()
        try:
            self._wire.greet()
            self._wire.negotiate(OPT_STRUCTURED_REPLY, b"")
            self._ids = self._choose(name, contexts)
            self.size_bytes: Final = self._open(name)
        except NbdError:
            self._wire.close()
            raise

    def close(self) -> None:
        """Hang up; whoever waits for an answer gets an error."""
        with suppress(NbdError):  # it is gone already
            self._wire.take_leave()
        self._wire.close()

    def read(self, offset: int, length: int) -> bytes:
        """These bytes of the export.

        Raises:
            NbdError: they cannot be read.
        """
        with self._lock:
            chunks = self._wire.request(CMD_READ, offset, length)
        data, found = bytearray(length), 0
        for chunk in chunks:
            if chunk.kind == OFFSET_DATA:
                (at,) = unpacked(">Q", chunk.payload)
                part = memoryview(chunk.payload)[8:]
                check_within(at, len(part), offset, length)
                data[at - offset : at - offset + len(part)] = part
                found += len(part)
            elif chunk.kind == OFFSET_HOLE:
                at, size = unpacked(">QI", chunk.payload)
                check_within(at, size, offset, length)
                found += size
        if found != length:
            raise NbdError(f"the server gave {found} of {length} bytes")
        return bytes(data)

    def status(self, offset: int, length: int) -> Iterator[Stretch]:
        """What the contexts say of these bytes, in order and without gaps.

        Raises:
            NbdError: the server does not tell.
        """
        end = offset + length
        while offset < end:
            asked = min(end - offset, LONGEST_STATUS)
            with self._lock:
                chunks = self._wire.request(CMD_BLOCK_STATUS, offset, asked)
            told = dict(runs_of(chunk) for chunk in chunks if chunk.kind == BLOCK_STATUS)
            if told.keys() != set(self._ids):
                raise NbdError("the server does not tell what was asked for")
            for stretch in merged([told[number] for number in self._ids], offset, asked):
                yield stretch
                offset += stretch.length

    def _choose(self, name: str, contexts: Sequence[str]) -> tuple[int, ...]:
        if not contexts:
            return ()
        queries = b"".join(prefixed(context) for context in contexts)
        data = prefixed(name) + struct.pack(">I", len(contexts)) + queries
        replies = self._wire.negotiate(OPT_SET_META_CONTEXT, data)
        found = {
            payload[4:].decode(errors="replace"): unpacked(">I", payload)[0]
            for kind, payload in replies
            if kind == REP_META_CONTEXT
        }
        missing = [context for context in contexts if context not in found]
        if missing:
            raise NbdError(f"the server does not tell {missing[0]} of export {name}")
        return tuple(found[context] for context in contexts)

    def _open(self, name: str) -> int:
        replies = self._wire.negotiate(OPT_GO, prefixed(name) + struct.pack(">H", 0))
        for kind, payload in replies:
            if kind == REP_INFO and unpacked(">H", payload)[0] == INFO_EXPORT:
                return int(unpacked(">Q", payload, 2)[0])
        raise NbdError(f"the server does not tell the size of export {name}")


def prefixed(text: str) -> bytes:
    """A string with its length before it."""
    data = text.encode()
    return struct.pack(">I", len(data)) + data


def check_within(at: int, size: int, offset: int, length: int) -> None:
    """Refuse what nobody asked for."""
    if at < offset or at + size > offset + length:
        raise NbdError("the server gave bytes that nobody asked for")


Run = tuple[int, int]
"""A length and the flags of that many bytes."""


def runs_of(chunk: Chunk) -> tuple[int, list[Run]]:
    """A context's number and what it says, from where was asked on.

    Raises:
        NbdError: it says something else.
    """
    if len(chunk.payload) % 8 != 4:  # a number, and pairs of numbers
        raise NbdError(BROKEN)
    numbers = struct.unpack(f">{len(chunk.payload) // 4}I", chunk.payload)
    return numbers[0], list(zip(numbers[1::2], numbers[2::2], strict=True))


def merged(told: Sequence[Sequence[Run]], offset: int, limit: int) -> Iterator[Stretch]:
    """Stretches in which no context changes its flags, as far as all contexts have told.

    Raises:
        NbdError: one of them tells nothing, and would for ever.
    """
    covered = min([limit, *(sum(length for length, _ in runs) for runs in told)])
    if covered <= 0:
        raise NbdError(f"the server tells nothing of byte {offset}")
    edges = {0, covered}
    for runs in told:
        at = 0
        for length, _ in runs:
            at += length
            edges.add(min(at, covered))
    ordered = sorted(edges)
    cursors = [list(runs) for runs in told]
    positions = [0] * len(told)
    for start, end in pairwise(ordered):
        flags = []
        for index, runs in enumerate(cursors):
            while positions[index] + runs[0][0] <= start:
                positions[index] += runs.pop(0)[0]
            flags.append(runs[0][1])
        yield Stretch(offset + start, end - start, tuple(flags))

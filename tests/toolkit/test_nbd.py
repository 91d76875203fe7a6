"""The NBD reader, on QEMU's own server and on servers that misbehave."""

import os
import socket
import struct
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from nova_virt_api.toolkit.nbd import ALLOCATION, Export, NbdError, NbdSilence, wire
from nova_virt_api.toolkit.nbd.wire import GREETING, MAGIC, OPTION_REPLY, OPTION_REPLY_MAGIC, OPTIONS_MAGIC, REP_ERROR

SIZE = 4 * 1024**2
CLUSTER = 65536
PATIENCE = 60.0

Connect = Callable[[], socket.socket]


@pytest.fixture
def disk(tmp_path: Path) -> Path:
    """A disk with some data, a zeroed cluster, and a bitmap that notes one write."""
    path = tmp_path / "disk.qcow2"
    run("qemu-img", "create", "-q", "-f", "qcow2", str(path), str(SIZE))
    write(path, "write -P 1 65536 131072")
    run("qemu-img", "bitmap", "--add", str(path), "changes")
    write(path, "write -P 2 1048576 4096")
    write(path, "write -z 196608 65536")
    return path


@pytest.fixture
def served(disk: Path, tmp_path: Path) -> Iterator[Connect]:
    """Connects to a server that exports the disk as ``vda``, with the bitmap."""
    path = tmp_path / "nbd.sock"
    options = ["--persistent", "--shared=0", "--read-only", "--fork", "-f", "qcow2"]
    pid = tmp_path / "nbd.pid"
    run("qemu-nbd", *options, f"--pid-file={pid}", f"--socket={path}", "-x", "vda", "-B", "changes", str(disk))
    opened: list[socket.socket] = []

    def connect() -> socket.socket:
        stream = socket.socket(socket.AF_UNIX)
        stream.settimeout(PATIENCE)
        stream.connect(str(path))
        opened.append(stream)
        return stream

    yield connect
    for stream in opened:
        stream.close()
    os.kill(int(pid.read_text()), 15)


def run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True, timeout=PATIENCE)


def write(path: Path, what: str) -> None:
    run("qemu-io", "-f", "qcow2", "-c", what, str(path))


def test_content_is_that_of_the_disk(served: Connect) -> None:
    export = Export(served(), "vda")
    assert export.size_bytes == SIZE
    content = export.read(0, SIZE)
    assert content[CLUSTER : 3 * CLUSTER] == b"\1" * 2 * CLUSTER
    assert content[1048576 : 1048576 + 4096] == b"\2" * 4096
    assert export.read(CLUSTER - 3, 6) == b"\0\0\0\1\1\1"
    assert export.read(SIZE - 1, 1) == b"\0"
    export.close()


def test_what_is_allocated_and_what_changed(served: Connect) -> None:
    export = Export(served(), "vda", (ALLOCATION, "qemu:dirty-bitmap:changes"))
    stretches = list(export.status(0, SIZE))
    assert [stretch.offset for stretch in stretches[1:]] == [one.offset + one.length for one in stretches[:-1]]
    assert sum(stretch.length for stretch in stretches) == SIZE
    data = {one.offset: one.length for one in stretches if not one.flags[0] & 2}
    assert data[CLUSTER] == 2 * CLUSTER
    assert data[1048576] >= 4096
    changed = {one.offset // CLUSTER for one in stretches if one.flags[1]}
    assert changed == {3, 16}
    assert sum(one.length for one in stretches if one.flags[1]) == 2 * CLUSTER
    part = list(export.status(1048576 + 512, 1024))
    assert [(one.offset, one.length, one.flags[1]) for one in part] == [(1048576 + 512, 1024, 1)]
    assert not list(export.status(0, 0))
    export.close()


def test_readers_take_turns(served: Connect) -> None:
    export = Export(served(), "vda")
    wrong: list[int] = []

    def read() -> None:
        wrong.extend(n for n in range(50) if export.read(CLUSTER * (n % 2), 512) != bytes([n % 2]) * 512)

    threads = [threading.Thread(target=read) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    export.close()


@pytest.mark.parametrize(
    ("name", "contexts", "said"),
    [("vdb", (ALLOCATION,), "vdb"), ("vda", ("qemu:dirty-bitmap:other",), "qemu:dirty-bitmap:other")],
)
def test_what_the_server_does_not_have(served: Connect, name: str, contexts: tuple[str, ...], said: str) -> None:
    with pytest.raises(NbdError, match=said):
        Export(served(), name, contexts)


def test_beyond_the_end(served: Connect) -> None:
    export = Export(served(), "vda")
    with pytest.raises(NbdError, match="error"):
        export.read(SIZE, 512)
    assert export.read(0, 1) == b"\0", "an error ends the connection"
    export.close()


def test_closing_wakes_who_waits() -> None:
    ours, theirs = socket.socketpair()
    greeted = threading.Thread(target=lambda: theirs.sendall(GREETING.pack(MAGIC, OPTIONS_MAGIC, 3)))
    greeted.start()
    failed: list[BaseException] = []

    def open_it() -> None:
        try:
            Export(ours, "vda")
        except NbdError as error:
            failed.append(error)

    opening = threading.Thread(target=open_it)
    opening.start()
    greeted.join()
    while len(theirs.recv(4096, socket.MSG_PEEK)) < 4 + 16:  # until the reader waits for an answer
        pass
    ours.shutdown(socket.SHUT_RDWR)
    opening.join(PATIENCE)
    assert failed
    theirs.close()


def answering(*said: bytes) -> socket.socket:
    """A connection to a server that says this, whatever it is asked, and then nothing."""
    ours, theirs = socket.socketpair()
    theirs.sendall(b"".join(said))
    theirs.shutdown(socket.SHUT_WR)
    KEPT.append(theirs)
    return ours


KEPT: list[socket.socket] = []
HELLO = GREETING.pack(MAGIC, OPTIONS_MAGIC, 3)
ACK, ACK10 = (OPTION_REPLY.pack(OPTION_REPLY_MAGIC, option, 1, 0) for option in (8, 10))


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ([b"HTTP/1.1 400 Bad Request\r\n"], "no NBD server"),
        ([GREETING.pack(MAGIC, OPTIONS_MAGIC, 0)], "old style"),
        ([HELLO], "closed the connection"),
        ([HELLO, OPTION_REPLY.pack(1, 8, 1, 0)], "broke the protocol"),
        ([HELLO, OPTION_REPLY.pack(OPTION_REPLY_MAGIC, 8, 1, 2**31)], "message of 2147483648 bytes"),
        ([HELLO, OPTION_REPLY.pack(OPTION_REPLY_MAGIC, 8, REP_ERROR | 1, 2), b"no"], "no"),
        ([HELLO, *[OPTION_REPLY.pack(OPTION_REPLY_MAGIC, 8, 3, 0)] * 9], "for ever"),
        ([HELLO, ACK, OPTION_REPLY.pack(OPTION_REPLY_MAGIC, 10, 4, 2), b"no", ACK10], "broke the protocol"),
        ([HELLO, ACK, OPTION_REPLY.pack(OPTION_REPLY_MAGIC, 10, 4, 7), b"\0\0\0\1\xff\xff\xff", ACK10], "not tell"),
    ],
)
def test_servers_that_misbehave(said: list[bytes], told: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "MOST_PARTS", 8)
    with pytest.raises(NbdError, match=told):
        Export(answering(*said), "vda")


def ack(option: int) -> bytes:
    return OPTION_REPLY.pack(OPTION_REPLY_MAGIC, option, 1, 0)


def opened(*said: bytes) -> Export:
    """An export of 1 KiB on a server that says this to whatever it is asked then."""
    context = struct.pack(">I", 7) + ALLOCATION.encode()
    info = struct.pack(">HQH", 0, 1024, 0)
    replies = [ack(8), OPTION_REPLY.pack(OPTION_REPLY_MAGIC, 10, 4, len(context)), context, ack(10)]
    replies += [OPTION_REPLY.pack(OPTION_REPLY_MAGIC, 7, 3, len(info)), info, ack(7)]
    return Export(answering(HELLO, *replies, *said), "vda")


def chunk(kind: int, payload: bytes, *, cookie: int = 1, last: int = 1) -> bytes:
    return struct.pack(">IHHQI", 0x668E33EF, last, kind, cookie, len(payload)) + payload


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (chunk(1, struct.pack(">Q", 0) + b"x" * 100), "100 of 512"),
        (chunk(1, struct.pack(">Q", 600) + b"x" * 512), "nobody asked for"),
        (chunk(2, struct.pack(">QI", 0, 1024)), "nobody asked for"),
        (chunk(1, struct.pack(">Q", 0) + b"x" * 512, cookie=2), "broke the protocol"),
        (chunk(0x8001, struct.pack(">IH", 5, 3) + b"bad"), "error 5 at byte 0: bad"),
        (chunk(0x8001, b"bad"), "broke the protocol"),
        (chunk(1, b"short"), "broke the protocol"),
        (chunk(2, b"short"), "broke the protocol"),
        (chunk(0, b"", last=0) * 9, "for ever"),
    ],
)
def test_answers_that_do_not_fit(said: bytes, told: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "MOST_PARTS", 8)
    with pytest.raises(NbdError, match=told):
        opened(said).read(0, 512)


def test_holes_and_pieces_are_put_together() -> None:
    pieces = chunk(2, struct.pack(">QI", 0, 256), last=0) + chunk(1, struct.pack(">Q", 256) + b"x" * 256)
    assert opened(pieces).read(0, 512) == bytes(256) + b"x" * 256


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (struct.pack(">I", 7), "nothing of byte 0"),
        (struct.pack(">III", 7, 0, 0), "nothing of byte 0"),
        (struct.pack(">II", 7, 512), "broke the protocol"),
        (b"short", "broke the protocol"),
        (b"", "broke the protocol"),
    ],
)
def test_status_that_says_nothing(said: bytes, told: str) -> None:
    with pytest.raises(NbdError, match=told):
        list(opened(chunk(5, said)).status(0, 512))


def test_silence_is_told(tmp_path: Path) -> None:
    ours, theirs = socket.socketpair()
    ours.settimeout(0.05)
    with pytest.raises(NbdSilence), theirs:
        Export(ours, "vda")


@pytest.fixture(autouse=True)
def nothing_kept() -> Iterator[Any]:
    """Close what a test left open."""
    yield
    for stream in KEPT:
        stream.close()
    KEPT.clear()

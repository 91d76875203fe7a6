"""The rig's relay: what it carries, counts and refuses, and that it can be cut."""

import socket
import struct
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from nova_virt_libvirt.rig.refusal import DOMAIN_SUSPEND, Refusal, busy
from nova_virt_libvirt.rig.relay import KEEPALIVE, Relay, receive_packet

REMOTE = 0x20008086
CALL, REPLY = 0, 1
SUSPEND, RESUME = 34, 28


def packet(procedure: int, *, program: int = REMOTE, kind: int = CALL, serial: int = 7, payload: bytes = b"") -> bytes:
    body = struct.pack(">IIIIII", program, 1, procedure, kind, serial, 0) + payload
    return struct.pack(">I", len(body) + 4) + body


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Path]:
    """A daemon that gives every packet back as it came."""
    path = tmp_path / "daemon"
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    listener.listen()

    def answer(client: socket.socket) -> None:
        with client:
            while data := client.recv(65536):
                client.sendall(data)

    def serve() -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=answer, args=(client,), daemon=True).start()

    thread = threading.Thread(target=serve)
    thread.start()
    yield path
    listener.shutdown(socket.SHUT_RDWR)
    thread.join()
    listener.close()


@pytest.fixture
def relay(daemon: Path, tmp_path: Path) -> Iterator[Relay]:
    relay = Relay(tmp_path / "relay", daemon)
    relay.open()
    yield relay
    relay.close()


@pytest.fixture
def client(relay: Relay) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(10)
        client.connect(str(relay.path))
        yield client


def test_packets_pass_unchanged_in_both_directions(client: socket.socket) -> None:
    large = packet(SUSPEND, payload=bytes(range(256)) * 10_000)
    for sent in (packet(SUSPEND), large, packet(RESUME)):
        client.sendall(sent)
        assert receive_packet(client) == sent


def test_only_requests_are_counted(relay: Relay, client: socket.socket) -> None:
    stream = 3
    for sent in (packet(SUSPEND), packet(1, program=KEEPALIVE), packet(SUSPEND, kind=stream), packet(RESUME)):
        client.sendall(sent)
        receive_packet(client)
    assert relay.requests == 2


def test_a_refusal_is_answered_in_the_daemons_stead(relay: Relay, client: socket.socket) -> None:
    with relay.refusing(busy(DOMAIN_SUSPEND)):
        client.sendall(packet(RESUME))
        assert receive_packet(client) == packet(RESUME)
        client.sendall(packet(SUSPEND, serial=9))
        answer = receive_packet(client)
    assert struct.unpack_from(">IIIIII", answer, 4) == (REMOTE, 1, SUSPEND, REPLY, 9, 1)
    assert b"cannot acquire state change lock" in answer
    assert len(answer) % 4 == 0
    client.sendall(packet(SUSPEND))
    assert receive_packet(client) == packet(SUSPEND)


def test_a_refusal_may_be_about_one_thing(relay: Relay, client: socket.socket) -> None:
    with relay.refusing(Refusal(procedures=DOMAIN_SUSPEND, code=1, text="no", about=b"this")):
        other = packet(SUSPEND, payload=b"that")
        client.sendall(other)
        assert receive_packet(client) == other
        client.sendall(packet(SUSPEND, payload=b"this"))
        assert receive_packet(client) != packet(SUSPEND, payload=b"this")


def test_a_cut_ends_what_is_connected_and_lets_nobody_in(relay: Relay, client: socket.socket) -> None:
    client.sendall(packet(SUSPEND))
    receive_packet(client)
    relay.close()
    assert client.recv(1) == b""
    with socket.socket(socket.AF_UNIX) as late, pytest.raises(FileNotFoundError):
        late.connect(str(relay.path))
    relay.open()
    with socket.socket(socket.AF_UNIX) as again:
        again.connect(str(relay.path))
        again.sendall(packet(RESUME))
        assert receive_packet(again) == packet(RESUME)


def test_the_end_of_the_daemon_ends_the_client(tmp_path: Path) -> None:
    relay = Relay(tmp_path / "relay", tmp_path / "nobody")
    relay.open()
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(relay.path))
        assert client.recv(1) == b""
    relay.close()

"""Where backups are read from, and how."""

import os
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from nova_virt_api.errors import PermissionDenied, StorageError, Unavailable
from nova_virt_libvirt.backup.socket import BackupSockets


@pytest.fixture
def echoing(tmp_path: Path) -> Iterator[Path]:
    """A socket that says back, in capitals, what it is told first."""
    path = tmp_path / "guest's.sock"
    server = socket.socket(socket.AF_UNIX)
    server.bind(str(path))
    server.listen()

    def serve() -> None:
        with suppress(OSError):  # nobody came
            stream, _ = server.accept()
            with stream:
                stream.sendall(stream.recv(100).upper())

    serving = threading.Thread(target=serve, daemon=True)
    serving.start()
    yield path
    with suppress(OSError):
        server.shutdown(socket.SHUT_RDWR)  # wakes who still waits for somebody
    serving.join(10)
    server.close()


def talk(stream: socket.socket) -> bytes:
    with stream:
        stream.sendall(b"hello")
        return stream.recv(100)


@pytest.mark.parametrize(
    ("uri", "directory", "refused"),
    [
        ("qemu:///system", None, False),
        ("qemu:///session", None, False),
        ("qemu+unix:///system?socket=/run/other", None, False),
        ("qemu+ssh://root@host/system", None, False),
        ("qemu+ssh://host/session", None, True),
        ("qemu+ssh://host/session", "/run/user/1000", False),
        ("qemu+tls://host/system", None, True),
        ("qemu+tcp://host/system", "/run", True),
    ],
)
def test_ways_to_a_host(uri: str, directory: str | None, refused: bool) -> None:
    assert bool(BackupSockets(uri, directory).refusal()) is refused


def test_places_of_sockets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", "/home/me/.config")
    name = "a-guest-with-a-rather-long-name"
    system = BackupSockets("qemu:///system").path(7, name, "ab12")
    assert system == "/var/lib/libvirt/qemu/domain-7-a-guest-with-a-rathe/nova-virt-ab12.sock"
    session = BackupSockets("qemu:///session").path(7, "web", "ab12")
    assert session == "/home/me/.config/libvirt/qemu/lib/domain-7-web/nova-virt-ab12.sock"
    own = BackupSockets("qemu:///system", "/run/backups")
    assert own.path(7, "web", "ab12") == "/run/backups/nova-virt-ab12.sock"
    assert own.is_ours(system)
    assert not own.is_ours("/var/tmp/virtnbdbackup.123")


def test_local_socket(echoing: Path) -> None:
    assert talk(BackupSockets("qemu:///system").connect(str(echoing))) == b"HELLO"


def test_nobody_there(tmp_path: Path) -> None:
    with pytest.raises(StorageError) as caught:
        BackupSockets("qemu:///system").connect(str(tmp_path / "nobody"))
    assert "backup_sockets" in caught.value.hint


def test_somebody_elses_socket(monkeypatch: pytest.MonkeyPatch, echoing: Path) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    with pytest.raises(PermissionDenied, match="belongs to QEMU's"):
        BackupSockets("qemu:///system").connect(str(echoing))


def test_by_ssh(echoing: Path, tmp_path: Path) -> None:
    """What plays SSH here does what a server's shell would: it runs the last word, which quotes the socket's path."""
    told, ssh = tmp_path / "told", tmp_path / "ssh"
    netcat = tmp_path / "nc"
    netcat.write_text(
        f"#!{sys.executable}\n"
        "import os, socket, sys, threading\n"
        "s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[2])\n"
        "s.sendall(os.read(0, 100)); os.write(1, s.recv(100))\n"
    )
    ssh.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" > {told}\nfor last; do :; done\nexec /bin/sh -c "$last"\n')
    for script in (ssh, netcat):
        script.chmod(0o700)
    uri = f"qemu+ssh://backup@host:2222/system?command={ssh}&keyfile=/key&no_verify=1&netcat={netcat}"
    assert talk(BackupSockets(uri).connect(str(echoing))) == b"HELLO"
    words = told.read_text().splitlines()
    assert words[:-3] == [
        *("-T", "-e", "none", "-o", "BatchMode=yes", "-p", "2222", "-l", "backup", "-i", "/key"),
        *("-o", "StrictHostKeyChecking=no"),
    ]
    assert words[-3:-1] == ["--", "host"]


def test_without_ssh() -> None:
    uri = "qemu+ssh://host/system?command=/nowhere/ssh"
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - only their number
    with pytest.raises(Unavailable, match="cannot start"):
        BackupSockets(uri).connect("/run/socket")
    assert len(os.listdir("/proc/self/fd")) == before  # noqa: PTH208

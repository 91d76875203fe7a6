"""Daemons to be reached over other ways than the socket of the machine's own: by SSH, by TLS, and an account's own."""

import os
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import libvirt
import pytest

from nova_virt_libvirt import event_loop

NOBODY = 65534
POOL = "nova-virt"
PATIENCE = 60.0
CURVE = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
OF_A_PEER = "subjectAltName=IP:127.0.0.1\nkeyUsage=digitalSignature,keyEncipherment\n"
CONFIGURATION = """
listen_tls = 1
listen_tcp = 0
listen_addr = "127.0.0.1"
tls_port = "{port}"
ca_file = "{pki}/cacert.pem"
cert_file = "{pki}/servercert.pem"
key_file = "{pki}/serverkey.pem"
auth_tls = "none"
"""
SSHD = """
HostKey {place}/host
AuthorizedKeysFile {place}/user.pub
PidFile none
StrictModes no
UsePAM no
PasswordAuthentication no
PermitRootLogin prohibit-password
"""


@dataclass(frozen=True)
class OwnDaemon:
    """A daemon of an account without privileges.

    Args:
        local: its URI on this machine.
        tls: its URI over TLS.
        pki: certificates of both ends, and the authority's.
    """

    local: str
    tls: str
    pki: Path


@pytest.fixture(scope="session")
def own_daemon() -> Iterator[OwnDaemon]:
    """The session daemon of an account without privileges, which listens for TLS too, with a storage pool."""
    temporary = tempfile.TemporaryDirectory(prefix="nova-virt-", ignore_cleanup_errors=True)
    with temporary as directory, kept_port() as port:
        Path(directory).chmod(0o755)
        yield from serving(Path(directory), port)


def serving(place: Path, port: int) -> Iterator[OwnDaemon]:
    """The daemon while it runs, with all that is its own in one directory."""
    run, home, pki = (place / name for name in ("run", "home", "pki"))
    for folder in (run, home, pki):
        folder.mkdir(mode=0o755)
        os.chown(folder, NOBODY, NOBODY)
    make_certificates(pki)
    configuration = place / "libvirtd.conf"
    configuration.write_text(CONFIGURATION.format(port=port, pki=pki))
    daemon = subprocess.Popen(
        [
            *("setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"),
            *("env", f"HOME={home}", f"XDG_RUNTIME_DIR={run}"),
            *("libvirtd", "--listen", "--config", str(configuration)),
        ],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=(place / "log").open("wb"),
    )
    local = f"qemu+unix:///session?socket={run}/libvirt/libvirt-sock"
    try:
        native = opened(local, daemon, place / "log")
        make_pool(native, home / "pool")
        yield OwnDaemon(local, f"qemu+tls://127.0.0.1:{port}/session?pkipath={pki}", pki)
        for domain in native.listAllDomains(libvirt.VIR_CONNECT_LIST_DOMAINS_ACTIVE):
            domain.destroy()
        native.close()
    finally:
        daemon.send_signal(signal.SIGTERM)
        daemon.wait(PATIENCE)
        end_log_daemon(run)


def opened(uri: str, daemon: "subprocess.Popen[bytes]", log: Path) -> Any:
    """A connection, as soon as the daemon answers."""
    event_loop.ensure("own")
    end = time.monotonic() + PATIENCE
    while True:
        try:
            return libvirt.open(uri)
        except libvirt.libvirtError:
            if daemon.poll() is not None or time.monotonic() > end:
                pytest.fail(f"the session daemon does not answer: {log.read_text()}", pytrace=False)
            time.sleep(0.05)


def make_pool(native: Any, path: Path) -> None:
    """A pool for guests' disks."""
    pool = native.storagePoolDefineXML(
        f"<pool type='dir'><name>{POOL}</name><target><path>{path}</path></target></pool>"
    )
    pool.build(0)
    pool.create(0)


def end_log_daemon(run: Path) -> None:
    """End the virtlogd that the session daemon started; it would end by itself some time later."""
    for pid_file in run.glob("libvirt/virtlogd.pid"):
        os.kill(int(pid_file.read_text()), signal.SIGTERM)


@pytest.fixture
def other_pki(tmp_path: Path) -> Path:
    """Certificates of another authority."""
    pki = tmp_path / "other"
    pki.mkdir()
    make_certificates(pki)
    return pki


def make_certificates(pki: Path) -> None:
    """An authority, and what it says of the two ends, both on 127.0.0.1."""
    openssl("req", "-x509", *CURVE, "-keyout", "cakey.pem", "-out", "cacert.pem", "-subj", "/CN=tests", cwd=pki)
    extensions = pki / "extensions"
    extensions.write_text(OF_A_PEER)
    authority = ("-CA", "cacert.pem", "-CAkey", "cakey.pem", "-CAcreateserial", "-days", "2")
    for end in ("server", "client"):
        openssl("req", *CURVE, "-keyout", f"{end}key.pem", "-out", f"{end}.csr", "-subj", f"/CN={end}", cwd=pki)
        signed = ("-in", f"{end}.csr", "-out", f"{end}cert.pem", "-extfile", str(extensions))
        openssl("x509", "-req", *signed, *authority, cwd=pki)
    for key in pki.glob("*key.pem"):
        os.chown(key, NOBODY, NOBODY)


def openssl(*arguments: str, cwd: Path) -> None:
    """Run it; it must succeed."""
    subprocess.run(["openssl", *arguments], cwd=cwd, check=True, capture_output=True)


@contextmanager
def kept_port() -> Iterator[int]:
    """A port that nobody is given by chance meanwhile; who asks for it, and to reuse it, may listen on it."""
    with socket.socket() as keeping:
        keeping.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        keeping.bind(("127.0.0.1", 0))
        yield int(keeping.getsockname()[1])


@pytest.fixture(scope="session")
def ssh_uri(daemon: Any, raw: Any, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The private daemon over a real SSH: an sshd in the daemon's namespaces serves the client's one connection."""
    place = tmp_path_factory.mktemp("ssh")
    for name in ("host", "user"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(place / name)], check=True)
    (place / "sshd_config").write_text(SSHD.format(place=place))
    known = place / "known_hosts"
    known.write_text(f"private {(place / 'host.pub').read_text()}")
    Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)  # where sshd locks up what has no privileges yet
    server = f"nsenter -t {inner_process(daemon)} -m -n -u -p /usr/sbin/sshd -i -f {place}/sshd_config"
    client = place / "client"
    client.write_text(f'#!/bin/sh\nexec ssh -F none -o "ProxyCommand={server}" -o UserKnownHostsFile={known} "$@"\n')
    client.chmod(0o700)
    return f"qemu+ssh://root@private/system?command={client}&keyfile={place}/user&no_tty=1"


def inner_process(daemon: Any) -> int:
    """The first process of the private daemon's namespaces, as this namespace numbers it."""
    outer = daemon._process.pid
    return int(Path(f"/proc/{outer}/task/{outer}/children").read_text().split()[0])

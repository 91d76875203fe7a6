"""Where a guest's QEMU lets a backup be read, and how this process gets there.

Always a socket in the file system of the guest's host, in a directory that only QEMU's account and root may enter, so
nobody reads disks over the network. From another machine it is reached as libvirt itself is: by SSH.
"""

import os
import shlex
import socket
import subprocess
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import parse_qs, urlsplit

from nova_virt_api.errors import PermissionDenied, StorageError, Unavailable
from nova_virt_libvirt.host.unreachable import is_local

PATIENCE: Final = 60.0
"""Seconds for which QEMU, or SSH, may be silent."""

SYSTEM: Final = "/var/lib/libvirt/qemu"
"""Where libvirt's system daemon keeps a directory for each running guest, which QEMU may write to."""

NAME: Final = "nova-virt-{token}.sock"
SHORT_NAME: Final = 20
"""Characters of a guest's name that libvirt keeps in the names of its directories (``virDomainDefGetShortName``)."""


@dataclass(frozen=True, slots=True)
class BackupSockets:
    """The sockets of one endpoint's guests.

    Args:
        uri: the endpoint's URI.
        directory: where to put them; None for the guest's own directory.
    """

    uri: str
    directory: str | None = None

    def refusal(self) -> str:
        """Why backups cannot be read from here; empty if they can."""
        if not is_local(self.uri) and not self._over_ssh():
            return "disks are read past libvirt, from this machine or by SSH: use qemu+ssh:// for backups"
        if not is_local(self.uri) and self.directory is None and not self._is_system():
            return "the sockets of a remote session daemon's guests are not known: name a place by backup_sockets"
        return ""

    def path(self, domain_id: int, name: str, token: str) -> str:
        """Where a running guest's QEMU is to listen."""
        directory = self.directory or f"{self._libvirts()}/domain-{domain_id}-{name[:SHORT_NAME]}"
        return f"{directory}/{NAME.format(token=token)}"

    def is_ours(self, path: str) -> bool:
        """Whether a socket was named by :meth:`path`."""
        begin, end = NAME.split("{token}")
        name = os.path.basename(path)  # noqa: PTH119 - a path of the guest's host
        return name.startswith(begin) and name.endswith(end)

    def connect(self, path: str) -> socket.socket:
        """A connection to whoever listens there.

        Raises:
            PermissionDenied: this account may not use the socket.
            StorageError: nobody listens.
            Unavailable: the host cannot be reached by SSH.
        """
        return connected(path) if is_local(self.uri) else tunnelled(self._command(path))

    def _over_ssh(self) -> bool:
        return urlsplit(self.uri).scheme.endswith("+ssh")

    def _is_system(self) -> bool:
        return urlsplit(self.uri).path.strip("/") == "system"

    def _libvirts(self) -> str:
        if self._is_system():
            return SYSTEM
        home = os.environ.get("XDG_CONFIG_HOME") or str(Path.home() / ".config")
        return f"{home}/libvirt/qemu/lib"

    def _command(self, path: str) -> list[str]:
        """``ssh`` as libvirt would call it for this URI, with what forwards a socket at the other end."""
        parts = urlsplit(self.uri)
        query = {key: values[-1] for key, values in parse_qs(parts.query).items()}
        command = [query.get("command", "ssh"), "-T", "-e", "none", "-o", "BatchMode=yes"]
        command += ["-p", str(parts.port)] if parts.port else []
        command += ["-l", parts.username] if parts.username else []
        command += ["-i", query["keyfile"]] if "keyfile" in query else []
        command += ["-o", "StrictHostKeyChecking=no"] if query.get("no_verify") == "1" else []
        forward = shlex.join([query.get("netcat", "nc"), "-U", path])  # the other end has a shell, whatever we do
        return [*command, "--", parts.hostname or "", forward]


def connected(path: str) -> socket.socket:
    """A connection to a socket of this machine."""
    stream = socket.socket(socket.AF_UNIX)
    stream.settimeout(PATIENCE)
    try:
        stream.connect(path)
    except PermissionError as error:
        stream.close()
        raise PermissionDenied(
            f"this account may not use the socket {path}, which belongs to QEMU's",
            hint="run the backup as root, or use qemu+ssh://root@localhost/system",
        ) from error
    except OSError as error:
        stream.close()
        raise StorageError(
            f"cannot connect to the guest's socket {path}: {error.strerror}",
            hint="if libvirt keeps its guests' files elsewhere, name a directory by the option backup_sockets",
        ) from error
    return stream


def tunnelled(command: list[str]) -> socket.socket:
    """A connection through a command, which ends when the connection is closed."""
    ours, theirs = socket.socketpair()
    with theirs:
        try:
            end = theirs.fileno()
            process = subprocess.Popen(command, stdin=end, stdout=end, stderr=subprocess.DEVNULL)
        except OSError as error:
            ours.close()
            raise Unavailable(f"cannot start {command[0]}: {error.strerror}", hint="install openssh-client") from error
    threading.Thread(target=process.wait, name="nova-virt-libvirt-ssh", daemon=True).start()  # or it stays a zombie
    ours.settimeout(PATIENCE)
    return ours

"""An address of its own that leads to a vCenter: a way that can be cut or stalled."""

import socket
import threading
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from tools.vcsim.vcenter import VCenter

CHUNK: Final = 65536


class Relay:
    """Carries bytes from clients to the vCenter and back, from `with` on; its certificate stays the vCenter's.

    Args:
        vcenter: where it leads to.
    """

    host: Final = "127.0.0.1"

    def __init__(self, vcenter: VCenter) -> None:
        self._vcenter = vcenter
        self._lock = threading.Lock()
        self._open = False
        self._flowing = threading.Event()
        self._flowing.set()
        self._ends: set[socket.socket] = set()
        self._listener = socket.create_server((self.host, 0))
        self.port: int = self._listener.getsockname()[1]

    def __enter__(self) -> Self:
        self._open = True
        threading.Thread(target=self._accept, name="vcsim-relay", daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with suppress(OSError):  # not every system lets a listener be shut down
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.cut()
        self._flowing.set()

    @property
    def user(self) -> str:
        """The vCenter's."""
        return self._vcenter.user

    @property
    def password(self) -> str:
        """The vCenter's."""
        return self._vcenter.password

    @property
    def ca_file(self) -> Path:
        """The vCenter's."""
        return self._vcenter.ca_file

    @property
    def options(self) -> dict[str, object]:
        """The driver's options that lead through it."""
        return {**self._vcenter.options, "host": self.host, "port": self.port}

    def cut(self) -> None:
        """Break all connections; new ones end at once, until `restore()`."""
        with self._lock:
            self._open = False
            ends, self._ends = self._ends, set()
        for end in ends:
            with suppress(OSError):  # it is gone already
                end.shutdown(socket.SHUT_RDWR)

    def stall(self) -> None:
        """Let nothing through in either direction, while connections stay, until `restore()`."""
        self._flowing.clear()

    def restore(self) -> None:
        """Be a plain way again."""
        with self._lock:
            self._open = True
        self._flowing.set()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:  # it was closed
                return
            with self._lock:
                if not self._open:
                    client.close()
                    continue
                server = socket.create_connection((self._vcenter.host, self._vcenter.port))
                self._ends |= {client, server}
            for source, target in ((client, server), (server, client)):
                threading.Thread(target=self._carry, args=(source, target), name="vcsim-relay", daemon=True).start()

    def _carry(self, source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):  # either side may break off
            while data := source.recv(CHUNK):
                self._flowing.wait()
                target.sendall(data)
        with suppress(OSError):
            target.shutdown(socket.SHUT_RDWR)
        with self._lock:
            self._ends.discard(source)
        source.close()

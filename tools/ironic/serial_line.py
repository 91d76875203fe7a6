"""The other end of a machine's serial line: keeps what it sends, over all its starts."""

import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import Final, Self

from nova_virt_conformance.guest_image.markers import GuestReport

CHUNK_BYTES: Final = 65536
JOIN_S: Final = 5.0
"""The thread ends with the machine, which is gone by then."""


class SerialLine:
    """Listens on the loopback interface, where the machine connects whenever it starts.

    Nothing is written to a file, so it needs no rights on what the hypervisor writes.
    """

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._sent = bytearray()
        self._grown = threading.Condition()
        self._thread = threading.Thread(target=self._listen, name="serial-line", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)  # wakes the thread up
        self._listener.close()
        self._thread.join(JOIN_S)

    def log(self) -> bytes:
        """Everything that the machine has sent since it was made."""
        with self._grown:
            return bytes(self._sent)

    def report(self) -> GuestReport:
        """What the guest told since it last started."""
        return GuestReport.read(self.log())

    def wait(self, condition: Callable[[GuestReport], bool], timeout_s: float) -> GuestReport:
        """Wait until the guest's report is as wanted, and give it.

        Raises:
            TimeoutError: it did not become so; the text ends with what the machine sent last.
        """
        with self._grown:
            if not self._grown.wait_for(lambda: condition(GuestReport.read(bytes(self._sent))), timeout_s):
                tail = bytes(self._sent[-2000:]).decode(errors="replace")
                raise TimeoutError(f"the machine did not say what was expected within {timeout_s:.0f} s:\n{tail}")
            return GuestReport.read(bytes(self._sent))

    def _listen(self) -> None:
        with suppress(OSError):  # closed
            while True:
                connection, _ = self._listener.accept()
                with connection, suppress(OSError):
                    while received := connection.recv(CHUNK_BYTES):
                        with self._grown:
                            self._sent += received
                            self._grown.notify_all()

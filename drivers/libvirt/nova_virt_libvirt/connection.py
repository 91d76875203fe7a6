"""One connection to libvirt's daemon that comes back after it was lost."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, wait
from contextlib import contextmanager, suppress
from typing import Any, Final

import libvirt

from nova_virt_api.errors import Unavailable
from nova_virt_libvirt import event_loop
from nova_virt_libvirt.host.unreachable import is_local, unreachable, without_password

WAKING: Final = (1, 10**6)
"""Seconds of silence before a libvirtd on this machine is asked for a sign, and how many may fail to come.

Its socket tells by itself when it is gone. But while one call waits, e.g. for a QEMU that stands still, libvirt's
client (9.0) overlooks some of the calls that are made on the same connection meanwhile, until something comes from the
server: without this one call of four took five seconds.
"""

CREDENTIALS: Final = [libvirt.VIR_CRED_AUTHNAME, libvirt.VIR_CRED_PASSPHRASE]

Opened = Callable[[Any], None]
Lost = Callable[[str], None]


class Connection:
    """Opens when told to, notices loss by libvirt's close callback and at every use, and reopens at the next use.

    Nothing is locked while libvirt is asked. Native objects die with their connection: look them up anew after
    :attr:`generation` has changed.

    Args:
        options: the driver's options.
        opened: called with each new native connection before anybody gets it, on the thread that opened it.
        lost: called once with a reason for each connection that was lost; must only take note.
    """

    def __init__(self, options: Any, *, opened: Opened | None = None, lost: Lost | None = None) -> None:
        self._options = options
        self._on_open = opened
        self._on_loss = lost
        self._lock = threading.Lock()
        self._native: Any = None
        self._lost: Any = None
        self._attempt: Future[Any] | None = None
        self._closed = False
        self.generation = 0

    @property
    def uri(self) -> str:
        """The URI as configured."""
        return str(self._options.uri)

    def open(self) -> None:
        """Connect.

        Raises:
            Unavailable: the endpoint cannot be reached; the hint says what to do.
            AuthenticationFailed: it does not accept the credentials.
            PermissionDenied: this account may not use the socket.
            ConfigError: the URI means nothing.
        """
        event_loop.ensure(self._options.event_loop)
        _ = self.native

    @property
    def native(self) -> Any:
        """The ``virConnect``, reopened if it was lost.

        Raises:
            Unavailable: the endpoint cannot be reached now, or the driver was closed.
        """
        native = self._native
        if native is not None:
            if native.isAlive():  # asks nobody: whether the socket is open
                return native
            self._lose(native, "the connection was found closed")
        return self._reopened()

    @contextmanager
    def helper(self) -> Iterator[Any]:
        """A second ``virConnect`` for a moment, as one serves its requests one after the other.

        None where that costs more than it saves, or the daemon takes no more clients.
        """
        native = None
        if is_local(self.uri):
            with suppress(libvirt.libvirtError):
                native = self._connect()
        try:
            yield native
        finally:
            if native is not None:
                native.close()

    @contextmanager
    def another(self) -> Iterator[Any]:
        """A ``virConnect`` of one's own, for a request that may be held up and is to hold up no other.

        Raises:
            Unavailable: the endpoint cannot be reached now, or takes no more clients.
        """
        try:
            native = self._connect()
        except libvirt.libvirtError as error:
            raise unreachable(self.uri, error) from error
        try:
            yield native
        finally:
            with suppress(libvirt.libvirtError):
                native.close()

    def close(self) -> None:
        """Disconnect for good. Idempotent."""
        with self._lock:
            native, self._native, self._closed = self._native, None, True
        if native is not None:
            abandon(native)

    def _reopened(self) -> Any:
        attempt, ours = self._current_attempt()
        try:
            if ours:
                return self._outcome(attempt)
            try:
                return self._outcome(attempt)
            except libvirt.libvirtError:  # it had begun before we asked; the endpoint may have come back since
                return self._outcome(self._current_attempt()[0])
        except libvirt.libvirtError as error:
            raise unreachable(self.uri, error) from error

    def _outcome(self, attempt: Future[Any]) -> Any:
        if not wait([attempt], self._options.connect_timeout).done:
            raise Unavailable(
                f"{without_password(self.uri)} has not answered for {self._options.connect_timeout:g} seconds",
                hint="see that the host is up and libvirtd answers there",
            )
        return attempt.result()

    def _current_attempt(self) -> tuple[Future[Any], bool]:
        """The attempt that is under way, which all who want a connection share, or a new one; whether it is new."""
        with self._lock:
            if self._closed:
                raise Unavailable(f"the connection to {without_password(self.uri)} was closed", hint="connect anew")
            attempt = self._attempt
            if attempt is not None and not (attempt.done() and attempt.exception() is not None):
                return attempt, False
            attempt = self._attempt = Future()
            threading.Thread(target=self._run, args=(attempt,), name="nova-virt-libvirt-connect", daemon=True).start()
            return attempt, True

    def _run(self, attempt: Future[Any]) -> None:
        native = None
        try:
            self._free_lost()
            native = self._connect()
            self._adopt(native)
        except Exception as error:  # noqa: BLE001 - whoever waits for the attempt raises it
            if native is not None:
                abandon(native)
            attempt.set_exception(error)
        else:
            attempt.set_result(native)

    def _free_lost(self) -> None:
        """Let go of the connection that was lost; its close callback holds it, and cannot be removed from within."""
        lost, self._lost = self._lost, None
        if lost is not None:
            with suppress(libvirt.libvirtError):
                lost.unregisterCloseCallback()

    def _connect(self) -> Any:
        native = libvirt.openAuth(self.uri, [CREDENTIALS, self._fill_in, None], 0)
        with suppress(libvirt.libvirtError):  # a server may know no keepalive
            if is_local(self.uri):
                native.setKeepAlive(*WAKING)
            elif self._options.keepalive_interval:
                native.setKeepAlive(self._options.keepalive_interval, self._options.keepalive_count)
        return native

    def _adopt(self, native: Any) -> None:
        native.registerCloseCallback(lambda connection, reason, _: self._heard_close(native, reason), None)
        if self._on_open is not None:
            self._on_open(native)
        with self._lock:
            if self._closed:
                raise Unavailable(f"the connection to {without_password(self.uri)} was closed meanwhile")
            self._native = native
            self.generation += 1

    def _fill_in(self, wanted: list[list[Any]], _: Any) -> int:
        answers = {
            libvirt.VIR_CRED_AUTHNAME: self._options.username,
            libvirt.VIR_CRED_PASSPHRASE: self._options.password,
        }
        for credential in wanted:
            answer = answers.get(credential[0])
            if answer is None:
                return -1
            credential[4] = answer.reveal() if hasattr(answer, "reveal") else answer
        return 0

    def _heard_close(self, native: Any, reason: int) -> None:
        self._lose(native, CLOSE_REASONS.get(reason, "the connection was closed"))

    def _lose(self, native: Any, reason: str) -> None:
        with self._lock:
            if self._native is not native or self._closed:
                return
            self._native, self._lost, self._attempt = None, native, None
        if self._on_loss is not None:
            self._on_loss(reason)


def abandon(native: Any) -> None:
    """Close a native connection whatever its state."""
    with suppress(libvirt.libvirtError):
        native.unregisterCloseCallback()
    with suppress(libvirt.libvirtError):
        native.close()


CLOSE_REASONS: Final = {
    libvirt.VIR_CONNECT_CLOSE_REASON_ERROR: "the connection failed",
    libvirt.VIR_CONNECT_CLOSE_REASON_EOF: "libvirt's daemon closed the connection, e.g. for a restart",
    libvirt.VIR_CONNECT_CLOSE_REASON_KEEPALIVE: "libvirt's daemon gave no sign of life",
    libvirt.VIR_CONNECT_CLOSE_REASON_CLIENT: "the connection was closed here",
}

"""The login at the server: made once, renewed once when it has expired, and always ended."""

from __future__ import annotations

import logging
import os
import threading
import time
import weakref
from typing import Any, Final

from pyVmomi import vim, vmodl

from nova_virt_api.errors import AuthenticationFailed, ConfigError, Unavailable
from nova_virt_vmware.errors import NATIVE, Closed, moref_of, text_of, translated
from nova_virt_vmware.plain import PlainStub
from nova_virt_vmware.stub import Jar, Stub, Way
from nova_virt_vmware.wire import Wire

LOG: Final = logging.getLogger(__name__)

LOCALE: Final = "en"
"""Language of the server's texts, so that errors read the same everywhere."""

REFUSED_SECONDS: Final = 60.0
"""For how long credentials that were refused are not sent again: a vCenter locks an account after five failures in
three minutes, as it is installed, and callers repeat what has failed."""

ROOT: Final = "ServiceInstance"
"""Id of the one object that everything is reached from (vSphere API reference: ServiceInstance)."""


class Session:
    """One account's session, shared by all threads.

    It ends with :meth:`close`, and also when the program ends, or when nobody holds it any more: a server has room for
    so many sessions only. A thread that waits for what the server tells holds it, so after the first listing, or while
    a verb waits, only the first two end it.

    Args:
        options: the driver's options.

    Raises:
        ConfigError: an option is missing or wrong.
    """

    def __init__(self, options: Any) -> None:
        for name in ("host", "username", "password"):
            if not getattr(options, name):
                raise ConfigError(
                    name, "the endpoint needs it", hint=f"give {name}: in a profile, as a keyword, or by -o {name}=..."
                )
        self._options = options
        self.wire = Wire(options)
        self._jar = Jar()
        self.stub = Stub(self.wire, self._jar)
        self.waiting_stub = Stub(self.wire, self._jar, Way.WAITING)
        self.parting_stub = Stub(self.wire, self._jar, Way.LOGOUT)
        self.plain_stubs = {way: PlainStub(self.wire, self._jar, way) for way in (Way.USUAL, Way.WAITING)}
        self._content: vim.ServiceInstanceContent | None = None
        self._lock = threading.Lock()
        self._closed = False
        self._refused_until = 0.0
        self._end = weakref.finalize(self, end, self.wire, self._jar, os.getpid())
        self.number = 0
        """How often it has logged in."""

    @property
    def content(self) -> vim.ServiceInstanceContent:
        """The server's managers.

        Raises:
            Closed: it is not logged in.
        """
        if self._content is None or self._closed:
            raise Closed("the connection to vSphere is not open", hint="connect anew")
        return self._content

    def renew(self, known: int) -> None:
        """Log in, unless another thread has done so since.

        Args:
            known: the session's number when it was seen that it had expired.

        Raises:
            AuthenticationFailed: the server does not accept the credentials, or did not a short while ago.
            Unavailable: the server cannot be reached.
            Closed: the session was closed.
        """
        with self._lock:
            if self._closed:
                raise Closed("the connection to vSphere was closed", hint="connect anew")
            if self.number == known:
                self._try_to_log_in()
                self.number += 1

    def close(self) -> None:
        """Log out and close the connections. Idempotent; never raises."""
        self._closed = True  # whoever is about to log in sees it before
        with self._lock:
            self._end()

    def _try_to_log_in(self) -> None:
        if time.monotonic() < self._refused_until:
            raise AuthenticationFailed(
                f"log in at {self._options.host}: the server has not accepted the credentials",
                hint=f"see to the account, or connect anew; they are tried again after {REFUSED_SECONDS:.0f} s",
            )
        try:
            self._log_in()
        except AuthenticationFailed:
            self._refused_until = time.monotonic() + REFUSED_SECONDS
            raise

    def _log_in(self) -> None:
        jar = Jar()
        doing = f"log in at {self._options.host}"
        try:
            with translated(doing):
                content = vim.ServiceInstance(ROOT, Stub(self.wire, jar, Way.LOGIN)).RetrieveContent()
                if not isinstance(content, vim.ServiceInstanceContent) or content.sessionManager is None:
                    raise Unavailable(f"{doing}: this is not vSphere's web service", hint="check host, port and path")
                jar.manager = moref_of(content.sessionManager)
                content.sessionManager.Login(self._options.username, revealed(self._options.password), LOCALE)
                self.wire.break_off()  # what still waits in the old session waits for nothing
                self._jar.become(jar)
                if self._content is None:
                    self._content = vim.ServiceInstance(ROOT, self.stub).RetrieveContent()
        except BaseException:
            log_out(self.wire, jar)  # the answer may have been lost, and the login not
            raise
        LOG.debug("logged in at %s as %s", self._options.host, self._options.username)


def is_current(content: vim.ServiceInstanceContent) -> bool:
    """Whether the server knows the session that these objects are asked in. One request.

    ``SessionManager.currentSession`` is unset for a client that is not logged in, and needs no privilege, as
    ``SessionIsActive`` does.
    """
    collector = vmodl.query.PropertyCollector
    found = content.propertyCollector.RetrievePropertiesEx(
        [
            collector.FilterSpec(
                objectSet=[collector.ObjectSpec(obj=content.sessionManager)],
                propSet=[collector.PropertySpec(type=vim.SessionManager, pathSet=["currentSession"])],
            )
        ],
        collector.RetrieveOptions(),
    )
    return any(one.propSet for one in (found.objects if found is not None else ()))


def end(wire: Wire, jar: Jar, process: int) -> None:
    """Log out and close the connections; not in a process that was forked off, whose parent has the session."""
    if os.getpid() == process:
        log_out(wire, jar)
        wire.close()


def log_out(wire: Wire, jar: Jar) -> None:
    """End a session, if there is one."""
    if not jar or not jar.manager:
        return
    stub = Stub(wire, jar, Way.LOGOUT)
    try:
        vim.SessionManager(jar.manager, stub).Logout()
    except NATIVE as error:  # it is gone, or the server is; there it ends by itself in time
        LOG.debug("could not log out: %s", text_of(error))
    finally:
        jar.become(Jar())


def revealed(password: Any) -> str:
    """A password's text."""
    return str(password.reveal() if hasattr(password, "reveal") else password)

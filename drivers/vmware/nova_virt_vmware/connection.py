"""The one place where vSphere is asked: session, repeated attempts and errors are dealt with here."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, TypeVar

from pyVmomi import vim

from nova_virt_api.errors import AuthenticationFailed, Unavailable
from nova_virt_vmware.errors import Closed, NotThere, Refused, SessionExpired, translated
from nova_virt_vmware.retry import persist
from nova_virt_vmware.session import ROOT, Session, is_current
from nova_virt_vmware.stub import Way

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from nova_virt_api.driver.operation import Operation

T = TypeVar("T")
M = TypeVar("M")

VCENTER: Final = "VirtualCenter"

OLDEST: Final = (6, 5)
"""The oldest version of the API that a server must serve."""


class Connection:
    """Requests to one server in one session, from any number of threads.

    Managed objects that it gives stay good when the session is renewed. Never read a managed object's *property* by
    its attribute: that is a request outside of all this; read it by :mod:`nova_virt_vmware.property_collector`.

    Args:
        options: the driver's options.
    """

    def __init__(self, options: Any) -> None:
        self._options = options
        self._session: Session | None = None
        self._blocks = threading.local()

    # --- open and close -------------------------------------------------------------------------------------------

    def open(self) -> None:
        """Connect and log in.

        Raises:
            Unavailable: the server cannot be reached, its certificate is not trusted, or it is too old.
            AuthenticationFailed: it does not accept the credentials.
            ConfigError: an option is missing or wrong.
        """
        session = self._session = Session(self._options)
        session.renew(session.number)
        about = session.content.about
        if version_of(about.apiVersion) < OLDEST:
            wanted = ".".join(map(str, OLDEST))
            raise Unavailable(
                f"{about.fullName} speaks version {about.apiVersion} of vSphere's API, the driver needs {wanted}",
                hint="upgrade it",
            )

    def close(self) -> None:
        """Log out and let go of the connections. Idempotent, also after a failed :meth:`open`. Never raises."""
        if self._session is not None:
            self._session.close()

    # --- what there is --------------------------------------------------------------------------------------------

    @property
    def content(self) -> vim.ServiceInstanceContent:
        """The server's managers and its root folder; asks nobody.

        Raises:
            Closed: the connection is not open.
        """
        return self._opened().content

    @property
    def service_instance(self) -> vim.ServiceInstance:
        """What everything is reached from; asks nobody."""
        return self.object(vim.ServiceInstance, ROOT)

    @property
    def is_vcenter(self) -> bool:
        """Whether it is a vCenter; else it is an ESXi host (vSphere API reference: ``AboutInfo.apiType``)."""
        return bool(self.content.about.apiType == VCENTER)

    @property
    def page_size(self) -> int:
        """How many objects the server tells of at a time."""
        return int(self._options.page_size)

    @property
    def session_number(self) -> int:
        """How often it has logged in. Filters, views and collectors end with the session that they were made in."""
        return self._opened().number

    @property
    def request_count(self) -> int:
        """How many requests were sent so far, those to log in included."""
        return self._session.wire.count if self._session is not None else 0

    def object(self, kind: type[M], moref: str) -> M:
        """A managed object by its id; asks nobody.

        Args:
            kind: e.g. ``vim.VirtualMachine``.
            moref: e.g. ``vm-42``.
        """
        return kind(moref, self._opened().stub)  # type: ignore[call-arg]

    def waiting_object(self, kind: type[M], moref: str) -> M:
        """As :meth:`object`, for calls that the server answers late, e.g. ``WaitForUpdatesEx``.

        Such calls have connections of their own, so they keep nobody waiting, and may take
        :data:`nova_virt_vmware.wire.LONGEST_WAIT` seconds longer than others.
        """
        return kind(moref, self._opened().waiting_stub)  # type: ignore[call-arg]

    def plain_object(self, kind: type[M], moref: str, way: Way = Way.USUAL) -> M:
        """As :meth:`object` or :meth:`waiting_object`, for bulk reading: see :class:`nova_virt_vmware.plain.PlainStub`.

        Args:
            kind: ``vmodl.query.PropertyCollector``.
            moref: its id.
            way: USUAL, or WAITING for ``WaitForUpdatesEx``.
        """
        return kind(moref, self._opened().plain_stubs[way])  # type: ignore[call-arg]

    def parting_object(self, kind: type[M], moref: str) -> M:
        """As :meth:`object`, for what the server is told to forget: outside of all turns, not waited for very long.

        Call it outside of :meth:`read`, which would log in anew for it.
        """
        return kind(moref, self._opened().parting_stub)  # type: ignore[call-arg]

    def stop_waiting(self) -> None:
        """Break off all calls of waiting objects, whether the server answers or not; they raise ConnectionLost."""
        if self._session is not None:
            self._session.wire.break_off()

    # --- requests -------------------------------------------------------------------------------------------------

    def read(self, doing: str, call: Callable[[], T], op: Operation | None = None) -> T:
        """Ask something; nothing changes by it.

        An expired session is renewed once and the call repeated. With an operation it is also repeated while the
        server is away or busy, until the operation's deadline and at most for the option ``outage_timeout``. Without
        one it is repeated once if the connection broke.

        Args:
            doing: what is being done to what, for errors, e.g. ``look at virtual machine vm-42``.
            call: sends the requests; may be run several times.
            op: the operation worked for, if any.

        Raises:
            VirtError: see :mod:`nova_virt_vmware.errors`.
        """
        return persist(lambda: self._ask_whole(doing, call), op, self._options.outage_timeout, heard_twice=True)

    def change(self, doing: str, call: Callable[[], T], op: Operation) -> T:
        """Ask for a change.

        It is repeated only if the request certainly did nothing: nobody heard it, the session had expired, another
        task works on the object.

        Args:
            doing: what is being done to what, for errors, e.g. ``switch on virtual machine vm-42``.
            call: sends one request.
            op: the operation worked for.

        Raises:
            ConnectionLost: the connection broke; whether the change was made is not known. Look before you repeat it.
            Busy: something else was being done with the object until the deadline.
            VirtError: see :mod:`nova_virt_vmware.errors`.
        """
        return persist(lambda: self._ask(doing, call), op, self._options.outage_timeout, heard_twice=False)

    def still_logged_in(self) -> None:
        """Call before an empty answer is believed, in the block that a read may repeat: no session, no objects.

        Raises:
            SessionExpired: the server does not know the session any more, or another thread has renewed it since the
                block began.
        """
        if self._blocks.number != self.session_number or not is_current(self.content):
            raise SessionExpired("the session has expired")

    def _ask_whole(self, doing: str, call: Callable[[], T]) -> T:
        """Make a call of several requests in one session.

        Another thread may renew the session between two of them, and views and lists that were begun are gone then.
        """
        number = self.session_number
        try:
            return self._ask(doing, call)
        except (NotThere, Refused):
            if self.session_number == number:
                raise
        return self._ask(doing, call)

    def _ask(self, doing: str, call: Callable[[], T]) -> T:
        """Make a call, and once more in a new session if its session has expired."""
        session = self._opened()
        number = session.number
        try:
            with translated(doing), self._block():
                return call()
        except SessionExpired:
            session.renew(number)
        try:
            with translated(doing), self._block():
                return call()
        except SessionExpired as error:
            raise AuthenticationFailed(
                f"{doing}: the server ends every session at once", hint="see why it does not keep the account's session"
            ) from error

    @contextmanager
    def _block(self) -> Iterator[None]:
        """A block in which this thread knows the session that the block began in."""
        outer = getattr(self._blocks, "number", None)
        self._blocks.number = self.session_number
        try:
            yield
        finally:
            self._blocks.number = outer

    def _opened(self) -> Session:
        if self._session is None:
            raise Closed("the connection to vSphere is not open", hint="connect first")
        return self._session


def version_of(text: str) -> tuple[int, ...]:
    """A version that can be compared; what is no number ends it."""
    numbers = []
    for part in text.split("."):
        if not part.isdigit():
            break
        numbers.append(int(part))
    return tuple(numbers)

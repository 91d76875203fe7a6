"""All virtual machines, read once and then kept current by what the server tells of them.

The first listing, or the first watcher, makes one property filter (:mod:`nova_virt_vmware.vm_filter`) and reads from
it all that there is. From then on one thread waits for changes. Later listings ask nobody, except for what was changed
from here since, which they read again.

When the server does not take the credentials any more, the thread ends: trying them again and again would lock the
account. Observers are told of the gap, and whoever lists next tries once.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Final, Protocol

from nova_virt_api.errors import AuthenticationFailed, PermissionDenied, Unavailable, VirtError
from nova_virt_vmware.known import NOTHING, VM, Draft, Known
from nova_virt_vmware.plain import LEAVE
from nova_virt_vmware.vm_filter import WAIT, VmFilter
from nova_virt_vmware.vm_reading import VmReader
from nova_virt_vmware.vm_row import row_of, settled

if TYPE_CHECKING:
    from collections.abc import Iterable
    from uuid import UUID

    from nova_virt_api.driver.operation import Operation
    from nova_virt_vmware.connection import Connection
    from nova_virt_vmware.plain import Updates
    from nova_virt_vmware.vm_row import VmRow

LATENCY: Final = 2.0
"""Seconds within which the server usually tells of a change."""

SILENCE: Final = WAIT + 10.0
"""Seconds without a sign of life after which what is known counts as old: the age that a listing can have at most."""

FIRST_PAUSE: Final = 0.2
LONGEST_PAUSE: Final = 5.0
"""Seconds between attempts to reach a server that is away."""

SOON: Final = 1.0
LONGEST_FAREWELL: Final = 5.0
"""Seconds that closing waits for the thread: at first, and when the server does not answer."""


class Observer(Protocol):
    """Wants to know of every change."""

    def seen(self, known: Known) -> None:
        """Take what is known now; must not block and never raises."""

    def gap(self, reason: str) -> None:
        """For a while nothing was told; what is known now follows, at once or when somebody could list again."""


class InventoryCache:
    """What is known of the virtual machines of one server. Thread-safe.

    What the server tells and what is read may overtake each other. So a virtual machine that was read while the server
    was about to answer is read again when that answer tells of it: then nothing can be under way that is older.

    Args:
        connection: asks the server.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._reader = VmReader(connection)
        self._known = NOTHING
        self._filter: VmFilter | None = None
        self._heard = 0.0
        self._all_began = 0.0
        self._all_read = 0.0
        self._read: dict[str, float] = {}
        self._touched: dict[str, float] = {}
        self._changing = threading.Lock()  # of what is known
        self._telling = threading.RLock()
        self._noting = threading.Lock()
        self._gap = ""
        self._observers: tuple[Observer, ...] = ()
        self._thread: threading.Thread | None = None
        self._closed = threading.Event()

    # --- reads ----------------------------------------------------------------------------------------------------

    def known(self, *, fresh: bool = False) -> Known:
        """All virtual machines: as the server told last; those that :meth:`touch` was called for as they are now.

        The first call makes the filter and reads all. Later ones send no request, or one for all that was touched.
        After the session or the connection was lost, or when the server gave no sign of life for
        :data:`SILENCE` seconds, all is read anew.

        Args:
            fresh: read all now.

        Raises:
            VirtError: see :meth:`Connection.read`.
        """
        wanted = time.monotonic()
        if fresh or self._touched or not self._is_current():
            with self._changing:
                self._renew(wanted if fresh else None)
            self._tell()
        return self._known

    def shown(self) -> Known | None:
        """What is known, if it may be shown as it is; None when something has to be read before. Asks nobody."""
        return self._known if self._is_current() and not self._touched else None

    def placing(self, host: str | None) -> Known:
        """What is known, with the node of a host in it if the server tells; reads all only if that was never done."""
        known = self._known
        return known if host is None or host in known.hosts else self.known()

    def row(self, moref: str, op: Operation | None = None) -> VmRow | None:
        """A virtual machine as it is now; None when there is none, or only a template. One request.

        Raises:
            VirtError: see :meth:`Connection.read`.
        """
        found = self.rows([moref], op)
        return found[0] if found else None

    def rows_of(self, uuid: UUID, op: Operation | None = None) -> list[VmRow]:
        """The virtual machines that are told apart by this uuid, as they are now. Two requests.

        Raises:
            VirtError: see :meth:`Connection.read`.
        """
        morefs = self._reader.ids_of(uuid, op)
        return [row for row in self.rows(morefs, op) if row.uuid == uuid]

    def rows(self, morefs: Iterable[str], op: Operation | None = None) -> list[VmRow]:
        """These virtual machines as they are now; templates, and those that are not there, are left out. One request.

        Raises:
            VirtError: see :meth:`Connection.read`.
        """
        wanted = set(morefs)
        known = self._known.vms
        found = {one.moref: row_of(one.moref, one.values) for one in self._reader.some(wanted, op)}
        rows = {moref: settled(known.get(moref), row) for moref, row in found.items()}
        self.touch(moref for moref in wanted if rows.get(moref) is not known.get(moref))
        return [row for row in rows.values() if not row.template]

    def touch(self, morefs: Iterable[str]) -> None:
        """Read these virtual machines again before anything is shown again: they may have been changed from here."""
        with self._noting:
            self._touched |= dict.fromkeys(morefs, time.monotonic())

    # --- events ---------------------------------------------------------------------------------------------------

    def observe(self, observer: Observer) -> None:
        """Tell this one of what is known now, and of every change."""
        with self._noting:
            self._observers = (*self._observers, observer)
        self._tell()

    def forget(self, observer: Observer) -> None:
        """Tell this one of nothing more. Idempotent."""
        with self._noting:
            self._observers = tuple(other for other in self._observers if other is not observer)

    def close(self) -> None:
        """End the thread, and remove from the server what was made there. Idempotent. Never raises."""
        self._closed.set()
        found, thread = self._filter, self._thread
        if found is not None:
            found.give_up()
            self._connection.stop_waiting()
            if thread is not None:
                thread.join(SOON)
            found.part()  # which also ends a wait that had just begun
        if thread is not None:
            thread.join(LONGEST_FAREWELL)

    # --- what is known, while holding _changing -------------------------------------------------------------------

    def _renew(self, wanted: float | None) -> None:
        """Read what has to be read.

        Args:
            wanted: read all unless that was done since this moment; None for only what is old.
        """
        if self._closed.is_set():
            raise Unavailable("the connection to vSphere was closed", hint="connect anew")
        with self._noting:
            began, touched = time.monotonic(), set(self._touched)
        if self._filter is None:
            self._fill()
        elif not self._is_current() or (wanted is not None and self._all_began < wanted):
            self._read_all()
        elif touched:
            self._read_again(touched)
        with self._noting:  # what was touched since then is still to be read; until now, nobody may do without
            self._touched = {moref: since for moref, since in self._touched.items() if since >= began}

    def _is_current(self) -> bool:
        return self._filter is not None and time.monotonic() - self._heard <= SILENCE

    def _fill(self) -> None:
        """Make the filter, and take in all that it tells of."""
        began = time.monotonic()
        made = VmFilter(self._connection, self._reader)
        self._known = Draft.anew(self._known, made.open()).done()
        self._filter, self._heard = made, time.monotonic()
        self._all_began, self._all_read, self._read = began, 0.0, {}
        if self._closed.is_set():
            made.part()
        elif self._thread is None:
            self._thread = threading.Thread(target=self._run, name="nova-virt-vmware-inventory", daemon=True)
            self._thread.start()

    def _read_all(self) -> None:
        """Read all, beside the filter."""
        began = time.monotonic()
        self._known = Draft.anew(self._known, self._reader.all()).done()
        self._all_began, self._all_read = began, time.monotonic()

    def _read_again(self, morefs: Iterable[str]) -> None:
        """Read some virtual machines, beside the filter; those that are not there have left."""
        wanted, draft = set(morefs), Draft(self._known)
        for moref in wanted:
            draft.drop(moref)
        for one in self._reader.some(wanted):
            draft.take(one)
        self._known = draft.done()
        self._read |= dict.fromkeys(wanted, time.monotonic())

    def _take_in(self, updates: Updates, asked: float) -> None:
        """Go on with what the server told.

        Args:
            updates: that.
            asked: when it was asked to; the answer may have been put together at any time since.
        """
        draft, again = Draft(self._known), set()
        for one in updates.told:
            read = max(self._all_read, self._read.get(one.moref, 0.0)) if one.kind == VM else 0.0
            overtaken = one.change != LEAVE and read >= asked
            if overtaken or not draft.take(one):
                again.add(one.moref)
        self._known = draft.done()
        self._read = {moref: read for moref, read in self._read.items() if read >= asked}
        if again:
            self._read_again(again)

    # --- the thread -----------------------------------------------------------------------------------------------

    def _run(self) -> None:
        pause = FIRST_PAUSE
        while not self._closed.is_set():
            try:
                self._follow()
            except (AuthenticationFailed, PermissionDenied) as error:
                self._lose(error.message)
                if self._retire(error.message):
                    return
            except VirtError as error:
                self._lose(error.message)
                self._closed.wait(pause)
                pause = min(pause * 2, LONGEST_PAUSE)
            else:
                pause = FIRST_PAUSE

    def _follow(self) -> None:
        """Take in one answer of the server; make a filter first if there is none."""
        found = self._filter
        if found is None:
            with self._changing:
                self._renew(None)
        else:
            asked = time.monotonic()
            updates = found.wait()
            with self._changing:
                self._heard = time.monotonic()
                if updates is not None:
                    self._take_in(updates, asked)
        self._tell()

    def _lose(self, reason: str) -> None:
        """Give up the filter, if there is one: what happens from now on is not told."""
        with self._changing:
            found, self._filter = self._filter, None
            if found is not None:
                self._gap = reason
        if found is not None and not self._closed.is_set():
            found.part()

    def _retire(self, reason: str) -> bool:
        """Let nobody wait for changes until somebody lists again; False if somebody has made a filter meanwhile."""
        with self._changing:
            if self._filter is not None:
                return False
            self._thread, self._gap = None, reason
        with self._telling:
            for observer in self._observers:
                observer.gap(reason)
        return True

    def _tell(self) -> None:
        """Tell the observers what is known now, unless that is nothing certain."""
        with self._telling:
            if self._filter is None:
                return
            gap, self._gap = self._gap, ""
            for observer in self._observers:
                if gap:
                    observer.gap(gap)
                observer.seen(self._known)

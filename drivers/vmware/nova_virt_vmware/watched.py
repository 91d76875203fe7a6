"""Objects that verbs wait for: one property filter over all of them, one thread that waits for its updates.

A property collector of its own (vSphere API reference: ``CreatePropertyCollector``) has one filter, which follows a
``ListView``. Who begins to wait puts the object into the list; ``WaitForUpdatesEx`` tells what changes. Nothing is
asked periodically, and neither threads nor requests in vain grow with the number of verbs that wait.
"""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from pyVmomi import vim, vmodl

from nova_virt_api.errors import AuthenticationFailed, PermissionDenied, Unavailable, VirtError
from nova_virt_vmware.errors import NATIVE, NotThere, moref_of
from nova_virt_vmware.sight import Sight

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nova_virt_vmware.connection import Connection

PATHS: Final = {
    vim.Task: ("info.state", "info.progress", "info.error", "info.result", "info.entity", "info.cancelable"),
    vim.VirtualMachine: ("runtime.powerState", "runtime.question", "guest.toolsRunningStatus"),
}
"""What is told of an object that is waited for."""

Collector: Final = vmodl.query.PropertyCollector

DOING: Final = "wait for tasks"
LEAVE: Final = "leave"
"""``ObjectUpdateKind`` of what is in the list no more."""

LONGEST_WAIT: Final = 20
"""Seconds that the server may keep one ``WaitForUpdatesEx``; shorter than the patience of proxies."""

FIRST_PAUSE: Final = 0.2
LONGEST_PAUSE: Final = 5.0
"""Seconds between attempts to reach a server that is away."""

LONGEST_FAREWELL: Final = 2.0
"""Seconds that closing waits for the thread."""


@dataclass(eq=False, slots=True)
class Listing:
    """What the server keeps for us; it is gone with the session.

    Args:
        collector: tells what changes.
        waiting: the same, for calls that are answered late.
        view: the list of what is waited for.
        listed: what is in it, by id.
        version: up to where changes were told.
        removed: whether somebody has let the server forget it.
    """

    collector: vmodl.query.PropertyCollector
    waiting: vmodl.query.PropertyCollector
    view: vim.view.ListView
    listed: dict[str, vmodl.ManagedObject] = field(default_factory=dict)
    version: str = ""
    removed: bool = False


class Watched:
    """Tells verbs of the tasks and virtual machines that they wait for. Thread-safe.

    Args:
        connection: asks the server.
        outage_seconds: how long verbs wait while the server does not answer.
    """

    def __init__(self, connection: Connection, outage_seconds: float) -> None:
        self._connection = connection
        self._outage_seconds = outage_seconds
        self._lock = threading.Condition()
        self._adjusting = threading.Lock()
        self._sights: list[Sight] = []
        self._listing: Listing | None = None
        self._told: dict[str, dict[str, Any]] = {}
        self._thread: threading.Thread | None = None
        self._closed = False

    @contextmanager
    def sight(self, *objects: vmodl.ManagedObject) -> Iterator[Sight]:
        """Tell of these objects within the block; first of all, soon, how they are.

        What is told may be a moment old: look at a virtual machine before anything is concluded about it.

        Raises:
            Unavailable: the connection was closed.
        """
        sight = Sight(objects)
        with self._lock:
            if self._closed:
                raise closed()
            self._sights.append(sight)
            for moref in sight.wanted.keys() & self._told.keys():
                sight.tell(moref, self._told[moref])  # another waits for it, so the server does not tell it anew
            listing = self._listing
            if self._thread is None:
                self._start()
        try:
            if listing is not None:
                self._take_in(listing)
            yield sight
        finally:
            with self._lock:
                self._sights.remove(sight)

    def close(self) -> None:
        """Tell nobody any more; verbs that wait fail. Idempotent. Never raises."""
        with self._lock:
            self._closed = True
            for sight in self._sights:
                sight.fail(closed())
            self._lock.notify_all()
            thread, listing = self._thread, self._listing
        if listing is not None:
            self._remove(listing)  # which ends the call that waits
        if thread is not None and thread is not threading.current_thread():
            thread.join(LONGEST_FAREWELL)

    # --- the list -------------------------------------------------------------------------------------------------

    def _take_in(self, listing: Listing) -> None:
        """Put what is waited for into the list. Where that fails, another thread begins from scratch.

        The one that there is may wait for changes of a list that the server has forgotten, and hear nothing of that.
        """
        try:
            self._adjust(listing)
        except VirtError:
            with self._lock:
                if self._listing is listing:
                    self._start()

    def _adjust(self, listing: Listing) -> None:
        """Put into the list what is waited for; if there is anything to put in, what is not waited for leaves it."""
        with self._adjusting:
            while True:
                wanted = self._wanted()
                new = [wanted[moref] for moref in wanted.keys() - listing.listed.keys()]
                if not new:
                    return
                old = [listing.listed[moref] for moref in listing.listed.keys() - wanted.keys()]
                try:
                    missing = self._connection.read(DOING, partial(listing.view.ModifyListView, add=new, remove=old))
                except NotThere as error:  # by the reference they are returned; vcsim refuses them all
                    if error.moref not in wanted:
                        raise
                    self._lose(error.moref)
                else:
                    listing.listed = wanted
                    for each in missing or ():
                        self._lose(moref_of(each))
                    return

    def _wanted(self) -> dict[str, vmodl.ManagedObject]:
        with self._lock:
            return {moref: each for sight in self._sights for moref, each in sight.wanted.items()}

    def _made(self) -> Listing:
        """A new list, with all that is waited for in it."""
        content = self._connection.content
        collector = self._connection.read(DOING, content.propertyCollector.CreatePropertyCollector)
        view = self._connection.read(DOING, content.viewManager.CreateListView)
        self._connection.read(DOING, lambda: collector.CreateFilter(filter_of(view), partialUpdates=False))
        waiting = self._connection.waiting_object(Collector, moref_of(collector))
        listing = Listing(collector, waiting, view)
        self._adjust(listing)
        return listing

    def _remove(self, listing: Listing) -> None:
        with self._lock:
            removed, listing.removed = listing.removed, True
        if removed:
            return
        with suppress(*NATIVE, VirtError):  # it ends with the session anyway
            self._connection.parting_object(Collector, moref_of(listing.collector)).DestroyPropertyCollector()
            self._connection.parting_object(vim.view.ListView, moref_of(listing.view)).DestroyView()

    # --- the thread -----------------------------------------------------------------------------------------------

    def _start(self) -> None:
        self._listing, self._told = None, {}
        self._thread = threading.Thread(target=self._run, name="nova-virt-vmware-tasks", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        listing: Listing | None = None
        pause, away_since, silent = FIRST_PAUSE, 0.0, False
        while not self._is_over(idle=silent):
            began = time.monotonic()
            try:
                if listing is None:
                    listing = self._made()
                    self._offer(listing)
                    continue
                silent = not self._follow(listing)
            except VirtError as error:
                if self._closed:
                    continue
                listing, away_since, silent = None, away_since or began, True
                self._offer(None)
                self._fail(error, away_since)
                self._rest(pause)
                pause = min(pause * 2, LONGEST_PAUSE)
            else:
                pause, away_since = FIRST_PAUSE, 0.0
        if listing is not None:
            self._remove(listing)

    def _is_over(self, *, idle: bool) -> bool:
        """Whether this thread is to end: another took its place, or nobody waits and nothing has happened for long."""
        with self._lock:
            if self._thread is not threading.current_thread():
                return True
            if self._closed or (idle and not self._sights):
                self._thread = self._listing = None
                return True
            return False

    def _offer(self, listing: Listing | None) -> None:
        """Let those who begin to wait put it into this list; None while there is none."""
        with self._lock:
            if self._thread is not threading.current_thread():
                return
            self._listing, self._told = listing, {}
        if listing is not None:
            self._adjust(listing)  # what came while it was made

    def _follow(self, listing: Listing) -> bool:
        """Hand on one answer; False if nothing has happened for as long as the server waits."""
        options = Collector.WaitOptions(maxWaitSeconds=LONGEST_WAIT)
        update = self._connection.read(DOING, partial(listing.waiting.WaitForUpdatesEx, listing.version, options))
        if update is None:
            return False
        listing.version = update.version
        changes = [change for part in update.filterSet or () for change in part.objectSet or ()]
        for change in changes:
            self._hand_on(moref_of(change.obj), change)
        left = [moref_of(change.obj) for change in changes if change.kind == LEAVE]
        if left:
            self._list_again(listing, left)
        return True

    def _list_again(self, listing: Listing, left: list[str]) -> None:
        """See to what has left the list: it is put in again if it is there and somebody waits for it, and else lost."""
        with self._adjusting:
            for moref in left:
                listing.listed.pop(moref, None)
        self._adjust(listing)

    def _hand_on(self, moref: str, change: Any) -> None:
        values = {each.name: each.val for each in change.changeSet or ()}
        with self._lock:
            if self._thread is not threading.current_thread():
                return
            if change.kind == LEAVE:
                self._told.pop(moref, None)
            else:
                self._told.setdefault(moref, {}).update(values)
            for sight in self._sights:
                sight.tell(moref, values)

    def _lose(self, moref: str) -> None:
        for sight in self._copy():
            sight.lose(moref)

    def _fail(self, error: VirtError, away_since: float) -> None:
        """Let verbs know, when waiting longer makes no sense."""
        hopeless = isinstance(error, AuthenticationFailed | PermissionDenied)
        for sight in self._copy():
            if hopeless or time.monotonic() - max(away_since, sight.since) >= self._outage_seconds:
                sight.fail(error)

    def _rest(self, seconds: float) -> None:
        with self._lock:
            self._lock.wait_for(lambda: self._closed, seconds)

    def _copy(self) -> list[Sight]:
        with self._lock:
            return list(self._sights)


def filter_of(view: vim.view.ListView) -> vmodl.query.PropertyCollector.FilterSpec:
    """Selects what is in the list, with what is told of it."""
    members = Collector.TraversalSpec(name="members", type=vim.view.ListView, path="view", skip=False)
    return Collector.FilterSpec(
        objectSet=[Collector.ObjectSpec(obj=view, skip=True, selectSet=[members])],
        propSet=[Collector.PropertySpec(type=kind, pathSet=list(paths)) for kind, paths in PATHS.items()],
    )


def closed() -> Unavailable:
    """The error for who waits on a connection that was closed."""
    return Unavailable("the connection to vSphere was closed", hint="connect anew")

"""Taking, reading and waiting for the claims that are kept in one pool."""

import time
from collections.abc import Callable, Iterable
from typing import Final

from nova_virt_api.driver.operation import CancelMode, Operation
from nova_virt_api.errors import Busy, StorageError
from nova_virt_api.model.image import ImageFormat
from nova_virt_api.model.record import Record
from nova_virt_api.toolkit.holder import is_gone, this_process
from nova_virt_libvirt.claims.claim import SIZE, Chain, Claim, Link, head_name
from nova_virt_libvirt.claims.hold import ACTIVE, GRACE, Hold, new_token
from nova_virt_libvirt.storage.pools import Pool, VolumeExists

LAST_WORD: Final = 0.75
"""Seconds before the deadline at which waiting ends, so that the caller still gets to know whom it was for."""

LOOKS: Final = 10
"""So often a claim is looked at whose volumes vanish while they are read."""

UNKNOWN_HOLDER: Final = "somebody who is just beginning"


class Records:
    """The claims in one pool. Short-lived: made for one verb.

    Args:
        pool: where the claims are; of a kind whose volumes are made exclusively and read as zeros at first.
        host: uuid of the endpoint's host.
    """

    def __init__(self, pool: Pool, host: str) -> None:
        self.pool = pool
        self.host = host
        self._unwritten_since: dict[str, float] = {}

    def create(self, key: str, record: Record) -> Hold | None:
        """Take a claim that nobody has; None if there is one. It is to be begun within seconds."""
        created = time.monotonic()
        try:
            volume = self.pool.create(head_name(key), SIZE, ImageFormat.RAW)
        except VolumeExists:
            return None
        return Hold(volume, self._claim(record), None, created)

    def succeed(self, chain: Chain, record: Record, *, keeps_disks: bool = False) -> Hold | None:
        """Take a claim over and begin it; None if somebody else was faster, or it was removed meanwhile."""
        created = time.monotonic()
        try:
            volume = self.pool.create(chain.newest.successor(chain.key), SIZE, ImageFormat.RAW)
        except VolumeExists:
            return None
        hold = Hold(volume, self._claim(record, keeps_disks=keeps_disks), chain, created)
        hold.begin()
        head = self._link(head_name(chain.key))
        if head is None or head.identity != chain.head.identity:
            hold.retract()
            return None
        return hold

    def acquire(self, key: str, record: Record, op: Operation, what: str) -> Hold:
        """Take a claim, from a holder that is gone if need be, and begin it; wait while somebody holds it.

        Raises:
            Busy: somebody works on it and went on doing so until the deadline.
        """
        while True:
            chain = self.read(key)
            if chain is None:
                hold = self.create(key, record)
                if hold is not None:
                    hold.begin()
                    return hold
            elif self.holder(chain) is not None:
                op.stage(f"wait until nobody works on {what}", CancelMode.IMMEDIATE)
                self.wait(key, op, what)
            elif (hold := self.succeed(chain, record)) is not None:
                return hold

    def read(self, key: str) -> Chain | None:
        """The claim as it is now; None if there is none."""
        for _ in range(LOOKS - 1):
            try:
                return self._read(key)
            except StorageError:  # a volume that another host or process has removed; again and again if many want it
                self.pool.refresh()
        return self._read(key)

    def stray(self, key: str, names: Iterable[str]) -> Chain | None:
        """What is still there, of these volumes, of a claim whose head is gone: its removal is under way, or was.

        Args:
            key: what the claim is on.
            names: volumes of the claim that were seen a moment ago.
        """
        try:
            links = tuple(link for name in names if (link := self._link(name)) is not None)
        except StorageError:  # one that goes just now: whoever removes it lives
            return None
        return Chain(key, links) if links else None

    def holder(self, chain: Chain) -> str | None:
        """Who works on it now; None when nobody does, or he is gone."""
        claim = chain.newest.claim
        if claim is None:
            since = self._unwritten_since.setdefault(chain.newest.volume.name, time.monotonic())
            return UNKNOWN_HOLDER if time.monotonic() - since < GRACE else None
        self._unwritten_since.pop(chain.newest.volume.name, None)
        record = claim.record
        if record.holder is None or (record.lease_until or 0.0) < time.time():
            return None
        if record.holder == this_process():
            return record.holder if claim.token in ACTIVE else None
        return None if is_gone(record.holder) else record.holder

    def wait(self, key: str, op: Operation, what: str, hasten: Callable[[], None] = lambda: None) -> None:
        """Return once nobody works on it.

        Args:
            key: what the claim is on.
            op: the operation worked for.
            what: what it is, for people.
            hasten: called again and again while somebody works on it.

        Raises:
            Busy: somebody works on it and went on doing so until right before the deadline.
        """
        holder: str | None = None

        def is_over() -> bool:
            nonlocal holder
            chain = self.read(key)
            holder = self.holder(chain) if chain else None
            if holder is None or op.remaining() < LAST_WORD:
                return True
            hasten()
            return False

        op.wait_until(is_over)
        if holder is not None:
            raise Busy(f"somebody else works on {what}", holder, hint="try again later")

    def _claim(self, record: Record, *, keeps_disks: bool = False) -> Claim:
        return Claim(record=record, token=new_token(), host=self.host, keeps_disks=keeps_disks)

    def _read(self, key: str) -> Chain | None:
        links: list[Link] = []
        link = self._link(head_name(key))
        while link is not None:
            links.append(link)
            link = self._link(link.successor(key))
        return Chain(key, tuple(links)) if links else None

    def _link(self, name: str) -> Link | None:
        volume = self.pool.find(name)
        return None if volume is None else Link(volume, Claim.decode(volume.read(SIZE)))

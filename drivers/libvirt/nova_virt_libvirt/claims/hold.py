"""A claim while this process holds it: its lease is renewed until it is given up."""

import secrets
import threading
import time
from contextlib import suppress
from dataclasses import replace
from typing import Any, Final, NoReturn

from nova_virt_api.errors import Busy, VirtError
from nova_virt_api.model.record import Phase
from nova_virt_api.toolkit.holder import this_process
from nova_virt_libvirt.claims.claim import SIZE, Chain, Claim, Link, head_name
from nova_virt_libvirt.storage.pools import Pool, Volume

LEASE: Final = 60.0
"""Seconds without a sign of life after which a holder counts as gone."""

GRACE: Final = 5.0
"""Seconds within which a new volume of a chain is written, or its maker counts as gone."""

TOKEN_BYTES: Final = 8

ACTIVE: Final[set[str]] = set()
"""Tokens of the claims that this process holds now."""


class Hold:
    """A claim that this process holds.

    Args:
        volume: the newest volume of its chain, made by us just now.
        claim: what it is going to say.
        before: the chain that it continues; None if it is the head.
        created: when its creation began, on the monotonic clock.
    """

    def __init__(self, volume: Volume, claim: Claim, before: Chain | None, created: float) -> None:
        self.volume = volume
        self.claim = claim
        self.before = before
        self._key = before.key if before else volume.name.removesuffix(head_name(""))
        self._created = created
        self._lock = threading.Lock()
        self._ended = threading.Event()

    @property
    def key(self) -> str:
        """What it is a claim on."""
        return self._key

    def begin(self, *, keeps_disks: bool | None = None, **changes: Any) -> None:
        """Write the claim for the first time and keep it alive from now on.

        Raises:
            Busy: it took so long that somebody took us for dead.
        """
        unwritten = Link(self.volume, None).successor(self.key)
        self.rewrite(keeps_disks=keeps_disks, **changes)
        if time.monotonic() - self._created > GRACE / 2:
            self._refuse_successor(unwritten, self.volume.pool)
        ACTIVE.add(self.claim.token)
        threading.Thread(target=self._renew, name="nova-virt-lease", daemon=True).start()

    def rewrite(self, *, keeps_disks: bool | None = None, **changes: Any) -> None:
        """Change the guest's record."""
        if keeps_disks is not None:
            self.claim = replace(self.claim, keeps_disks=keeps_disks)
        self._write(**changes)

    def verify(self, pool: Pool | None = None) -> None:
        """Call before a step that must not be taken by two.

        Args:
            pool: its pool on a new connection, if the old one may be lost.

        Raises:
            Busy: this process, or its connection, was silent for so long that somebody else took over.
        """
        if (self.claim.record.lease_until or 0.0) < time.time():
            there = pool or self.volume.pool
            self._refuse_successor(Link(self.volume, self.claim).successor(self.key), there)
            self._refuse_settled(there)

    def end(self) -> None:
        """Stop renewing; what the claim says stays. Idempotent."""
        with self._lock:
            self._ended.set()
            ACTIVE.discard(self.claim.token)

    def release(self) -> None:
        """Let others take over at once.

        Raises:
            Busy: somebody has taken over already.
        """
        self.verify()
        self.end()
        self._write(holder=None)

    def settle(self, phase: Phase) -> None:
        """Let others take over at once, and make the chain one volume again.

        The head is written anew with a token of its own, so that nothing follows it any more; what followed is removed.

        Args:
            phase: how far the guest has got.

        Raises:
            Busy: somebody else took over.
        """
        self.verify()
        self.end()
        rest = self.names()[1:]
        if self.before is not None:
            self.volume = self.before.head.volume
            self.claim = replace(self.claim, token=new_token())
            self.before = None
        self._write(holder=None, phase=phase)
        for name in rest:
            self.volume.pool.remove(name)

    def retract(self) -> None:
        """Undo the taking: the claim is again as its last holder had left it, or gone if there was none.

        Raises:
            Busy: somebody else took over, and goes on from what we had.
        """
        if self.claim.record.lease_until is not None:  # else nobody could take it for begun
            self.verify()
        self.end()
        self.volume.remove()

    def names(self) -> list[str]:
        """The chain's volumes, the head first."""
        return [*(link.volume.name for link in (self.before.links if self.before else ())), self.volume.name]

    def remove(self, pool: Pool | None = None) -> None:
        """Remove the claim, the head first; everything else of the guest must be gone.

        Args:
            pool: its pool on a new connection, if the old one may be lost.

        Raises:
            Busy: somebody else took over.
        """
        self.verify(pool)
        self.end()
        for name in self.names():
            (pool or self.volume.pool).remove(name)

    def _renew(self) -> None:
        while not self._ended.wait(LEASE / 3):
            with suppress(VirtError):  # a connection that is lost now may be back in time
                self.verify()  # who wakes late must not write over what others have written
                with self._lock:
                    if not self._ended.is_set():
                        self._put()

    def _write(self, **changes: Any) -> None:
        with self._lock:
            fresh = {"holder": this_process(), "lease_until": None} | changes
            self.claim = replace(self.claim, record=replace(self.claim.record, **fresh))
            self._put()

    def _put(self) -> None:
        claim = self.claim
        if claim.record.holder is not None:
            claim = replace(claim, record=replace(claim.record, lease_until=time.time() + LEASE))
        self.volume.write(claim.encode())
        self.claim = claim

    def _refuse_successor(self, name: str, pool: Pool) -> None:
        pool.refresh()  # another host may have made it
        if pool.find(name) is not None:
            self._refuse()

    def _refuse_settled(self, pool: Pool) -> None:
        """Whoever took over and has finished leaves no successor, and nothing of ours."""
        there = pool.find(self.volume.name)
        said = None if there is None else Claim.decode(there.read(SIZE))
        if said is None or said.token != self.claim.token:
            self._refuse()

    def _refuse(self) -> NoReturn:
        self.end()
        raise Busy(f"somebody else took over {self.key} while this process was silent")


def new_token() -> str:
    """A token that no other claim bears."""
    return secrets.token_hex(TOKEN_BYTES)

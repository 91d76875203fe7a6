"""Removing volumes that no guest owns, and what is left of such.

What a claim says tells what is under it. Somebody who has written that he makes the volume may have left a part of one.
Under any other claim a volume is complete: somebody was about to remove it, or only looked whether it was there.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from nova_virt_api.driver.operation import CancelMode, Stage
from nova_virt_api.errors import Busy, PermissionDenied, VirtError
from nova_virt_api.model.leftover import Leftover
from nova_virt_api.model.record import Phase, Record
from nova_virt_libvirt.claims.records import Records
from nova_virt_libvirt.errors import translated
from nova_virt_libvirt.foreign import is_base
from nova_virt_libvirt.places import Places
from nova_virt_libvirt.storage.pools import Volume
from nova_virt_libvirt.stored_volumes.listing import Stored, users_of
from nova_virt_libvirt.stored_volumes.name import StoredName, claimed_volume, volume_key

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from uuid import UUID

    from nova_virt_api.driver.operation import Operation
    from nova_virt_libvirt.claims.claim import Chain
    from nova_virt_libvirt.claims.hold import Hold
    from nova_virt_libvirt.site import Site
    from nova_virt_libvirt.storage.pools import Pool


def volumes_named(pool: Pool, volume: UUID) -> list[Stored]:
    """The volumes of an id in a pool, complete or not."""
    with translated(f"list volumes of storage pool {pool.name}"):
        natives = pool.native.listAllVolumes(0)
    found = [(StoredName.decode(native.name()), native) for native in natives]
    return [Stored(name, Volume(pool, native)) for name, native in found if name is not None and name.id == volume]


def is_torn(chain: Chain) -> bool:
    """Whether what is there under a claim may be a part of a volume."""
    return any(link.claim is not None and link.claim.record.phase is Phase.BUILDING for link in chain.links)


def is_going(chain: Chain) -> bool:
    """Whether somebody was about to remove what is there under a claim."""
    return any(link.claim is not None and link.claim.record.phase is Phase.DELETING for link in chain.links)


def refuse_guests(site: Site, stored: Stored) -> None:
    """Refuse to remove a volume that a guest uses.

    Raises:
        Busy: one does.
    """
    users = users_of(site.connection(), stored.volume, stored.volume.path())
    if users:
        names = ", ".join(map(str, users))
        raise Busy(f"volume {stored.name.id} is used by guest {names}", names, hint="detach it first")


def refuse_used(site: Site, stored: Stored) -> None:
    """Refuse to remove a volume that a guest uses, or that another volume is based on.

    Raises:
        Busy: somebody does.
    """
    refuse_guests(site, stored)
    with translated("look for volumes that are based on it"):
        based = is_base(stored.volume.native)
    if based:
        raise Busy(f"another volume is based on volume {stored.name.id}", hint="remove that one first")


def remove_all(pool: Pool, volume: UUID) -> None:
    """Remove every volume of an id from a pool."""
    for stored in volumes_named(pool, volume):
        stored.volume.remove()


def claims_on(names: list[str], volume: UUID) -> list[str]:
    """The parts of the claim on a volume, among these names."""
    return [name for name in names if claimed_volume(name) == volume]


class Removal:
    """The removal of one volume from the pool that it is in.

    Args:
        site: the endpoint.
        pool: where the volume, or its claim, was seen.
        volume: the volume.
        op: the operation worked for.
    """

    def __init__(self, site: Site, pool: Pool, volume: UUID, op: Operation) -> None:
        self._site = site
        self._pool = pool
        self._volume = volume
        self._op = op
        self._records = Records(pool, site.host())

    def whole(self) -> None:
        """Remove it, complete or not, unless somebody uses it."""
        self._permit()
        for stored in volumes_named(self._pool, self._volume):
            refuse_guests(self._site, stored)  # before a claim hides it
        hold = self._take(Phase.DELETING)
        try:
            for stored in volumes_named(self._pool, self._volume):
                refuse_used(self._site, stored)
        except BaseException as error:
            with suppress(VirtError):
                self._let_be(hold, error)
            hold.end()
            raise
        self._remove(hold, lambda: remove_all(self._pool, self._volume))

    def unfinished(self) -> bool:
        """Remove what an interrupted verb left; False if there was nothing. A volume that is complete stays."""
        names = claims_on(self._pool.names(), self._volume)
        if not names:
            return False
        self._permit()
        hold = self._take(Phase.READY)
        self._remove(hold, lambda: remove_unwanted(self._site, hold, self._pool, self._volume))
        return True

    def _let_be(self, hold: Hold, error: BaseException) -> None:
        """Leave a volume as it was before the claim; one that is complete and used is there again."""
        if isinstance(error, Busy) and (hold.before is None or not is_torn(hold.before)):
            hold.remove()
        else:
            hold.retract()

    def _take(self, phase: Phase) -> Hold:
        self._op.stage(Stage.CLAIM)
        record = Record(uuid=self._volume, owner=self._site.owner, fingerprint="", phase=phase)
        return self._records.acquire(volume_key(self._volume), record, self._op, f"volume {self._volume}")

    def _remove(self, hold: Hold, remove: Callable[[], object]) -> None:
        self._op.stage(Stage.CLEAN_UP, CancelMode.NONE)
        try:
            hold.verify()
            remove()
            spare = hold.names()
            for name in claims_on(self._pool.names(), self._volume):
                if name not in spare:  # of a claim that somebody had begun to remove
                    self._pool.remove(name)
            hold.remove()
        finally:
            hold.end()  # what is there still is among the leftovers

    def _permit(self) -> None:
        """Refuse what is somebody else's.

        Raises:
            PermissionDenied: it is.
        """
        chain = self._records.read(volume_key(self._volume))
        owners = {stored.name.owner for stored in volumes_named(self._pool, self._volume)}
        owners |= {chain.claim.record.owner} if chain is not None and chain.claim is not None else set()
        for owner in owners - {self._site.owner}:
            message = f"volume {self._volume} belongs to {owner!r}"
            raise PermissionDenied(message, hint="connect(owner=...) as its owner")


def remove_unwanted(site: Site, hold: Hold, pool: Pool, volume: UUID) -> list[Stored]:
    """Remove what somebody who is gone left of a volume, or was about to remove; return what is complete and stays.

    Args:
        site: the endpoint.
        hold: a claim on the volume, taken just now.
        pool: where the volume is.
        volume: its id.
    """
    there, before = volumes_named(pool, volume), hold.before
    if before is None or not (is_torn(before) or is_going(before)):
        return there
    try:
        for stored in there:
            refuse_used(site, stored)  # before its removal was begun it was complete, and somebody got it since
    except Busy:
        if is_torn(before):
            raise
        return there
    remove_all(pool, volume)
    return []


def remove_unfinished(site: Site, volume: UUID, op: Operation) -> bool:
    """Remove what interrupted work on a volume left, in all pools; False if there was nothing."""
    pools = Places(site.connection(), site.pool).active_pools()
    found = [Removal(site, pool, volume, op).unfinished() for pool in pools]
    return any(found)


def volume_leftovers(
    site: Site, listed: list[tuple[Pool, list[str]]], is_abandoned: Callable[[Chain], bool]
) -> Iterator[Leftover]:
    """What interrupted work on volumes left.

    Args:
        site: the endpoint.
        listed: pools, each with the names of its volumes.
        is_abandoned: whether a claim is of this owner and nobody works on it.
    """
    for pool, names in listed:
        records = Records(pool, site.host())
        for volume in dict.fromkeys(filter(None, map(claimed_volume, names))):
            claims, key = claims_on(names, volume), volume_key(volume)
            chain = records.read(key)
            unwanted = chain is not None and (is_torn(chain) or is_going(chain))
            chain = chain or records.stray(key, claims)
            if chain is None or not is_abandoned(chain):
                continue
            owner = chain.claim.record.owner if chain.claim else None
            rest = [name for name in names if (said := StoredName.decode(name)) is not None and said.id == volume]
            for name in [*claims, *(rest if unwanted else [])]:
                yield Leftover(uuid=volume, kind="volume", name=name, place=pool.name, owner=owner)

"""Holding a guest's claim during a verb of several steps: whoever else wants to change or remove the guest waits."""

from __future__ import annotations

from contextlib import contextmanager, nullcontext, suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

from nova_virt_api.driver.operation import CancelMode
from nova_virt_api.errors import Busy, InvalidState, VirtError
from nova_virt_api.model.instance import Lifecycle
from nova_virt_api.model.record import Phase, Record
from nova_virt_libvirt.claims.records import Records
from nova_virt_libvirt.domain import HINTS
from nova_virt_libvirt.errors import translated
from nova_virt_libvirt.names import claim_key, is_claim
from nova_virt_libvirt.places import Places
from nova_virt_libvirt.remains import volumes_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from uuid import UUID

    from nova_virt_api.driver.operation import Operation
    from nova_virt_libvirt.claims.claim import Chain
    from nova_virt_libvirt.claims.hold import Hold
    from nova_virt_libvirt.domain import Domain
    from nova_virt_libvirt.metadata import Mark
    from nova_virt_libvirt.site import Site
    from nova_virt_libvirt.storage.pools import Volume


class Known(Protocol):
    """What a claim says of a guest."""

    @property
    def uuid(self) -> UUID:
        """The guest."""

    @property
    def mark(self) -> Mark | None:
        """Its mark, if it has one."""


@contextmanager
def claimed(site: Site, domain: Known, op: Operation) -> Iterator[Hold]:
    """Hold the claim of a complete guest. What the guest is has to be looked at again once it is held.

    A claim is left as it was found; for a guest without one, e.g. an adopted one, there is one meanwhile.

    Args:
        site: the endpoint.
        domain: the guest.
        op: the operation worked for.

    Raises:
        Busy: somebody works on the guest and went on doing so until the deadline.
        InvalidState: its removal was begun.
    """
    there = guest_records(site).read(claim_key(domain.uuid)) is not None
    hold = take_claim(site, domain, op)
    try:
        yield hold
    finally:
        with suppress(VirtError):  # otherwise whoever wants it next sees that we are gone
            hold.verify()
            if there:
                hold.settle(Phase.READY)
            else:
                hold.remove()
        hold.end()


@contextmanager
def claimed_at_rest(site: Site, domain: Domain, op: Operation) -> Iterator[None]:
    """Hold the claim of a guest if it is off: whoever else has it may be giving the guest another definition now.

    Libvirt itself sees to it that the devices of a guest that runs are changed by one at a time. What the guest is has
    to be looked at again in the block.

    Raises:
        Busy: somebody works on the guest and went on doing so until the deadline.
        InvalidState: its removal was begun.
    """
    with translated("look at the guest"):
        off = not domain.urgent.isActive()
    with claimed(site, domain, op) if off else nullcontext():
        yield


def refuse_claimed(site: Site, domain: Domain) -> None:
    """Refuse a guest that :func:`claimed` would have to wait for, or refuses.

    Raises:
        Busy: somebody works on the guest.
        InvalidState: its removal was begun.
    """
    records = guest_records(site)
    chain = records.read(claim_key(domain.uuid))
    if chain is None:
        return
    if (holder := records.holder(chain)) is not None:
        raise Busy(f"somebody else works on guest {domain.uuid}", holder, hint="try again later")
    refuse_removal(chain)


def take_claim(site: Site, domain: Known, op: Operation) -> Hold:
    """Take the claim of a complete guest, from a holder that is gone if need be.

    Raises:
        Busy: somebody works on the guest and went on doing so until the deadline.
        InvalidState: its removal was begun.
    """
    records, key, record = guest_records(site), claim_key(domain.uuid), record_of(site, domain)
    while True:
        chain = records.read(key)
        if chain is None:
            hold = records.create(key, record)
            if hold is not None:
                hold.begin()
                return hold
        elif records.holder(chain) is not None:
            op.stage("wait until nobody works on the guest", CancelMode.IMMEDIATE)
            records.wait(key, op, f"guest {record.uuid}")
        else:
            refuse_removal(chain)
            hold = records.succeed(chain, record)
            if hold is not None:
                return hold


def refuse_removal(chain: Chain) -> None:
    """Refuse a guest of which a removal that was interrupted may have left a part only."""
    if chain.claim is not None and chain.claim.record.phase is Phase.DELETING:
        raise InvalidState(Lifecycle.DELETING, (Lifecycle.READY,), hint=HINTS[Lifecycle.DELETING])


def claim_volumes(site: Site, uuid: UUID) -> list[Volume]:
    """All volumes of the guest's claim, also those of one whose removal was interrupted."""
    pool = Places(site.connection(), site.pool).records_pool()
    found = [pool.find(name) for _, name in volumes_of(uuid, [pool]) if is_claim(name)]
    return [volume for volume in found if volume is not None]


def guest_records(site: Site) -> Records:
    """Where guests' claims are."""
    return Records(Places(site.connection(), site.pool).records_pool(), site.host())


def record_of(site: Site, domain: Known) -> Record:
    """What the claim says of the guest."""
    if domain.mark is None:
        return Record(uuid=domain.uuid, owner=site.owner, fingerprint="", phase=Phase.READY)
    return replace(domain.mark.record, phase=Phase.READY)

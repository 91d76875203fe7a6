"""What somebody else may be doing to a guest just now."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from uuid import UUID

from nova_virt_api.model.record import Phase, Record
from nova_virt_libvirt.claims.records import Records
from nova_virt_libvirt.metadata import Mark, erase_mark, read_mark, write_mark
from nova_virt_libvirt.names import claim_key
from nova_virt_libvirt.storage.pools import Pool

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def being_destroyed(domain: Any, owner: str) -> Iterator[None]:
    """Let a guest say for a while that its owner has begun to destroy it."""
    before = read_mark(domain)
    record = Record(
        uuid=UUID(bytes=domain.UUID()),
        owner=owner,
        fingerprint="",
        phase=Phase.DELETING,
        native_id=domain.UUIDString(),
    )
    write_mark(domain, Mark(record))
    try:
        yield
    finally:
        erase_mark(domain) if before is None else write_mark(domain, before)


@contextmanager
def being_worked_on(native: Any, pool: str, guest: UUID, owner: str) -> Iterator[None]:
    """Hold a guest's claim for a while; afterwards it is as before."""
    records = Records(Pool(native, native.storagePoolLookupByName(pool)), native.getHostname())
    record = Record(uuid=guest, owner=owner, fingerprint="", phase=Phase.READY)
    chain = records.read(claim_key(guest))
    hold = records.create(claim_key(guest), record) if chain is None else records.succeed(chain, record)
    assert hold is not None, "somebody else works on the guest"  # noqa: S101
    if chain is None:
        hold.begin()
    try:
        yield
    finally:
        hold.retract()

"""What somebody else may be doing to a guest just now."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from uuid import UUID

from nova_virt_api.model.record import Phase, Record
from nova_virt_libvirt.metadata import Mark, erase_mark, read_mark, write_mark
from nova_virt_libvirt.names import claim_key
from nova_virt_libvirt.records import Records
from nova_virt_libvirt.storage import Pool

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
    """Hold for a while the claim of a guest that has none."""
    records = Records(Pool(native, native.storagePoolLookupByName(pool)), native.getHostname())
    hold = records.create(claim_key(guest), Record(uuid=guest, owner=owner, fingerprint=""))
    assert hold is not None, "the guest has a claim"  # noqa: S101
    hold.begin()
    try:
        yield
    finally:
        hold.remove()

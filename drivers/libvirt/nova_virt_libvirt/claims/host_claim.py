"""Holding a claim on something that a host has once, e.g. its processors, for as long as it takes to choose of it."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING
from uuid import uuid5

from nova_virt_api.model.identity import NAMESPACE
from nova_virt_api.model.record import Record

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nova_virt_api.driver.operation import Operation
    from nova_virt_libvirt.claims.records import Records


@contextmanager
def alone(records: Records, key: str, owner: str, op: Operation, what: str) -> Iterator[None]:
    """Hold the claim in the block; all who use the same pool for records wait for one another.

    Args:
        records: where claims are.
        key: what it is kept under.
        owner: in whose name.
        op: the operation worked for.
        what: what it is on, for people.

    Raises:
        Busy: somebody else had it, and still had it at the deadline.
    """
    record = Record(uuid=uuid5(NAMESPACE, key), owner=owner, fingerprint=key)
    hold = records.acquire(key, record, op, what)
    try:
        yield
    finally:
        hold.remove()

"""Who works on a guest, by what its record says."""

import time
import uuid

import pytest

from nova_virt_api.model.record import Phase, Record
from nova_virt_api.toolkit.holder import this_process
from nova_virt_vmware.hold import free, held, token, worker
from nova_virt_vmware.record import GuestRecord

ELSEWHERE = "pid 7 on another (machine-1:99)"


@pytest.fixture
def record() -> GuestRecord:
    """A record that nobody holds."""
    return GuestRecord(record=Record(uuid=uuid.uuid4(), owner="me", fingerprint="f"), name="web")


def test_record_without_a_holder(record: GuestRecord) -> None:
    assert worker(None) is None
    assert worker(record) is None


def test_own_record_counts_while_the_token_does(record: GuestRecord) -> None:
    with token() as taking:
        assert worker(held(record, taking)) == this_process()
    assert worker(held(record, taking)) is None


def test_process_that_is_gone(record: GuestRecord) -> None:
    gone = this_process().replace("pid ", "pid 9999")
    assert worker(held(record, "t").changed(holder=gone)) is None


@pytest.mark.parametrize(("lease", "works"), [(60, True), (-1, False)])
def test_holder_elsewhere_counts_by_lease(record: GuestRecord, lease: int, works: bool) -> None:
    there = record.changed(holder=ELSEWHERE, lease_until=time.time() + lease)
    assert (worker(there) == ELSEWHERE) is works


def test_lease_of_who_can_give_no_sign_of_life(record: GuestRecord) -> None:
    until = held(record, "t", 3600.0).record.lease_until
    assert until is not None
    assert until > time.time() + 3600.0


def test_free_record_says_nothing_of_a_holder(record: GuestRecord) -> None:
    found = free(held(record, "t"), Phase.READY)
    assert (found.record.holder, found.record.lease_until, found.hold) == (None, None, "")
    assert found.record.phase is Phase.READY

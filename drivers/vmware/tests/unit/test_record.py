"""The record: what it keeps, and on which machine it counts."""

import json
import uuid

import pytest

from nova_virt_api.model.labels import Labels
from nova_virt_api.model.record import Phase, Record
from nova_virt_vmware.record import GuestRecord, read_claim, read_record

GUEST = uuid.uuid4()


@pytest.fixture
def record() -> GuestRecord:
    """A record with all that it can hold."""
    inner = Record(
        uuid=GUEST, owner="me", fingerprint="f", phase=Phase.DELETING, holder="pid 1 on here", lease_until=1.25
    )
    labels = Labels({"a": "<b>'&' ]]>", "b": "日本語 🚀"})
    return GuestRecord(record=inner, name="web", labels=labels, hold="token", keeps_disks=True)


def test_record_is_read_as_it_was_written(record: GuestRecord) -> None:
    text = record.encode()
    assert text.isascii()
    assert "\n" not in text
    assert GuestRecord.decode(text) == record
    assert read_record(text, GUEST) == record


def test_record_of_another_machine_is_a_copys(record: GuestRecord) -> None:
    assert read_record(record.encode(), uuid.uuid4()) is None
    assert read_record(record.encode(), None) is None


def test_claim_is_an_unfinished_guests_that_the_machine_is_named_for(record: GuestRecord) -> None:
    assert read_claim(record.encode(), str(GUEST)) == record
    assert read_claim(record.encode(), f"web ({GUEST})") is None
    assert read_claim(record.changed(phase=Phase.READY).encode(), str(GUEST)) is None
    assert read_claim(None, str(GUEST)) is None


def test_keys_of_a_later_version_are_ignored(record: GuestRecord) -> None:
    text = json.dumps(json.loads(record.encode()) | {"later": {"x": 1}})
    assert read_record(text, GUEST) == record


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "7", "{}", '{"uuid": "x", "owner": "o", "fingerprint": "f", "name": "n"}', '{"labels": 7}'],
)
def test_what_is_no_record_is_none(text: str) -> None:
    assert read_record(text, GUEST) is None


def test_record_with_impossible_labels_is_none(record: GuestRecord) -> None:
    text = json.dumps(json.loads(record.encode()) | {"labels": {"NOT A KEY": "x"}})
    assert read_record(text, GUEST) is None

"""The record survives Ironic's hiding of what looks like a password, and a copy of it is no record."""

import uuid
from dataclasses import replace

import pytest
from hypothesis import given, strategies

from nova_virt_api.model.labels import Labels
from nova_virt_api.model.record import Phase, Record
from nova_virt_ironic.hold import ACTIVE, LEASE, held, token, worker
from nova_virt_ironic.node import NodeRow
from nova_virt_ironic.record import KEY, PLAIN, GuestRecord, record_of

NODE = str(uuid.uuid4())
GUEST = uuid.uuid4()
RECORD = GuestRecord(
    record=Record(uuid=GUEST, owner="me", fingerprint="f" * 64, phase=Phase.BUILDING, native_id=NODE),
    name="web",
    labels=Labels({"password": "Token = s3cret", "role": "web"}),
)
KEYS = strategies.from_regex(r"[a-z0-9._-]{1,20}", fullmatch=True)
ROW = NodeRow(uuid=NODE, instance_uuid=GUEST, provision_state="available", instance_info={KEY: RECORD.encode()})


def test_record_is_read_back() -> None:
    """What was written is read."""
    assert record_of(ROW) == RECORD


@given(
    strategies.dictionaries(strategies.from_regex(r"[a-z0-9._-]{1,20}", fullmatch=True), strategies.text(max_size=40))
)
def test_labels_are_plain_text(labels: dict[str, str]) -> None:
    """Whatever labels say, what lies in instance_info holds nothing that could be taken for a password."""
    try:
        record = replace(RECORD, labels=Labels(labels))
    except ValueError:  # control characters are no labels
        return
    encoded = record.encode()
    assert all(PLAIN.issuperset(text) for pair in encoded.get("labels", ()) for text in pair)
    assert record_of(replace(ROW, instance_info={KEY: encoded})) == record


@pytest.mark.parametrize(
    "row",
    [
        replace(ROW, uuid=str(uuid.uuid4())),
        replace(ROW, instance_uuid=None),
        replace(ROW, instance_info={}),
        replace(ROW, instance_info={KEY: "text"}),
        replace(ROW, instance_info={KEY: {"node": NODE}}),
        replace(ROW, instance_info={KEY: {**RECORD.encode(), "phase": "unheard of"}}),
        replace(ROW, instance_info={KEY: {**RECORD.encode(), "labels": 7}}),
    ],
    ids=["copy", "no guest", "nothing", "text", "too little", "phase", "labels"],
)
def test_what_is_no_record(row: NodeRow) -> None:
    """Copies and what somebody else wrote say nothing about a guest of ours."""
    assert record_of(row) is None


def test_worker_of_this_process() -> None:
    """A token counts from before it is written until its verb ends."""
    assert worker(ROW, RECORD) is None
    with token() as taking:
        assert worker(ROW, held(RECORD, taking)) is not None
        record = held(RECORD, taking)
    assert taking not in ACTIVE
    assert worker(ROW, record) is None


def test_worker_elsewhere() -> None:
    """One that cannot be looked for counts until its lease ends, and while Ironic is at work."""
    record = RECORD.changed(holder="pid 1 on elsewhere (other:1)", lease_until=4102444800.0)
    assert worker(ROW, record) == record.record.holder
    late = record.changed(lease_until=1.0)
    assert worker(ROW, late) is None
    deploying = replace(ROW, provision_state="deploying", target_provision_state="active")
    assert worker(deploying, late) == record.record.holder
    ancient = replace(ROW, provision_state="active", provision_updated_at="2020-01-01T00:00:00+00:00")
    assert worker(ancient, late) is None
    assert LEASE > 0

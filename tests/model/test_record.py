"""Records and fingerprints."""

from typing import Any
from uuid import uuid4

import pytest
from hypothesis import given, strategies as st

from nova_virt_api import (
    Checksum,
    CloudInit,
    Disk,
    GiB,
    InstanceSpec,
    InvalidSpec,
    Labels,
    MiB,
    Native,
    Nic,
    Secret,
    Url,
    stable_uuid,
)
from nova_virt_api.model.record import Phase, Record, fingerprint, plain

SPEC = InstanceSpec(uuid=stable_uuid("web"), name="web", memory_bytes=MiB(512))


def changed(**changes: object) -> InstanceSpec:
    from dataclasses import replace

    return replace(SPEC, **changes)  # type: ignore[arg-type]


def test_record_survives_being_stored() -> None:
    record = Record(
        uuid=uuid4(), owner="me", fingerprint="f", phase=Phase.READY, native_id="n", holder="h", lease_until=1.5
    )
    assert Record.decode(record.encode()) == record


def test_record_of_a_later_version_can_be_read() -> None:
    record = Record(uuid=uuid4(), owner="me", fingerprint="f")
    assert Record.decode(record.encode().replace("{", '{"later": [1], ', 1)) == record


@pytest.mark.parametrize("text", ["", "{}", "[]", "null", '{"uuid": "x", "owner": "me", "fingerprint": "f"}', "\x00"])
def test_what_is_no_record_is_refused(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  # whatever the reason
        Record.decode(text)


def test_fingerprint_tells_requests_apart_and_nothing_else() -> None:
    disks = (Disk(source=Native("debian"), size_bytes=GiB(1)),)
    variants = [
        SPEC,
        changed(vcpus=2),
        changed(name="web2"),
        changed(disks=disks),
        changed(nics=(Nic(),)),
        changed(labels={"a": "b"}),
        changed(cloud_init=CloudInit(user_data="x")),
        changed(power_on=False),
    ]
    assert len({fingerprint(variant) for variant in variants}) == len(variants)
    assert fingerprint(changed(disks=list(disks))) == fingerprint(changed(disks=disks))
    assert fingerprint(changed(labels={"a": "1", "b": "2"})) == fingerprint(changed(labels={"b": "2", "a": "1"}))


def test_fingerprint_of_a_request_stays_the_same_for_ever() -> None:
    """Guests in the field carry it: a change here makes every one of them look like another guest's."""
    assert fingerprint(SPEC) == "d832fa8c883d4e9c3c779e49c165f06af6562a936738e9d48ddb0794896155d0"


def test_signed_url_may_change_while_the_checksum_does_not() -> None:
    checksum = Checksum(digest="0" * 64)
    urls = [Url(f"https://example.org/debian.qcow2?signature={n}", checksum=checksum) for n in range(2)]
    first, second = (changed(disks=(Disk(source=url),)) for url in urls)
    assert fingerprint(first) == fingerprint(second)


def test_defaults_are_left_out_so_that_new_fields_change_nothing() -> None:
    assert set(plain(SPEC)) == {"type", "uuid", "name", "memory_bytes"}


def test_secret_is_seen_nowhere() -> None:
    secret = Secret("hunter2")
    texts = [repr(secret), str(secret), f"{secret}", f"{secret!r}", repr(plain([secret])), "%s" % secret]  # noqa: UP031
    assert not any("hunter2" in text for text in texts)
    assert secret.reveal() == "hunter2"
    assert secret == Secret("hunter2")
    assert secret != Secret("other")
    with pytest.raises(TypeError):
        secret.__reduce__()


@pytest.mark.parametrize("text", ["hunter2\udc80", b"hunter2", None])
def test_what_cannot_be_written_down_is_no_secret(text: Any) -> None:
    with pytest.raises(InvalidSpec) as refused:
        Secret(text)
    assert "hunter2" not in f"{refused.value!r} {refused.value}"


@given(
    st.dictionaries(
        st.from_regex(r"[a-z0-9._-]{1,63}", fullmatch=True), st.text("abc ä<>'\"", max_size=255), max_size=64
    )
)
def test_labels_are_a_mapping_that_compares_and_hashes_by_content(pairs: dict[str, str]) -> None:
    labels = Labels(pairs)
    assert dict(labels) == pairs
    assert labels == pairs
    assert labels == Labels(dict(reversed(list(pairs.items()))))
    assert hash(labels) == hash(Labels(pairs))

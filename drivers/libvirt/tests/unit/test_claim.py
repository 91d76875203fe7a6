"""What claims say and how they follow one another."""

import uuid
from typing import Any
from unittest.mock import Mock

import pytest

from nova_virt_api.model.record import Phase, Record
from nova_virt_libvirt.claims.claim import SIZE, Chain, Claim, Link

RECORD = Record(uuid=uuid.UUID(int=1), owner="o", fingerprint="f", phase=Phase.BUILDING, holder="h", lease_until=1.5)


def link(name: str, token: str | None) -> Link:
    volume = Mock()
    volume.name = name
    return Link(volume, None if token is None else Claim(record=RECORD, token=token, host="here"))


def test_is_read_back_as_it_was_written() -> None:
    claim = Claim(record=RECORD, token="t", host="here", keeps_disks=True)
    assert Claim.decode(claim.encode()) == claim
    assert len(claim.encode()) == SIZE


def test_longest_owner_fits() -> None:
    record = Record(uuid=uuid.UUID(int=1), owner="\U0001f600" * 255, fingerprint="f" * 64, holder="h" * 300)
    assert len(Claim(record=record, token="t" * 16, host="h" * 36).encode()) == SIZE


@pytest.mark.parametrize("content", [b"", b"\0" * SIZE, b"{}", b'{"uuid": ', b"[]", b"\xff\xfe", b'{"token": "t"}'])
def test_unwritten_or_torn_is_nothing(content: bytes) -> None:
    assert Claim.decode(content) is None


def test_successor_is_named_after_the_token() -> None:
    assert link("key.claim", "abc").successor("key") == "key.claim.abc"
    assert link("key.claim.abc", "def").successor("key") == "key.claim.def"
    assert link("key.claim", None).successor("key") == "key.claim.next"
    assert link("key.claim.abc", None).successor("key") == "key.claim.abc.next"


def test_same_name_in_another_life_is_another() -> None:
    assert link("key.claim", "abc").identity != link("key.claim", "def").identity
    assert link("key.claim", "abc").identity == link("key.claim", "abc").identity


@pytest.mark.parametrize(("tokens", "says"), [(["a", "b"], "b"), (["a", None], "a"), ([None, None], None)])
def test_chain_says_what_was_written_last(tokens: list[Any], says: str | None) -> None:
    chain = Chain("key", tuple(link(f"v{number}", token) for number, token in enumerate(tokens)))
    assert (chain.claim.token if chain.claim else None) == says
    assert chain.head is chain.links[0]
    assert chain.newest is chain.links[-1]

"""The table of rows and the contract say the same."""

from __future__ import annotations

from collections import Counter

import pytest

from nova_virt_api.capability import Capability, Feature
from nova_virt_conformance.matrix.rows import ROWS, groups
from nova_virt_conformance.promise import Promise


def test_every_promise_role_and_feature_has_exactly_one_row_and_no_row_is_stale() -> None:
    assert Counter(row.subject for row in ROWS) == Counter((*Promise, *Capability, *Feature))


def test_the_keys_that_reports_use_tell_all_rows_apart() -> None:
    assert len({row.key for row in ROWS}) == len(ROWS)
    assert len({row.title for row in ROWS}) == len(ROWS)


def test_rows_of_a_group_stand_together() -> None:
    names = [name for name, _ in groups()]
    assert len(set(names)) == len(names)
    assert sum(len(rows) for _, rows in groups()) == len(ROWS)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.key)
def test_a_row_is_said_in_one_short_sentence(row: object) -> None:
    sentence = getattr(row, "sentence")  # noqa: B009
    assert sentence.endswith(".")
    assert sentence[0].isupper()
    assert len(sentence) <= 110

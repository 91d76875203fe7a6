"""The page names every extra spec and image property that Nova knows, and says what becomes of it."""

import re
from collections.abc import Mapping
from typing import Any

import pytest
from nova.api.validation.extra_specs import validators
from nova.objects.image_meta import ImageMetaProps

from nova_virt_bridge.words import EXTRA_SPECS, IMAGE_PROPERTIES, NAMESPACES, Word

NAMED = re.compile(r"`([^`]+)`")
SCHEDULERS = {"capabilities", "aggregate_instance_extra_specs", "resources{group}", "trait{group}"}
"""Prefixes of what only the scheduler looks at."""


def told(page: Any, first: str) -> dict[str, str]:
    """What the table with this first column says of each name."""
    rows = page.rows(first, "Status", "What becomes of them")
    pairs = [(name, row["Status"]) for row in rows for name in NAMED.findall(row[first])]
    assert len(pairs) == len(dict(pairs)), "a name twice"
    return dict(pairs)


@pytest.mark.parametrize(
    ("first", "words"),
    [("Extra specs", EXTRA_SPECS), ("Image properties", IMAGE_PROPERTIES)],
    ids=["flavors", "images"],
)
def test_the_page_says_what_becomes_of_each(page: Any, first: str, words: Mapping[str, Word]) -> None:
    assert told(page, first) == {name: word.status.value for name, word in words.items()}


def test_no_extra_spec_of_novas_is_left_out() -> None:
    validators.load_validators()
    known = {validator.name for validator in validators.VALIDATORS.values()}
    ours = {name for name in known if name.partition(":")[0] not in SCHEDULERS}
    assert ours <= set(EXTRA_SPECS)
    assert {name.partition(":")[0] for name in ours if ":" in name} == NAMESPACES


def test_no_property_of_novas_is_left_out() -> None:
    assert set(IMAGE_PROPERTIES) == set(ImageMetaProps.fields)

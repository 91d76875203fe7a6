"""Sizes and identities made of what people type."""

from typing import Any

import pytest

import nova_virt_api as virt
from nova_virt_api import GiB, KiB, MiB


def test_units() -> None:
    assert (KiB(1), MiB(1.5), GiB(2)) == (1024, 1572864, 2147483648)


@pytest.mark.parametrize("wrong", ["2", None, True, float("nan"), float("inf")])
@pytest.mark.parametrize("unit", [KiB, MiB, GiB])
def test_what_is_no_number_is_refused_and_not_multiplied(unit: Any, wrong: Any) -> None:
    with pytest.raises(virt.InvalidSpec, match=r"count: got .*, allowed is a number, e\.g\. "):
        unit(wrong)


@pytest.mark.parametrize("wrong", [3, None, b"web"])
def test_a_stable_uuid_is_made_of_text(wrong: Any) -> None:
    with pytest.raises(virt.InvalidSpec, match=r'text: got .*, allowed is a text, e\.g\. stable_uuid\("web"\)'):
        virt.stable_uuid(wrong)


def test_a_path_is_no_image_source_and_the_error_says_what_is() -> None:
    with pytest.raises(virt.InvalidSpec, match=r'source: got .* e\.g\. LocalFile\("debian-13\.qcow2"\), or Blank'):
        virt.Disk(source="web.qcow2")  # type: ignore[arg-type]

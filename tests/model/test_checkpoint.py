"""What a checkpoint can be called, and what is known of it."""

from typing import Any

import pytest

import nova_virt_api as virt
from nova_virt_api.model.checkpoint import check_checkpoint_name, check_description

GOOD: dict[str, Any] = {
    "name": "before",
    "native_id": "1",
    "created_at": 1.5,
    "power_state": virt.PowerState.RUNNING,
}


def test_what_is_left_out() -> None:
    info = virt.CheckpointInfo(**GOOD)
    assert (info.description, info.has_memory, info.parent, info.is_current) == ("", False, None, False)


@pytest.mark.parametrize(
    ("field", "value"),
    [("name", ""), ("name", "x" * 81), ("description", "two\nlines"), ("created_at", -1), ("created_at", "now")],
)
def test_what_cannot_be_is_refused(field: str, value: object) -> None:
    with pytest.raises(virt.InvalidSpec) as caught:
        virt.CheckpointInfo(**{**GOOD, field: value})
    assert caught.value.field == field


@pytest.mark.parametrize("name", ["x", "x" * 80, "before: the <upgrade> & 'more' \"ü\"", " "])
def test_names_are_free(name: str) -> None:
    check_checkpoint_name(name)
    check_description(name)


def test_nothing_need_be_said() -> None:
    check_description("")
    with pytest.raises(virt.InvalidSpec, match="255"):
        check_description("x" * 256)

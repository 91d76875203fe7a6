"""Checks that the model's invariants are written with."""

import re
from collections.abc import Iterable, Sequence
from typing import Any, Final, TypeVar

from nova_virt_api.errors import InvalidSpec

T = TypeVar("T")

CONTROL_CHARACTERS: Final = re.compile(r"[\x00-\x1f\x7f\u0085\u2028\u2029]")


def check(condition: bool, field: str, value: object, allowed: str) -> None:
    """Raise :class:`InvalidSpec` naming the field, what came and what is allowed, unless the condition holds."""
    if not condition:
        raise InvalidSpec(field, value, allowed)


def check_type(field: str, value: object, kind: type | tuple[type, ...], allowed: str) -> None:
    """Refuse a value of a wrong type; a bool is not taken for a number."""
    kinds = kind if isinstance(kind, tuple) else (kind,)
    check(isinstance(value, kinds) and not (isinstance(value, bool) and bool not in kinds), field, value, allowed)


def check_integer(field: str, value: object, lowest: int, highest: int, unit: str) -> None:
    """Refuse what is not a whole number within the bounds, both included."""
    allowed = f"a whole number of {unit} from {lowest} to {highest}"
    check_type(field, value, int, allowed)
    assert isinstance(value, int)
    check(lowest <= value <= highest, field, value, allowed)


def check_seconds(field: str, value: object) -> None:
    """Refuse what is not a time in seconds."""
    allowed = "0 or more seconds"
    check_type(field, value, (int, float), allowed)
    assert isinstance(value, int | float)
    check(value >= 0, field, value, allowed)  # which NaN is not


def check_text(field: str, value: object, longest: int, *, shortest: int = 1) -> None:
    """Refuse what is not text of that many characters without control characters."""
    allowed = f"text of {shortest} to {longest} characters, none of them a control character"
    check(isinstance(value, str), field, value, allowed)
    assert isinstance(value, str)
    fits = shortest <= len(value) <= longest
    check(fits and is_unicode(value) and not CONTROL_CHARACTERS.search(value), field, value, allowed)


def is_unicode(text: str) -> bool:
    """Whether a text can be written down: half of a surrogate pair cannot."""
    return text.encode("utf-8", "surrogatepass") == text.encode("utf-8", "replace")


def frozen_tuple(instance: object, field: str, kind: type[Any] | tuple[type[Any], ...], what: str) -> tuple[Any, ...]:
    """Replace a frozen dataclass's sequence by a tuple after checking every member's type; return it."""
    value = getattr(instance, field)
    check(isinstance(value, Sequence) and not isinstance(value, str | bytes), field, value, f"a sequence of {what}")
    for index, member in enumerate(value):
        check_type(f"{field}[{index}]", member, kind, what)
    members = tuple(value)
    object.__setattr__(instance, field, members)
    return members


def duplicates(values: Iterable[T]) -> list[T]:
    """The values that occur more than once, in order of their second occurrence."""
    seen: list[T] = []
    twice: list[T] = []
    for value in values:
        (twice if value in seen else seen).append(value)
    return twice

"""Labels: a guest's small, frozen, user-chosen mapping of text to text."""

import re
from collections.abc import Iterator, Mapping
from typing import Final

from nova_virt_api.model.check import check, check_text

MAXIMUM: Final = 64
KEY: Final = re.compile(r"[a-z0-9._-]{1,63}")
VALUE_LENGTH: Final = 255


class Labels(Mapping[str, str]):
    """At most 64 pairs; keys of 1 to 63 characters out of ``[a-z0-9._-]``, values of at most 255 characters."""

    __slots__ = ("_pairs",)

    def __init__(self, pairs: Mapping[str, str] | None = None) -> None:
        pairs = {} if pairs is None else pairs
        check(isinstance(pairs, Mapping), "labels", pairs, "a mapping of text to text")
        check(len(pairs) <= MAXIMUM, "labels", f"{len(pairs)} pairs", f"at most {MAXIMUM} pairs")
        for key, value in pairs.items():
            good = isinstance(key, str) and KEY.fullmatch(key) is not None
            check(good, "labels", key, "keys of 1 to 63 characters out of [a-z0-9._-]")
            check_text(f"labels[{key}]", value, VALUE_LENGTH, shortest=0)
        self._pairs = dict(sorted(pairs.items()))

    def __getitem__(self, key: str) -> str:
        return self._pairs[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._pairs)

    def __len__(self) -> int:
        return len(self._pairs)

    def __hash__(self) -> int:
        return hash(tuple(self._pairs.items()))

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Labels):
            return self._pairs == other._pairs
        return isinstance(other, Mapping) and self._pairs == dict(other)

    def __repr__(self) -> str:
        return f"Labels({self._pairs!r})"

    def __reduce__(self) -> tuple[type["Labels"], tuple[dict[str, str]]]:
        return Labels, (self._pairs,)


NO_LABELS: Final = Labels()

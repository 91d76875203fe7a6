"""A value that must not be seen: it prints as stars and is taken out by one explicit call."""

import hmac
from typing import NoReturn

from nova_virt_api.model.check import check, is_unicode


class Secret:
    """Text such as a password or a ticket. Never printed, formatted, pickled or put into a fingerprint.

    Raises:
        InvalidSpec: it is no text, or has half of a surrogate pair, as undecodable bytes become in Python.
    """

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        good = isinstance(text, str) and is_unicode(text)
        check(good, "secret", "something else", "text of whole Unicode characters, no half of a surrogate pair")
        self._text = text

    def reveal(self) -> str:
        """The text itself; keep it out of logs, errors and command lines."""
        return self._text

    def __repr__(self) -> str:
        return "Secret(***)"

    def __str__(self) -> str:
        return "***"

    def __format__(self, spec: str) -> str:
        return "***"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and hmac.compare_digest(self._text.encode(), other._text.encode())

    def __hash__(self) -> int:
        return hash((Secret, self._text))

    def __bool__(self) -> bool:
        return bool(self._text)

    def __reduce__(self) -> NoReturn:
        raise TypeError("a secret is not pickled")

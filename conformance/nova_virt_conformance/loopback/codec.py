"""Values of the contract as text and back, so that nothing but text passes between a driver and its user.

JSON. What JSON has no word for is an object with two members: ``type`` names it, ``value`` has it. Only types that the
contract knows, and the driver's own extras, are written or read; everything else is refused.
"""

from __future__ import annotations

import enum
import json
import math
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterable, Mapping
from dataclasses import fields, is_dataclass
from ipaddress import IPv4Address, IPv4Interface, IPv6Address, IPv6Interface
from types import MappingProxyType
from typing import Any, Final, get_args, get_type_hints
from uuid import UUID

from nova_virt_api.errors import VirtError, restored, shorten
from nova_virt_api.model.labels import Labels
from nova_virt_api.model.secret import Secret
from nova_virt_conformance.loopback.catalogue import CROSSING, ERRORS

PLAIN: Final = (type(None), bool, int, str)

TEXTS: Final[dict[type, tuple[Callable[[Any], str], Callable[[str], Any]]]] = {
    UUID: (str, UUID),
    IPv4Address: (str, IPv4Address),
    IPv6Address: (str, IPv6Address),
    IPv4Interface: (str, IPv4Interface),
    IPv6Interface: (str, IPv6Interface),
    bytes: (lambda data: b64encode(data).decode(), lambda text: b64decode(text, validate=True)),
    float: (str, float),  # those that JSON has no number for
    Secret: (Secret.reveal, Secret),
}
"""Types that are written as one text."""

NAMES_OF_TEXTS: Final = {kind.__name__: kind for kind in TEXTS}
PRIVATE: Final = frozenset({"__notes__"})
"""What stays with the process in which an error was raised, as its cause does."""


class CannotCrossError(TypeError):
    """Something is not of the contract, and could not be sent to another process.

    Args:
        where: what it is a part of.
        what: what it is.
    """

    def __init__(self, where: str, what: str) -> None:
        super().__init__(f"{where}: {what} does not cross the contract")


class Codec:
    """Writes and reads values of the contract.

    Args:
        extras: the driver's own types, see ``Driver.extras``.
    """

    def __init__(self, extras: Iterable[type] = ()) -> None:
        self._kinds = CROSSING | {kind.__name__: kind for kind in extras}
        self._names = {kind: name for name, kind in self._kinds.items()}

    def encode(self, value: object, what: str = "the value") -> str:
        """A value as text.

        Args:
            value: the value; a sequence comes back as a tuple, an error as one of the contract's own classes.
            what: what to call it in an error.

        Raises:
            CannotCrossError: it, or something in it, is not of the contract.
        """
        return json.dumps(self._written(value, what), allow_nan=False)

    def decode(self, text: str) -> Any:
        """The value that a text stands for.

        Raises:
            CannotCrossError: the text is none of :meth:`encode`.
        """
        try:
            return self._read(json.loads(text))
        except (KeyError, ValueError, TypeError) as error:
            raise CannotCrossError("the text", f"what it says ({error})") from error

    def knows(self, kind: Any) -> bool:
        """Whether all values of a type, as it is annotated, can be written."""
        if kind in (Ellipsis, *PLAIN, *TEXTS, Labels):
            return True
        parts = get_args(kind)
        if parts:
            return all(map(self.knows, parts))
        if kind not in self._names:
            return False
        if issubclass(kind, enum.Enum):
            return True
        frozen: bool = kind.__dataclass_params__.frozen
        return frozen and all(self.knows(hint) for hint in get_type_hints(kind).values())

    # --- writing --------------------------------------------------------------------------------------------------

    def _written(self, value: Any, where: str) -> Any:
        kind = type(value)
        if kind in PLAIN or (kind is float and math.isfinite(value)):
            return value
        if kind in (tuple, list):
            return [self._written(member, f"{where}[{index}]") for index, member in enumerate(value)]
        if kind in TEXTS:
            return tagged(kind.__name__, TEXTS[kind][0](value))
        if kind in self._names:
            return tagged(self._names[kind], self._content(value, where))
        if kind is Labels:
            return tagged("Labels", dict(value))
        if kind is frozenset:
            return tagged("frozenset", sorted((self._written(member, where) for member in value), key=json.dumps))
        if kind in (dict, MappingProxyType):
            pairs = [[self._written(key, where), self._written(of, f"{where}[{key}]")] for key, of in value.items()]
            return tagged("mapping", pairs)
        if isinstance(value, VirtError):
            return tagged("error", self._failure(value, where))
        raise CannotCrossError(where, f"{shorten(value)} of type {kind.__module__}.{kind.__qualname__}")

    def _content(self, value: Any, where: str) -> Any:
        if isinstance(value, enum.Enum):
            return value.name
        return {
            field.name: self._written(getattr(value, field.name), f"{where}.{field.name}") for field in fields(value)
        }

    def _failure(self, error: VirtError, where: str) -> dict[str, Any]:
        attributes = {}
        for name, value in vars(error).items():
            if name in PRIVATE:
                continue
            try:
                attributes[name] = self._written(value, f"{where}.{name}")
            except CannotCrossError:
                if type(error) is contracts_class(error) and name != "value":
                    raise
                attributes[name] = shorten(value)  # what came may be anything; a driver's own attribute too
        return {"code": contracts_class(error).code, "args": list(map(str, error.args)), "attributes": attributes}

    # --- reading --------------------------------------------------------------------------------------------------

    def _read(self, plain: Any) -> Any:
        if isinstance(plain, list):
            return tuple(self._read(member) for member in plain)
        if not isinstance(plain, dict):
            return plain
        name, content = plain["type"], plain["value"]
        match name:
            case "Labels":
                return Labels(content)
            case "frozenset":
                return frozenset(self._read(member) for member in content)
            case "mapping":
                return {self._read(key): self._read(value) for key, value in content}
            case "error":
                attributes = {key: self._read(value) for key, value in content["attributes"].items()}
                return restored(ERRORS[content["code"]], tuple(content["args"]), attributes)
        if name in NAMES_OF_TEXTS:
            return TEXTS[NAMES_OF_TEXTS[name]][1](content)
        return self._made(self._kinds[name], content)

    def _made(self, kind: type, content: Any) -> Any:
        if issubclass(kind, enum.Enum):
            return kind[content]
        if is_dataclass(kind):
            return kind(**{name: self._read(value) for name, value in content.items()})
        raise TypeError(f"{kind.__name__} is neither an enum nor a dataclass")


def tagged(name: str, content: Any) -> dict[str, Any]:
    """What JSON has no word for."""
    return {"type": name, "value": content}


def contracts_class(error: VirtError) -> type[VirtError]:
    """The class of the contract that a driver's own subclass of it stands for."""
    return next(kind for kind in type(error).__mro__ if kind in ERRORS.values())


def same(value: object, copy: object) -> bool:
    """Whether a decoded copy is equal to what was encoded."""
    if isinstance(value, list):
        value = tuple(value)
    if isinstance(value, tuple) and isinstance(copy, tuple):
        return len(value) == len(copy) and all(map(same, value, copy))
    if isinstance(value, VirtError) and isinstance(copy, VirtError):
        return type(copy) is contracts_class(value) and copy.public_message == value.public_message
    if isinstance(value, Mapping) and isinstance(copy, Mapping):
        return value.keys() == copy.keys() and all(same(value[key], copy[key]) for key in value)
    if isinstance(value, float) and isinstance(copy, float) and math.isnan(value):
        return math.isnan(copy)
    return type(value) is type(copy) and value == copy

"""The kinds of value that a spec file holds. Each reads plain data and describes itself in JSON Schema."""

from __future__ import annotations

import enum
import inspect
import re
from abc import ABC, abstractmethod
from dataclasses import MISSING, fields
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from nova_virt_api.errors import InvalidSpec
from nova_virt_api.specfile.said import Said
from nova_virt_api.specfile.size import ALLOWED as SIZE_ALLOWED, PATTERN as SIZE_PATTERN, parse_size

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

ARGUMENT: Final = re.compile(r"^    (\w+): (.*(?:\n {8,}.+)*)", re.MULTILINE)


class Kind(ABC):
    """One kind of value."""

    @abstractmethod
    def read(self, value: Any, path: str, folder: Path) -> Any:
        """The model's value for plain data.

        Args:
            value: the plain data.
            path: of the field, for errors.
            folder: what relative paths are relative to.

        Raises:
            InvalidSpec: names the field, what came and what is allowed.
        """

    @abstractmethod
    def schema(self) -> dict[str, Any]:
        """The kind in JSON Schema."""


class Text(Kind):
    """Text; what else it has to be, the model checks.

    Args:
        constraints: keywords of JSON Schema.
    """

    def __init__(self, **constraints: Any) -> None:
        self.constraints = constraints

    def read(self, value: Any, path: str, folder: Path) -> Any:
        if not isinstance(value, str):
            hint = "" if value is None else "put it in quotes"
            raise InvalidSpec(path, value, "text", hint=hint)
        return value

    def schema(self) -> dict[str, Any]:
        return {"type": "string", **self.constraints}


class FilePath(Text):
    """Path of a file on the client's machine; a relative one is relative to the spec file."""

    def read(self, value: Any, path: str, folder: Path) -> str:
        return str(folder / super().read(value, path, folder))


class Integer(Kind):
    """A whole number.

    Args:
        lowest: the smallest that the model takes.
        highest: the largest.
    """

    def __init__(self, lowest: int, highest: int) -> None:
        self.lowest, self.highest = lowest, highest

    def read(self, value: Any, path: str, folder: Path) -> Any:
        return value

    def schema(self) -> dict[str, Any]:
        return {"type": "integer", "minimum": self.lowest, "maximum": self.highest}


class Flag(Kind):
    """True or false; the model checks it."""

    def read(self, value: Any, path: str, folder: Path) -> Any:
        return value

    def schema(self) -> dict[str, Any]:
        return {"type": "boolean"}


class Size(Kind):
    """Bytes, as a number or as people write sizes."""

    def read(self, value: Any, path: str, folder: Path) -> int:
        return parse_size(path, value)

    def schema(self) -> dict[str, Any]:
        return {
            "description": SIZE_ALLOWED,
            "anyOf": [{"type": "integer", "minimum": 1}, {"type": "string", "pattern": f"^{SIZE_PATTERN}$"}],
        }


class Uuid(Kind):
    """A uuid."""

    def read(self, value: Any, path: str, folder: Path) -> UUID:
        try:
            return UUID(value)
        except (ValueError, AttributeError, TypeError):
            allowed = "a uuid such as 6ba7b810-9dad-41d1-80b4-00c04fd430c8"
            raise InvalidSpec(path, value, allowed) from None

    def schema(self) -> dict[str, Any]:
        return {"type": "string", "format": "uuid"}


class Choice(Kind):
    """One of an enumeration's values.

    Args:
        members: the enumeration.
    """

    def __init__(self, members: type[enum.Enum]) -> None:
        self.members = members

    def read(self, value: Any, path: str, folder: Path) -> enum.Enum:
        for member in self.members:
            if member.value == value:
                return member
        raise InvalidSpec(path, value, f"one of: {', '.join(member.value for member in self.members)}")

    def schema(self) -> dict[str, Any]:
        return {"enum": [member.value for member in self.members]}


class List(Kind):
    """A list.

    Args:
        member: what is in it.
    """

    def __init__(self, member: Kind) -> None:
        self.member = member

    def read(self, value: Any, path: str, folder: Path) -> list[Any]:
        if not isinstance(value, list | tuple):
            raise InvalidSpec(path, value, "a list")
        return [self.member.read(member, f"{path}[{index}]", folder) for index, member in enumerate(value)]

    def schema(self) -> dict[str, Any]:
        return {"type": "array", "items": self.member.schema()}


class Pairs(Kind):
    """A mapping of text to text whose keys are the user's own; the model checks them."""

    def read(self, value: Any, path: str, folder: Path) -> dict[str, str]:
        if not isinstance(value, dict):
            raise InvalidSpec(path, value, "a mapping of text to text")
        return {key: Text().read(member, f"{path}.{key}", folder) for key, member in value.items()}

    def schema(self) -> dict[str, Any]:
        return {"type": "object", "additionalProperties": {"type": "string"}}


class Fields(Kind):
    """A mapping whose keys are the fields of a frozen dataclass. A field that is null counts as not given.

    Args:
        model: the dataclass.
        optional: fields that may be left out although the model wants them.
        kinds: each field's kind.
    """

    def __init__(self, model: type, kinds: Mapping[str, Kind], optional: frozenset[str] = frozenset()) -> None:
        self.model = model
        self.kinds = kinds
        self.optional = optional

    def read(self, value: Any, path: str, folder: Path) -> Any:
        return self.built(self.values(value, path, folder), path)

    def values(self, value: Any, path: str, folder: Path) -> dict[str, Any]:
        """The values of the fields that are given."""
        if not isinstance(value, dict):
            raise InvalidSpec(path or "spec", value, f"a mapping of: {', '.join(self.kinds)}")
        for key in value:
            if key not in self.kinds:
                raise unknown(inside(path, key), key, self.kinds)
        for key in self.required():
            if value.get(key) is None:
                raise InvalidSpec(inside(path, key), Said("nothing"), "a value, it must be given")
        given = {key: member for key, member in value.items() if member is not None}
        return {key: self.kinds[key].read(member, inside(path, key), folder) for key, member in given.items()}

    def built(self, values: dict[str, Any], path: str) -> Any:
        """The model's object; its own errors name the field with the path that it has in the file."""
        try:
            return self.model(**values)
        except InvalidSpec as error:
            raise error.under(path) if path else error from None

    def required(self) -> list[str]:
        """The fields that must be given."""
        wanted = [f.name for f in fields(self.model) if f.default is MISSING and f.default_factory is MISSING]
        return [name for name in wanted if name in self.kinds and name not in self.optional]

    def schema(self) -> dict[str, Any]:
        said = descriptions(self.model)
        properties = {}
        for name, kind in self.kinds.items():
            schema = kind.schema()
            text = [part for part in (said.get(name, ""), schema.pop("description", "")) if part]
            properties[name] = {"description": " ".join(text), **schema} if text else schema
        required = self.required()
        return {
            "type": "object",
            "properties": properties,
            **({"required": required} if required else {}),
            "additionalProperties": False,
        }


def unknown(path: str, key: str, known: Mapping[str, Kind]) -> InvalidSpec:
    """The error for a field that is not there."""
    spellings = {name.partition("_")[0]: name for name in known} | {name: name for name in known}
    close = get_close_matches(key, spellings, n=1)
    hint = f"did you mean {spellings[close[0]]!r}?" if close else ""
    return InvalidSpec(path[:200], Said("an unknown field"), f"one of: {', '.join(known)}", hint=hint)


def inside(path: str, key: str) -> str:
    """The path of a field inside another one."""
    return f"{path}.{key}" if path else key


def descriptions(model: type) -> dict[str, str]:
    """What a dataclass's docstring says about its fields."""
    text = (inspect.getdoc(model) or "").partition("Args:\n")[2]
    return {name: " ".join(said.replace("``", "").split()) for name, said in ARGUMENT.findall(text)}

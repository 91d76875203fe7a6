"""A YAML file as plain data that remembers where each value came from, so that an error can say where to look."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import yaml

from nova_virt_api.errors import InvalidSpec
from nova_virt_api.specfile.said import Said

LARGEST: Final = 4 * 1024**2
"""Bytes of a spec file; user data alone may have one mebibyte."""

DEEPEST: Final = 20
LOADER: Final[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
LAST_STEP: Final = re.compile(r"(\.[^.\[]+|\[[^\]]*\])$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """What was asked for, as plain data.

    Args:
        data: the fields.
        folder: what relative paths in it are relative to.
        origins: for paths such as ``disks[0].size_bytes``: the place they came from, as it is told to people. One that
            begins with ``-`` is a command's option and takes the field's place in an error.
    """

    data: Mapping[str, Any]
    folder: Path = field(default_factory=Path)
    origins: Mapping[str, str] = field(default_factory=dict)

    def placed(self, error: InvalidSpec) -> InvalidSpec:
        """The error with the place that the field, or what it lies in, came from."""
        origin = self.origin(error.field)
        if origin.startswith("-") or origin.isupper():
            given = self.data.get(error.field)  # '900T' rather than the number of bytes that was made of it
            return InvalidSpec(origin, given if isinstance(given, str) else error.value, error.allowed, hint=error.hint)
        hint = "; ".join(part for part in (error.hint, origin and f"see {origin}") if part)
        return InvalidSpec(error.field, error.value, error.allowed, hint=hint)

    def origin(self, path: str) -> str:
        """Where a field, or the innermost known thing around it, came from; empty if that is not known."""
        while path not in self.origins:
            path, steps = LAST_STEP.subn("", path)
            if not steps:
                return self.origins.get("", "")
        return self.origins[path]

    def changed(self, data: Mapping[str, Any], origins: Mapping[str, str]) -> Document:
        """A document with other data, whose origins win over those of this one."""
        return replace(self, data=data, origins={**self.origins, **origins})


def read_document(path: str) -> Document:
    """Read a YAML file; ``-`` reads standard input.

    Raises:
        InvalidSpec: it cannot be read, is not YAML, or is not a mapping of plain values.
    """
    if path == "-":
        return parse_document(sys.stdin.read(LARGEST + 1), "standard input", Path())
    return parse_document(read_text("spec file", Path(path), LARGEST), path, Path(path).parent)


def read_text(name: str, path: Path, largest: int) -> str:
    """A file's text.

    Raises:
        InvalidSpec: it cannot be read, is too long, or is not UTF-8; ``name`` is its field.
    """
    try:
        with path.open("rb") as stream:
            content = stream.read(largest + 1)
        text = content.decode()
    except OSError as error:
        raise InvalidSpec(name, str(path), f"a file that can be read ({error.strerror})") from error
    except UnicodeDecodeError as error:
        raise InvalidSpec(name, str(path), "a file of UTF-8 text") from error
    if len(content) > largest:
        raise InvalidSpec(name, str(path), f"a file of at most {largest} bytes")
    return text


def parse_document(text: str, name: str, folder: Path) -> Document:
    """A document out of YAML.

    Args:
        text: the YAML.
        name: the file's name, for errors.
        folder: what relative paths are relative to.

    Raises:
        InvalidSpec: it is not one YAML document that is a mapping of plain values.
    """
    if len(text) > LARGEST:
        raise InvalidSpec(name, Said("a longer text"), f"at most {LARGEST} characters")
    try:
        root = yaml.compose(text, Loader=LOADER)
    except yaml.YAMLError as error:
        raise InvalidSpec(name, Said(problem_of(error)), "one document of valid YAML") from error
    if not isinstance(root, yaml.MappingNode):
        raise InvalidSpec(name, Said("nothing" if root is None else "something else"), "a mapping of a guest's fields")
    reader = NodeReader(name)
    return Document(data=reader.plain(root, ""), folder=folder, origins=reader.origins)


def problem_of(error: yaml.YAMLError) -> str:
    """What is wrong and in which line, without the text around it."""
    mark = getattr(error, "problem_mark", None)
    where = f"line {mark.line + 1}: " if mark is not None else ""
    return where + str(getattr(error, "problem", None) or "characters that YAML does not allow")


class NodeReader:
    """Turns YAML's nodes into plain data and writes down the line of each.

    Args:
        name: the file's name.
    """

    def __init__(self, name: str) -> None:
        self.origins: dict[str, str] = {}
        self._name = name
        self._seen: set[int] = set()

    def plain(self, node: yaml.Node, path: str, depth: int = 0) -> Any:
        """A node's value."""
        self.origins[path] = self.place(node)
        if depth > DEEPEST:
            raise self.refused(path, Said("too deep a structure"), f"at most {DEEPEST} levels")
        if isinstance(node, yaml.MappingNode):
            self.once(node, path)
            return dict(self.pairs(node, path, depth))
        if isinstance(node, yaml.SequenceNode):
            self.once(node, path)
            return [self.plain(member, f"{path}[{index}]", depth + 1) for index, member in enumerate(node.value)]
        return self.scalar(node, path)

    def pairs(self, node: yaml.MappingNode, path: str, depth: int) -> list[tuple[str, Any]]:
        """A mapping's pairs; YAML itself would let the last of two equal keys win without a word."""
        found: dict[str, Any] = {}
        for key_node, value_node in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                raise self.refused(path, Said("a key that is not text"), "text as key", at=key_node)
            key = str(key_node.value)
            inner = f"{path}.{key}" if path else key
            if key in found:
                raise self.refused(inner, Said("a second value"), "one value", at=key_node)
            found[key] = self.plain(value_node, inner, depth + 1)
        return list(found.items())

    def scalar(self, node: yaml.Node, path: str) -> Any:
        """A single value. Dates stay text, and so do MAC addresses, which YAML 1.1 may take for numbers to base 60."""
        if ":" in node.value:
            return str(node.value)
        try:
            value = yaml.SafeLoader("").construct_object(node, deep=True)
        except (yaml.YAMLError, ValueError) as error:
            raise self.refused(
                path, Said(node.tag), "plain text, a number, true, false, a list or a mapping"
            ) from error
        return value if value is None or isinstance(value, str | int | float | bool) else str(node.value)

    def once(self, node: yaml.Node, path: str) -> None:
        """Refuse aliases of lists and mappings: a few lines of them can grow without end."""
        if id(node) in self._seen:
            raise self.refused(path, Said("an alias"), "the list or mapping itself, written out")
        self._seen.add(id(node))

    def refused(self, path: str, came: Said, allowed: str, at: yaml.Node | None = None) -> InvalidSpec:
        """The error for a field, with the place of the node at fault or of the field itself."""
        place = self.origins[path] if at is None else self.place(at)
        return InvalidSpec(path or self._name, came, allowed, hint=f"see {place}")

    def place(self, node: yaml.Node) -> str:
        """Where a node is, as it is told to people."""
        return f"{self._name}, line {node.start_mark.line + 1}"

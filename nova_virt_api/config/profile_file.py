"""The file of profiles: YAML read with its line numbers, so that an error can say where to look."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import yaml

from nova_virt_api.config.file_access import WRITABLE_BY_OTHERS, refuse_access_by_others
from nova_virt_api.errors import ConfigError, shorten

TOP_LEVEL: Final = ("profiles", "default")


class ProfileFile:
    """The profiles in one file.

    Args:
        path: the file.

    Raises:
        ConfigError: it cannot be read, others may write it, or it is not a mapping of profiles.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.default: str | None = None
        self._nodes: dict[str, yaml.Node] = {}
        refuse_access_by_others(path, WRITABLE_BY_OTHERS, "it can be changed by other users")
        for key, node in pairs(path, "", parse(path)):
            if key not in TOP_LEVEL:
                raise at(path, node, key, "no such key at the top; there are profiles and default")
            if key == "profiles":
                self._nodes = dict(pairs(path, "profiles", node))
            else:
                self.default = name_of(path, node)
        if self.default is not None:
            self._check_name("default", self.default)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the profiles, in the file's order."""
        return tuple(self._nodes)

    def values(self, name: str) -> tuple[dict[str, Any], dict[str, int]]:
        """A profile's keys with their values, and with the lines that they are in."""
        self._check_name("profile", name)
        found = list(pairs(self.path, f"profiles.{name}", self._nodes[name]))
        values = {key: constructed(self.path, f"profiles.{name}.{key}", node) for key, node in found}
        return values, {key: line_of(node) for key, node in found}

    def _check_name(self, field: str, name: str) -> None:
        if name not in self._nodes:
            from difflib import get_close_matches

            close = get_close_matches(name, self.names, n=1)
            raise ConfigError(
                field,
                f"there is no profile {shorten(name)} in {self.path}",
                hint=f"did you mean {close[0]!r}?" if close else f"there are: {', '.join(self.names) or 'none'}",
            )


def parse(path: Path) -> yaml.Node | None:
    """The file's top node; None for an empty file."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise ConfigError("profiles", f"{path} cannot be read: {reason}") from error
    try:
        return yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError as error:
        problem = described(error)
    # outside of the block above: the native error quotes the line, in which there may be a secret
    raise ConfigError("profiles", f"{path}{problem}")


def described(error: yaml.YAMLError) -> str:
    """The line and the problem of a native error, without the text that it quotes."""
    mark = getattr(error, "problem_mark", None)
    line = f":{mark.line + 1}" if mark is not None else ""
    return f"{line} is not valid YAML: {getattr(error, 'problem', None) or 'unreadable characters'}"


def pairs(path: Path, field: str, node: yaml.Node | None) -> Iterator[tuple[str, yaml.Node]]:
    """The keys and value nodes of a mapping; YAML itself would let the last of two equal keys win without a word."""
    if node is None or (isinstance(node, yaml.ScalarNode) and node.tag.endswith(":null")):
        return
    if not isinstance(node, yaml.MappingNode):
        raise at(path, node, field or "profiles", "must be a mapping of names to values")
    seen: set[str] = set()
    for key_node, value_node in node.value:
        key = name_of(path, key_node)
        if key in seen:
            raise at(path, key_node, f"{field}.{key}".lstrip("."), "is given twice")
        seen.add(key)
        yield key, value_node


def name_of(path: Path, node: yaml.Node) -> str:
    """The text of a node that must be text."""
    if not isinstance(node, yaml.ScalarNode) or not node.tag.endswith(":str"):
        raise at(path, node, "profiles", "a name must be text; put it in quotes")
    return str(node.value)


def constructed(path: Path, field: str, node: yaml.Node) -> Any:
    """The plain value of a node."""
    loader = yaml.SafeLoader("")
    try:
        return loader.construct_document(node)
    except (yaml.YAMLError, ValueError):
        pass  # raised below, outside of this block: the native error quotes the value, which may be secret
    raise at(path, node, field, "is not plain text, a number, true, false, a list or a mapping")


def line_of(node: yaml.Node) -> int:
    """The line that a node begins in, from 1."""
    return int(node.start_mark.line) + 1


def at(path: Path, node: yaml.Node, field: str, message: str) -> ConfigError:
    """An error that says where in the file."""
    return ConfigError(field, f"{message} ({path}:{line_of(node)})")

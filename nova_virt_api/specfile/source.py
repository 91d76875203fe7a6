"""Where a disk's content comes from, in a spec file: a mapping with one key that tells the kind of source."""

from __future__ import annotations

from dataclasses import MISSING, fields
from typing import TYPE_CHECKING, Any, Final

from nova_virt_api.errors import InvalidSpec
from nova_virt_api.model.disk import Blank
from nova_virt_api.model.image import (
    DIGEST_LENGTHS,
    BackendUrl,
    Checksum,
    ImageFormat,
    LocalFile,
    Native,
    Store,
    Template,
    Url,
)
from nova_virt_api.specfile.kinds import Choice, Fields, FilePath, Flag, Kind, Text, inside

if TYPE_CHECKING:
    from pathlib import Path


class ChecksumText(Kind):
    """A checksum, written ``sha256:`` and its digits."""

    def read(self, value: Any, path: str, folder: Path) -> Checksum:
        algorithm, colon, digest = str(value).partition(":")
        if not isinstance(value, str) or not colon:
            raise InvalidSpec(path, value, "an algorithm and a digest, such as sha256:9f86d0...")
        try:
            return Checksum(algorithm=algorithm, digest=digest.lower())
        except InvalidSpec as error:
            raise InvalidSpec(path, error.value, error.allowed) from None

    def schema(self) -> dict[str, Any]:
        forms = "|".join(f"{name}:[0-9a-fA-F]{{{length}}}" for name, length in DIGEST_LENGTHS.items())
        return {"type": "string", "pattern": f"^({forms})$"}


BYTES: Final[dict[str, Kind]] = {"format": Choice(ImageFormat), "checksum": ChecksumText()}

SOURCES: Final[dict[str, tuple[type, str, Kind, dict[str, Kind]]]] = {
    "local_file": (LocalFile, "path", FilePath(), BYTES),
    "url": (Url, "url", Text(format="uri"), BYTES),
    "backend_url": (BackendUrl, "url", Text(format="uri"), BYTES),
    "native": (Native, "ref", Text(), {}),
    "template": (Template, "ref", Text(), {}),
    "store": (Store, "scheme", Text(), {"id": Text()}),
}
"""Key of each source: its class, the field that the key's value is, that value's kind, and further fields."""

KEYS: Final = (*SOURCES, "blank")


class Source(Kind):
    """An image source, or ``blank: true``."""

    def read(self, value: Any, path: str, folder: Path) -> Any:
        chosen = [key for key in KEYS if isinstance(value, dict) and value.get(key) is not None]
        if len(chosen) != 1:
            raise InvalidSpec(path, value, f"a mapping with one of the keys: {', '.join(KEYS)}")
        key = chosen[0]
        if key == "blank":
            Fields(Blank, {"blank": Flag()}).values(value, path, folder)
            if value["blank"] is not True:
                raise InvalidSpec(inside(path, key), value["blank"], "true")
            return Blank()
        return self.image(key, value, path, folder)

    def image(self, key: str, value: dict[str, Any], path: str, folder: Path) -> Any:
        """An image source of the kind that a key tells."""
        model, name, kind, more = SOURCES[key]
        form = Fields(model, {key: kind, **more}, optional=frozenset({name}))
        values = form.values(value, path, folder)
        values[name] = values.pop(key)
        try:
            return model(**values)
        except InvalidSpec as error:
            field = error.field.removeprefix("source.").replace(name, key, 1)
            raise InvalidSpec(inside(path, field), error.value, error.allowed) from None

    def schema(self) -> dict[str, Any]:
        blank: dict[str, Any] = {
            "type": "object",
            "properties": {"blank": {"const": True}},
            "required": ["blank"],
            "additionalProperties": False,
        }
        return {"oneOf": [*(source_schema(key) for key in SOURCES), blank]}


def source_schema(key: str) -> dict[str, Any]:
    """One image source in JSON Schema."""
    model, name, kind, more = SOURCES[key]
    wanted = {f.name for f in fields(model) if f.default is MISSING} - {name}
    return {
        "type": "object",
        "properties": {key: kind.schema(), **{field: other.schema() for field, other in more.items()}},
        "required": [key, *sorted(wanted)],
        "additionalProperties": False,
    }

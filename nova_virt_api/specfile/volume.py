"""Volumes of a storage service in a spec file, with their secrets, which are best kept somewhere else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from nova_virt_api.config.secret_reference import FORMS, READERS, resolve
from nova_virt_api.errors import ConfigError, InvalidSpec
from nova_virt_api.model.volume import HIGHEST_LUN, IscsiVolume, OpaqueVolume, Volume
from nova_virt_api.specfile.kinds import Fields, Flag, Integer, Kind, Text, inside
from nova_virt_api.specfile.said import Said

if TYPE_CHECKING:
    from pathlib import Path

    from nova_virt_api.model.secret import Secret


class SecretText(Kind):
    """A secret: its text, or where that is. Errors never show it."""

    def read(self, value: Any, path: str, folder: Path) -> Secret:
        if not isinstance(value, str | dict):
            raise InvalidSpec(path, Said("something else"), FORMS)
        if isinstance(value, dict) and isinstance(value.get("file"), str):
            value = {**value, "file": str((folder / value["file"]).absolute())}
        try:
            return resolve(path, value)
        except ConfigError as error:
            said = error.message.removeprefix(f"{path}: ")
            raise InvalidSpec(path, Said("no secret"), FORMS, hint=said) from error

    def schema(self) -> dict[str, Any]:
        references = [
            {
                "type": "object",
                "properties": {str(key): {"type": "string"}},
                "required": [str(key)],
                "additionalProperties": False,
            }
            for key in READERS
        ]
        return {"anyOf": [{"type": "string"}, *references]}


CONNECTIONS: Final = {
    "iscsi": Fields(
        IscsiVolume,
        {
            "portal": Text(maxLength=255),
            "iqn": Text(maxLength=223),
            "lun": Integer(0, HIGHEST_LUN),
            "chap_username": Text(maxLength=255),
            "chap_password": SecretText(),
        },
    ),
    "opaque": Fields(OpaqueVolume, {"kind": Text(maxLength=63), "properties": SecretText()}),
}
"""Forms of a connection by the key that tells which it is."""


class Connection(Kind):
    """How a volume is reached: a mapping with one key that tells the form."""

    def read(self, value: Any, path: str, folder: Path) -> Any:
        chosen = [key for key in CONNECTIONS if isinstance(value, dict) and value.get(key) is not None]
        if len(chosen) != 1 or len(value) != 1 or not isinstance(value[chosen[0]], dict):
            allowed = f"a mapping with one of the keys: {', '.join(CONNECTIONS)}, and a mapping as its value"
            raise InvalidSpec(path, Said("something else"), allowed)
        return CONNECTIONS[chosen[0]].read(value[chosen[0]], inside(path, chosen[0]), folder)

    def schema(self) -> dict[str, Any]:
        forms = [
            {
                "type": "object",
                "properties": {key: form.schema()},
                "required": [key],
                "additionalProperties": False,
            }
            for key, form in CONNECTIONS.items()
        ]
        return {"oneOf": forms}


VOLUME: Final = Fields(Volume, {"id": Text(maxLength=255), "connection": Connection(), "boot": Flag()})

"""Volumes of a storage service in a spec file, with their secrets, which are best kept somewhere else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from nova_virt_api.config.secret_reference import FORMS, READERS, resolve
from nova_virt_api.errors import ConfigError, InvalidSpec
from nova_virt_api.model.device_tag import LONGEST_TAG, TAG
from nova_virt_api.model.disk import DiskBus
from nova_virt_api.model.host_connection import LARGEST_JSON, HostConnection
from nova_virt_api.model.image import ImageFormat
from nova_virt_api.model.volume import SERIAL, LuksEncryption, Volume
from nova_virt_api.model.volume_connection import (
    HIGHEST_LUN,
    LONGEST_PATH,
    BlockVolume,
    FileVolume,
    IscsiVolume,
    NbdVolume,
    NfsVolume,
    OpaqueVolume,
    RbdVolume,
)
from nova_virt_api.specfile.kinds import Choice, Fields, Flag, Integer, Kind, List, Text, inside
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
    "file": Fields(FileVolume, {"path": Text(maxLength=LONGEST_PATH), "format": Choice(ImageFormat)}),
    "block": Fields(BlockVolume, {"path": Text(maxLength=LONGEST_PATH)}),
    "nbd": Fields(
        NbdVolume,
        {
            "host": Text(maxLength=255),
            "port": Integer(1, 65535),
            "socket": Text(maxLength=LONGEST_PATH),
            "export": Text(maxLength=LONGEST_PATH),
        },
    ),
    "nfs": Fields(
        NfsVolume,
        {
            "server": Text(maxLength=255),
            "export": Text(maxLength=LONGEST_PATH),
            "path": Text(maxLength=LONGEST_PATH),
            "format": Choice(ImageFormat),
        },
    ),
    "rbd": Fields(
        RbdVolume,
        {
            "monitors": List(Text(maxLength=255)),
            "pool": Text(maxLength=255),
            "image": Text(maxLength=255),
            "user": Text(maxLength=255),
            "key": SecretText(),
        },
    ),
    "host": Fields(
        HostConnection,
        {
            "protocol": Text(maxLength=63),
            "properties": Text(maxLength=LARGEST_JSON),
            "secrets": SecretText(),
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


VOLUME: Final = Fields(
    Volume,
    {
        "id": Text(maxLength=255),
        "connection": Connection(),
        "boot": Flag(),
        "bus": Choice(DiskBus),
        "encryption": Fields(LuksEncryption, {"passphrase": SecretText()}),
        "shared": Flag(),
        "read_only": Flag(),
        "serial": Text(pattern=f"^{SERIAL.pattern}$"),
        "tag": Text(pattern=TAG, maxLength=LONGEST_TAG),
    },
)

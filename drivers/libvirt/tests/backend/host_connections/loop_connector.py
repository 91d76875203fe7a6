"""A connector of os-brick's kind: the volumes are files, and this machine's devices of them are loop devices."""

import json
import subprocess
from pathlib import Path
from typing import Any

from os_brick import exception
from os_brick.initiator import connector
from os_brick.initiator.connectors.base import BaseLinuxConnector

PROTOCOL = "LOOP"
PASSWORD = "fabric-secret-4711"
DISCONNECTED: list[str | None] = []
"""The passwords with which this process has disconnected volumes."""


def register() -> None:
    """Let os-brick know the protocol, in this process."""
    connector.get_connector_mapping()[PROTOCOL] = f"{__name__}.LoopConnector"


def losetup(*arguments: str) -> str:
    """What ``losetup`` says."""
    return subprocess.run(["losetup", *arguments], check=True, capture_output=True, text=True).stdout.strip()


def devices(path: str) -> list[str]:
    """The devices of a file."""
    found = json.loads(losetup("--json", "--list", "--associated", path) or '{"loopdevices": []}')
    return [device["name"] for device in found["loopdevices"]]


class LoopConnector(BaseLinuxConnector):  # type: ignore[misc]  # os-brick has no types
    """As the connectors of os-brick: connecting and disconnecting can be repeated."""

    @staticmethod
    def get_connector_properties(*_: Any, **__: Any) -> dict[str, Any]:
        return {}

    def get_volume_paths(self, connection_properties: dict[str, Any]) -> list[str]:
        return devices(connection_properties["file"])

    def get_search_path(self) -> None:
        return None

    def get_all_available_volumes(self, connection_properties: Any = None) -> list[str]:
        return []

    def connect_volume(self, connection_properties: dict[str, Any]) -> dict[str, Any]:
        path, password = connection_properties["file"], connection_properties.get("auth_password")
        if password not in (None, PASSWORD):
            raise exception.BrickException(f"{path} takes no password {password}")
        if not Path(path).exists():
            raise exception.VolumeDeviceNotFound(device=path)
        there = devices(path)
        device = there[0] if there else losetup("--find", "--show", path)
        return {"type": "block", "path": device, "handle": object()}

    def disconnect_volume(
        self, connection_properties: dict[str, Any], device_info: Any, force: bool = False, ignore_errors: bool = False
    ) -> None:
        if Path(connection_properties["file"] + ".stuck").exists():
            raise exception.BrickException("the device is busy")
        DISCONNECTED.append(connection_properties.get("auth_password"))
        for device in devices(connection_properties["file"]):
            losetup("--detach", device)

    def extend_volume(self, connection_properties: dict[str, Any]) -> int:
        for device in devices(connection_properties["file"]):
            losetup("--set-capacity", device)
        return Path(connection_properties["file"]).stat().st_size

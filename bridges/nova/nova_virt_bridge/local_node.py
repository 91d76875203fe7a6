"""Which node has the uuid of Nova's file compute_id: chosen once, and kept in a file beside that one."""

from __future__ import annotations

import json
import os
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Final

import nova.conf
from nova import exception

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nova_virt_api.model.place import Node

CONF = nova.conf.CONF
FILE: Final = "nova_virt_local_node"
"""Name of the file in Nova's ``state_path``, with mode 0600."""


class LocalNode:
    """The choice of the node that has Nova's own uuid. Thread-safe.

    It falls when nodes are seen for the first time: on the only one, or on none where there are several. It stays when
    nodes come and go, since a compute node's uuid must not change.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()

    def among(self, nodes: Sequence[Node], local: str) -> Node | None:
        """The chosen node, by its id or, if a new machine has taken its place, by its name; None if it is not there.

        Args:
            nodes: the endpoint's nodes.
            local: the uuid of Nova's file; a choice for another one does not count.

        Raises:
            InvalidConfiguration: the file cannot be read or written.
        """
        path = Path(CONF.state_path) / FILE
        with self._lock:
            kept = read(path)
            if kept.get("uuid") != local:
                if not nodes:
                    return None
                chosen = {"id": nodes[0].id, "name": nodes[0].name} if len(nodes) == 1 else {}
                kept = {"uuid": local, **chosen}
                write(path, kept)
        same = [node for node in nodes if node.id == kept.get("id")]
        same = same or [node for node in nodes if node.name == kept.get("name")]
        return same[0] if len(same) == 1 else None


def read(path: Path) -> dict[str, str]:
    """What the file says, nothing where there is none."""
    try:
        kept = json.loads(path.read_bytes())
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise exception.InvalidConfiguration(f"{path} cannot be read ({error}); restore it from a copy") from error
    if not isinstance(kept, dict):
        raise exception.InvalidConfiguration(f"{path} holds something else than a JSON object; restore it from a copy")
    return kept


def write(path: Path, kept: dict[str, str]) -> None:
    """Replace the file in one step."""
    new = path.with_suffix(".new")
    try:
        with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            json.dump(kept, file)
            file.flush()
            os.fsync(file.fileno())
        new.replace(path)
    except OSError as error:
        text = f"{path} cannot be written ({error}); let this service write to its state_path"
        raise exception.InvalidConfiguration(text) from error

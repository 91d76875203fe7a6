"""An image of a guest on its way to Glance."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

import nova.conf
from nova.compute import task_states
from nova.image import glance

import nova_virt_api as virt

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

CONF = nova.conf.CONF
NAME: Final = "snapshot.qcow2"


class Upload:
    """A snapshot's file, which lives as long as the block, and its upload.

    Args:
        context: the request.
        instance: Nova's instance.
        image_id: the image that Nova has made for it in Glance.
        tell: tells Nova how far it is.
    """

    def __init__(self, context: Any, instance: Any, image_id: str, tell: Callable[..., None]) -> None:
        self._context = context
        self._instance = instance
        self._image_id = image_id
        self._tell = tell
        self._directory: Any = None

    def __enter__(self) -> Self:
        parent = Path(CONF.nova_virt.cache_dir)
        parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._directory = tempfile.TemporaryDirectory(dir=parent, prefix="snapshot-")
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._directory.cleanup()

    @property
    def target(self) -> virt.LocalTarget:
        """Where the endpoint is to write it."""
        self._tell(task_state=task_states.IMAGE_PENDING_UPLOAD)
        return virt.LocalTarget(Path(self._directory.name) / NAME, format=virt.ImageFormat.QCOW2)

    def send(self, made: virt.ImageInfo) -> None:
        """Give the file to Glance."""
        self._tell(task_state=task_states.IMAGE_UPLOADING, expected_state=task_states.IMAGE_PENDING_UPLOAD)
        api = glance.API()
        image = api.get(self._context, self._image_id)
        about = {
            "name": image.get("name"),
            "status": "active",
            "disk_format": made.format.value,
            "container_format": "bare",
            "properties": {"image_state": "available", "owner_id": self._instance.project_id},
        }
        with Path(made.ref).open("rb") as file:
            api.update(self._context, self._image_id, about, data=file, purge_props=False)

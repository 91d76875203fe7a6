"""Images and first-boot data that options name for a guest that is there already."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from nova_virt_api.cli.request import Request
from nova_virt_api.errors import InvalidSpec
from nova_virt_api.specfile import Document
from nova_virt_api.specfile.reader import CLOUD_INIT
from nova_virt_api.specfile.source import Source

if TYPE_CHECKING:
    import argparse

    from nova_virt_api.model.cloud_init import CloudInit
    from nova_virt_api.model.image import ImageSource

SOURCE = "disks[0].source"


def given_image(arguments: argparse.Namespace) -> ImageSource | None:
    """The image that ``--image`` and its companions name, if they do.

    Raises:
        InvalidSpec: an option's value is wrong.
    """
    arguments.disk_size = None
    request = Request(Document(data={}))
    request.boot_disk(arguments)
    if arguments.image is None:
        return None
    try:
        source: ImageSource = Source().read(request.data["disks"][0]["source"], SOURCE, Path())
    except InvalidSpec as error:
        raise placed(request, error) from error.__cause__
    return source


def given_cloud_init(arguments: argparse.Namespace) -> CloudInit | None:
    """The first-boot data that ``--cloud-init`` and the options beside it ask for, if they do.

    Raises:
        InvalidSpec: an option's value is wrong.
    """
    request = Request(Document(data={}))
    request.cloud_init(arguments)
    if "cloud_init" not in request.data:
        return None
    try:
        cloud_init: CloudInit = CLOUD_INIT.read(request.data["cloud_init"], "cloud_init", Path())
    except InvalidSpec as error:
        raise placed(request, error) from error.__cause__
    return cloud_init


def placed(request: Request, error: InvalidSpec) -> InvalidSpec:
    """The error with the option that it is about."""
    return Document(data=request.data, origins=request.origins).placed(error)

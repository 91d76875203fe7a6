"""Directories that guests share with the host that they run on."""

import posixpath
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from nova_virt_api.capability import Feature
from nova_virt_api.model.check import check, check_text, check_type

LONGEST_TAG: Final = 36
"""Bytes: what the virtio specification leaves for it (5.11.4, ``virtio_fs_config``)."""

LONGEST_PATH: Final = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class HostDirectory:
    """A directory on the host that the guest runs on; what is mounted there, e.g. an NFS export, is part of it.

    Args:
        path: absolute, with neither ``.`` nor ``..`` nor empty parts in it, e.g. ``/srv/shares/web``.
    """

    path: str

    def __post_init__(self) -> None:
        check_text("path", self.path, LONGEST_PATH)
        plain = self.path.startswith("/") and self.path == f"/{posixpath.normpath(self.path).lstrip('/')}"
        check(plain, "path", self.path, "an absolute path with no '.', '..', doubled or closing '/', e.g. /srv/share")


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """A directory that a guest sees as a file system. It outlives the guest, with all that is in it.

    Args:
        tag: by what the guest asks for it: ``mount -t virtiofs TAG /mnt``. 1 to 36 bytes; one of each for a guest.
        source: where its files are.
        read_only: whether the guest may only read.
    """

    tag: str
    source: HostDirectory
    read_only: bool = False

    def __post_init__(self) -> None:
        check_text("tag", self.tag, LONGEST_TAG)
        allowed = f"text of 1 to {LONGEST_TAG} bytes in UTF-8"
        check(len(self.tag.encode()) <= LONGEST_TAG, "tag", self.tag, allowed)
        check_type("source", self.source, HostDirectory, "a HostDirectory")
        check_type("read_only", self.read_only, bool, "True or False")

    def features(self) -> Iterator[tuple[Feature, str]]:
        """What an endpoint must declare for this share, each with the field that asks for it."""
        if self.read_only:
            yield Feature.SHARE_READ_ONLY, "read_only"

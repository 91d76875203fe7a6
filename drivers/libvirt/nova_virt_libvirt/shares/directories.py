"""Which directories of the host guests may share: those that the option ``share_directories`` allows."""

from __future__ import annotations

import os
import posixpath
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from nova_virt_api.errors import ConfigError, InvalidSpec, PermissionDenied, StorageError
from nova_virt_api.model.share import HostDirectory
from nova_virt_libvirt.host.unreachable import is_local

if TYPE_CHECKING:
    from collections.abc import Iterable

NONE_ALLOWED = "no directory may be shared; the option share_directories names those that may"


@dataclass(frozen=True, slots=True, kw_only=True)
class ShareDirectories:
    """The allowed directories of one endpoint.

    Args:
        allowed: they, and all that lies below them; absolute and plain.
        local: whether the endpoint's file system is this machine's, so that one can look at it.
    """

    allowed: tuple[str, ...]
    local: bool

    @classmethod
    def of(cls, allowed: Iterable[str], uri: str) -> ShareDirectories:
        """From the driver's options.

        Raises:
            ConfigError: one is not the plain, absolute path of a directory below ``/``.
        """
        directories = tuple(allowed)
        for path in directories:
            if not is_plain(path) or path == "/":
                raise ConfigError("share_directories", f"{path!r} is no plain, absolute path", hint="e.g. /srv/shares")
        return cls(allowed=directories, local=is_local(uri))

    def refusal(self) -> str:
        """Why nothing can be shared; empty if something can."""
        return "" if self.allowed else NONE_ALLOWED

    def require(self, path: str) -> None:
        """Refuse a directory that guests may not share.

        What a path says is always checked; where its links lead, and whether there is a directory, only where the
        endpoint is this machine.

        Args:
            path: absolute and plain.

        Raises:
            PermissionDenied: it is not allowed, or a symbolic link on the way leads out of what is.
            InvalidSpec: a symbolic link on the way leads somewhere else in what is.
            StorageError: there is no such directory.
        """
        if not any(is_within(path, directory) for directory in self.allowed):
            raise refused(path, "lies in no directory that the option share_directories allows")
        if self.local:
            self._look_at(path)

    def _look_at(self, path: str) -> None:
        real = os.path.realpath(path)
        if not any(is_within(real, os.path.realpath(directory)) for directory in self.allowed):
            raise refused(path, f"is really {real}, which the option share_directories does not allow")
        if has_links(path, [directory for directory in self.allowed if is_within(path, directory)]):
            # virtiofsd takes none at the end, and one on the way might lead elsewhere at the guest's next start
            raise InvalidSpec("share.source.path", path, f"a path without symbolic links: {real}")
        if not can_be_directory(Path(real)):
            raise StorageError(f"there is no directory {path} on the host", hint="make it first")


def refused(path: str, why: str) -> PermissionDenied:
    """The error for a directory that may not be shared."""
    return PermissionDenied(f"directory {path} {why}", hint="share another one, or let the operator allow it")


def is_plain(path: str) -> bool:
    """Whether a path is absolute and says by itself where it is."""
    try:
        HostDirectory(path=path)
    except ValueError:
        return False
    return True


def is_within(path: str, directory: str) -> bool:
    """Whether a path is a directory or lies below it, as far as their texts tell."""
    return posixpath.commonpath((path, directory)) == directory


def has_links(path: str, around: Iterable[str]) -> bool:
    """Whether a directory is a symbolic link, or lies behind one below each of those around it."""
    real = os.path.realpath(path)
    straight = [posixpath.join(os.path.realpath(one), posixpath.relpath(path, one)) for one in around]
    return Path(path).is_symlink() or real not in map(posixpath.normpath, straight)


def can_be_directory(path: Path) -> bool:
    """Whether there is a directory; True also where this account may not look."""
    try:
        return path.is_dir()
    except PermissionError:
        return True

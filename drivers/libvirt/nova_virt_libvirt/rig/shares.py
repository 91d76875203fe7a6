"""Directories for the conformance kit to be shared with guests: made where the target's options allow it."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from nova_virt_api.model.share import HostDirectory, Share
from nova_virt_conformance.outcome import NotVerified

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


class SharedDirectories:
    """Makes and removes them; only for a daemon of this machine, whose directories can be reached.

    Args:
        options: the driver's, with ``share_directories``.
        elsewhere: a directory that the options do not allow.
        local: whether the daemon is this machine's.
    """

    def __init__(self, options: Mapping[str, Any], elsewhere: Path, *, local: bool) -> None:
        allowed = options.get("share_directories") or ()
        self._allowed = Path(allowed[0]) if allowed and local else None
        self._elsewhere = elsewhere
        self._made: list[Path] = []

    def new(self) -> Share:
        """Another one."""
        name = f"conformance-{uuid4().hex[:12]}"
        path = self._root() / name
        path.mkdir()
        self._made.append(path)
        return Share(tag=name, source=HostDirectory(path=str(path)))

    def forbidden(self) -> list[Share]:
        """One beside those that are allowed, one whose path begins like theirs, and one that a link leads to."""
        root = self._root()
        link = root / f"conformance-{uuid4().hex[:12]}"
        link.symlink_to(self._elsewhere)
        self._made.append(link)
        beside = root.with_name(f"{root.name}-conformance")
        paths = (self._elsewhere, beside, link)
        return [Share(tag=f"conformance-{path.name}"[:36], source=HostDirectory(path=str(path))) for path in paths]

    def missing(self) -> Share:
        """One that is not there."""
        return Share(tag="conformance", source=HostDirectory(path=str(self._root() / "conformance-missing")))

    def write(self, share: Share, name: str, content: bytes) -> None:
        """Write a file into one."""
        (Path(share.source.path) / name).write_bytes(content)

    def read(self, share: Share, name: str) -> bytes | None:
        """What a file in one holds; None if it is not there."""
        path = Path(share.source.path) / name
        return path.read_bytes() if path.exists() else None

    def remove_all(self) -> None:
        """Remove all that were made."""
        for path in self._made:
            if path.is_symlink():
                path.unlink()
            else:
                shutil.rmtree(path)
        self._made.clear()

    def _root(self) -> Path:
        if self._allowed is None:
            raise NotVerified("the target's option share_directories names no directory of this machine")
        return self._allowed


def shares_of(definition: Any) -> Iterator[Share]:
    """The directories that a guest's definition shares."""
    for found in definition.iterfind("devices/filesystem/driver[@type='virtiofs']/.."):
        directory = HostDirectory(path=found.find("source").get("dir"))
        yield Share(tag=found.find("target").get("dir"), source=directory, read_only=found.find("readonly") is not None)

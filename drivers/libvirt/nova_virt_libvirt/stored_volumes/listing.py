"""Volumes that no guest owns, as they are now. One whose claim is there is being made or removed, and is none."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import UUID, uuid5

import libvirt
from lxml import etree

from nova_virt_api.errors import VolumeNotFound
from nova_virt_api.model.identity import NAMESPACE
from nova_virt_api.model.image import ImageFormat
from nova_virt_api.model.stored_volume import StoredVolume
from nova_virt_api.model.volume_connection import FILE_FORMATS, BlockVolume, FileVolume
from nova_virt_libvirt.definition import PARSER
from nova_virt_libvirt.errors import translated
from nova_virt_libvirt.names import NOTED_PREFIXES, guest_of
from nova_virt_libvirt.storage.pools import Volume, storage_errors
from nova_virt_libvirt.stored_volumes.name import StoredName, claimed_volume, is_head

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from nova_virt_api.model.volume_connection import VolumeConnection
    from nova_virt_libvirt.storage.pools import Pool


@dataclass(frozen=True, slots=True)
class Stored:
    """A volume of a pool that this role made.

    Args:
        name: what its name says.
        volume: libvirt's volume.
    """

    name: StoredName
    volume: Volume

    @property
    def pool(self) -> Pool:
        """The pool that it is in."""
        return self.volume.pool


@dataclass(frozen=True, slots=True, kw_only=True)
class Looked:
    """What libvirt tells of a volume in one request.

    Args:
        path: where the hypervisor has it.
        size_bytes: its size as guests see it, as far as libvirt takes its bytes for what they are.
        allocation_bytes: what it takes from its pool.
        format: what libvirt takes its bytes for; a guest that writes them may mislead it.
        kind: libvirt's type of volume, e.g. ``file``.
    """

    path: str
    size_bytes: int
    allocation_bytes: int
    format: str
    kind: str


def look(volume: Volume) -> Looked:
    """Look at a volume.

    Raises:
        VolumeNotFound: it is gone.
        StorageError: it cannot be looked at.
    """
    with storage_errors(f"look at volume {volume.name}", volume.pool.name):
        try:
            definition = etree.fromstring(volume.native.XMLDesc(0))
        except libvirt.libvirtError as error:
            if error.get_error_code() != libvirt.VIR_ERR_NO_STORAGE_VOL:
                raise
            raise VolumeNotFound(f"volume {volume.name} of storage pool {volume.pool.name} is gone") from error
    shape = definition.find("target/format")
    return Looked(
        path=definition.findtext("target/path") or definition.findtext("key") or "",
        size_bytes=int(definition.findtext("capacity") or 0),
        allocation_bytes=int(definition.findtext("allocation") or 0),
        format="" if shape is None else shape.get("type", ""),
        kind=definition.get("type", ""),
    )


def stored_in(pools: Iterable[Pool]) -> Iterator[Stored]:
    """The volumes of this role that are complete; one request for each pool."""
    for pool in pools:
        with translated(f"list volumes of storage pool {pool.name}"):
            volumes = [Volume(pool, native) for native in pool.native.listAllVolumes(0)]
        claimed = {claimed_volume(volume.name) for volume in volumes if is_head(volume.name)}
        for volume in volumes:
            name = StoredName.decode(volume.name)
            if name is not None and name.id not in claimed:
                yield Stored(name, volume)


def foreign_in(pools: Iterable[Pool]) -> Iterator[Volume]:
    """The volumes of other making: no guest's own, no copy of an image, nothing that this driver notes there."""
    for pool in pools:
        with translated(f"list volumes of storage pool {pool.name}"):
            volumes = [Volume(pool, native) for native in pool.native.listAllVolumes(0)]
        for volume in volumes:
            ours = StoredName.decode(volume.name) is not None or claimed_volume(volume.name) is not None
            if not ours and guest_of(volume.name) is None and not volume.name.startswith(NOTED_PREFIXES):
                yield volume


def shown(stored: Stored, owner: str) -> StoredVolume:
    """A volume of this role as everybody sees it.

    Args:
        stored: the volume.
        owner: the connection's owner.

    Raises:
        VolumeNotFound: it is gone.
        StorageError: it cannot be looked at.
    """
    seen = look(stored.volume)
    return StoredVolume(
        id=stored.name.id,
        name=stored.name.name,
        pool=stored.pool.name,
        owner=stored.name.owner,
        owned=stored.name.owner == owner,
        size_bytes=size_of(stored, seen),
        allocation_bytes=seen.allocation_bytes,
        format=stored.name.format,
        connection=FileVolume(path=seen.path, format=stored.name.format),
    )


def shown_if_there(stored: Stored, owner: str) -> StoredVolume | None:
    """The same; None for one that is gone since it was listed."""
    with suppress(VolumeNotFound):
        return shown(stored, owner)
    return None


def foreign_shown(volume: Volume) -> StoredVolume | None:
    """A volume of other making as everybody sees it; None if it is gone, or is no disk."""
    try:
        seen = look(volume)
    except VolumeNotFound:
        return None
    if seen.kind not in ("file", "block"):
        return None
    shape = next((member for member in ImageFormat if member.value == seen.format), None)
    return StoredVolume(
        id=foreign_id(volume),
        name=volume.name,
        pool=volume.pool.name,
        size_bytes=seen.size_bytes,
        allocation_bytes=seen.allocation_bytes,
        format=ImageFormat.RAW if seen.kind == "block" else shape,
        connection=foreign_connection(seen, shape),
    )


def foreign_id(volume: Volume) -> UUID:
    """What a volume of other making is known by."""
    return uuid5(NAMESPACE, f"volume of other making\n{volume.pool.native.UUIDString()}\n{volume.name}")


def foreign_connection(seen: Looked, shape: ImageFormat | None) -> VolumeConnection | None:
    """How guests reach a volume of other making; None for what is no plain disk."""
    if seen.kind == "block":
        return BlockVolume(path=seen.path)
    return FileVolume(path=seen.path, format=shape) if shape in FILE_FORMATS and shape is not None else None


def size_of(stored: Stored, seen: Looked) -> int:
    """Size of a volume as guests see it.

    A guest may write to a raw volume what looks like another format; such a volume is as long as its file.
    """
    misled = stored.name.format is ImageFormat.RAW and seen.format != ImageFormat.RAW.value
    return stored.volume.stored_bytes() if misled else seen.size_bytes


def users_of(connection: libvirt.virConnect, volume: Volume, path: str) -> dict[UUID, bool]:
    """The guests whose definition, now or after the next start, names a volume; each with whether it is on.

    Args:
        connection: the connection to look with.
        volume: the volume.
        path: where the hypervisor has it.
    """
    users: dict[UUID, bool] = {}
    with translated("look who uses the volume"):
        for domain in connection.listAllDomains(0):
            try:
                running = bool(domain.isActive())
                flags = (0, libvirt.VIR_DOMAIN_XML_INACTIVE) if running and domain.isPersistent() else (0,)
                named = any(is_named(volume, path, domain.XMLDesc(flag)) for flag in flags)
            except libvirt.libvirtError as error:
                if error.get_error_code() != libvirt.VIR_ERR_NO_DOMAIN:  # removed meanwhile
                    raise
            else:
                users |= {UUID(bytes=domain.UUID()): running} if named else {}
    return users


def is_named(volume: Volume, path: str, text: str) -> bool:
    """Whether a definition names a volume, by its path or by its pool and name."""
    devices = etree.fromstring(text, PARSER).find("devices")
    if devices is None:
        return False
    by_name = ((source.get("pool"), source.get("volume")) for source in devices.iter("source"))
    return path in devices.xpath(".//@file | .//@dev") or (volume.pool.name, volume.name) in by_name

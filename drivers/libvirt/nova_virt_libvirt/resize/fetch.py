"""Copying a volume from one host's libvirt to another's, through this process."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from lxml import etree

from nova_virt_api.driver.operation import CancelMode
from nova_virt_api.errors import StorageError, VirtError
from nova_virt_api.model.image import ImageFormat
from nova_virt_libvirt.definition import PARSER
from nova_virt_libvirt.storage.pools import storage_errors
from nova_virt_libvirt.storage.transfer import pass_on

if TYPE_CHECKING:
    from nova_virt_api.driver.operation import Operation
    from nova_virt_libvirt.storage.pools import Pool, Volume


def fetch_disk(source: Volume, copy_name: str, pool: Pool, name: str, op: Operation) -> Volume:
    """Make a disk's content a qcow2 volume here, independent of any base.

    A layer is made whole first, by the source's host and beside it: what it is based on need not be here. The new
    volume is made as one of plain bytes, as these are what arrives; a look at the pool then shows libvirt the disk.

    Args:
        source: the disk.
        copy_name: what the whole copy at the source is called.
        pool: where to.
        name: the new volume's name.
        op: the operation worked for.

    Raises:
        StorageError: it could not be read or written.
        NoCapacity: a pool is full.
    """
    whole = source if stands_alone(source) else None
    try:
        if whole is None:
            op.stage("copy the disk at the source")
            source.pool.remove(copy_name)  # of somebody who is gone
            whole = source.pool.create_standalone(copy_name, ImageFormat.QCOW2, source)
        fetch_bytes(whole, pool, name, op)
    finally:
        if whole is not source:
            with suppress(VirtError):  # a confirm or a revert at the source removes it too
                source.pool.remove(copy_name)
    pool.refresh()
    found = pool.find(name)
    if found is None:
        raise StorageError(f"volume {name} in storage pool {pool.name} is gone since a moment")
    return found


def fetch_bytes(source: Volume, pool: Pool, name: str, op: Operation) -> Volume:
    """Make a volume's bytes a volume here."""
    length = source.stored_bytes()
    op.stage("fetch the disk", CancelMode.IMMEDIATE)
    made = pool.create(name, length, ImageFormat.RAW)
    with storage_errors(f"fetch volume {source.name}", pool.name):
        pass_on((source.pool.connection, source.native), (pool.connection, made.native), length, op)
    return made


def stands_alone(volume: Volume) -> bool:
    """Whether a volume is a qcow2 file that is based on nothing."""
    with storage_errors(f"look at volume {volume.name}", volume.pool.name):
        definition = etree.fromstring(volume.native.XMLDesc(0), PARSER)
    form = definition.find("target/format")
    return definition.find("backingStore") is None and form is not None and form.get("type") == "qcow2"


def grow(volume: Volume, size_bytes: int) -> None:
    """Make a volume that nobody uses larger; nothing happens to one that is as large."""
    with storage_errors(f"resize volume {volume.name}", volume.pool.name):
        if volume.native.info()[1] < size_bytes:
            volume.native.resize(size_bytes, 0)

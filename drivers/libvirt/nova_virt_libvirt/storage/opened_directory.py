"""A directory of a host that is in no storage pool, as one for a moment: so libvirt's storage API reaches it.

The pool is transient and bears its guest's uuid. What a process that was killed leaves is closed by the next verb that
opens a directory for that guest, reverts its resize or removes it; nobody is shown it until then.
"""

from __future__ import annotations

import errno
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Final

import libvirt
from lxml import etree
from lxml.builder import E
from tenacity import Retrying, retry_if_result, stop_after_delay, wait_exponential

from nova_virt_api.errors import VirtError
from nova_virt_libvirt.errors import translated
from nova_virt_libvirt.names import guest_of, is_opened_directory, opened_directory_name
from nova_virt_libvirt.storage.pools import PATIENCE, Pool, patiently

if TYPE_CHECKING:
    from collections.abc import Iterator
    from uuid import UUID

GONE: Final = (libvirt.VIR_ERR_NO_STORAGE_POOL, libvirt.VIR_ERR_OPERATION_INVALID)
"""Answers about a pool that somebody else closed."""


@contextmanager
def opened_directory(connection: libvirt.virConnect, guest: UUID, path: str) -> Iterator[Pool | None]:
    """The directory as a pool, or the pool that it is already; one at a time for a guest and a host.

    Args:
        connection: to the directory's host.
        guest: for which guest; nobody else may be at work on it.
        path: the directory.

    Yields:
        The pool; None if there is no such directory.

    Raises:
        StorageError: it cannot be opened.
    """
    close_directory(connection, guest)
    with translated(f"open directory {path}"):
        native = opened(connection, guest, path)
        if native is not None:
            native.refresh(0)
    try:
        yield None if native is None else Pool(connection, native)
    finally:
        with suppress(VirtError):  # the guest's next verb closes it
            close_directory(connection, guest)


def close_directory(connection: libvirt.virConnect, guest: UUID) -> None:
    """Let libvirt forget a directory that was opened for this guest; nothing happens without one."""
    with translated(f"close a directory of guest {guest}"):
        try:
            pool = connection.storagePoolLookupByName(opened_directory_name(guest))
        except libvirt.libvirtError as error:
            if error.get_error_code() != libvirt.VIR_ERR_NO_STORAGE_POOL:
                raise
        else:
            end(pool)


def opened(connection: libvirt.virConnect, guest: UUID, path: str) -> libvirt.virStoragePool | None:
    """A pool of the directory; None if there is none such.

    libvirt makes only one of a directory. Another guest's is waited for.
    """
    definition = E.pool(E.name(opened_directory_name(guest)), E.target(E.path(path)), type="dir")
    text = etree.tostring(definition, encoding="unicode")
    attempts = patiently(libvirt.VIR_ERR_OPERATION_FAILED)  # there was one, which was closed before it was found
    while (found := attempts(made_or_there, connection, text, path)) is not None and is_anothers(found.name(), guest):
        outlast(found)
    return found


def is_anothers(pool_name: str, guest: UUID) -> bool:
    """Whether a pool is a directory that was opened for another guest."""
    return is_opened_directory(pool_name) and guest_of(pool_name) != guest


def outlast(pool: libvirt.virStoragePool) -> None:
    """Wait until a pool is closed. If that takes long, whoever opened it is gone: then it is closed here.

    The handle bears the pool's uuid, so a later one of the same name is neither waited for nor closed.
    """
    attempts = Retrying(
        retry=retry_if_result(bool),
        stop=stop_after_delay(PATIENCE),
        wait=wait_exponential(multiplier=0.02, max=0.5),
        retry_error_callback=lambda _: end(pool),
    )
    attempts(is_open, pool)


def is_open(pool: libvirt.virStoragePool) -> bool:
    """Whether a pool is still there."""
    try:
        return bool(pool.isActive())
    except libvirt.libvirtError as error:
        if error.get_error_code() not in GONE:
            raise
        return False


def made_or_there(connection: libvirt.virConnect, text: str, path: str) -> libvirt.virStoragePool | None:
    """The pool, made now, or the one that the directory is; None without such a directory."""
    try:
        return connection.storagePoolCreateXML(text, 0)
    except libvirt.libvirtError as error:
        if error.get_error_code() == libvirt.VIR_ERR_SYSTEM_ERROR and error.get_int1() == errno.ENOENT:
            return None
        with suppress(libvirt.libvirtError):  # the first error says why it could not be made
            return connection.storagePoolLookupByTargetPath(path)
        raise


def end(pool: libvirt.virStoragePool) -> None:
    """End a transient pool; nothing happens to one that has gone."""
    try:
        pool.destroy()
    except libvirt.libvirtError as error:
        if error.get_error_code() not in GONE:
            raise

"""Volumes whose bytes libvirt's daemon takes for something else than they are.

It goes by what it takes them for, and has ``qemu-img`` follow what a header says. So a guest that writes another
format's header to its raw disk could have the host read any file in its place.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lxml import etree

from nova_virt_api.errors import StorageError
from nova_virt_api.model.image import ImageFormat
from nova_virt_libvirt.storage.pools import storage_errors

if TYPE_CHECKING:
    from nova_virt_libvirt.storage.pools import Volume


def refuse_misread(volume: Volume, is_format: ImageFormat, what: str, hint: str) -> None:
    """Refuse a volume that the daemon takes for another format. A medium's, on a raw one, is harmless.

    Args:
        volume: the volume.
        is_format: what its bytes are.
        what: what errors call it.
        hint: what to do instead.

    Raises:
        StorageError: it does.
    """
    with storage_errors(f"look at volume {volume.name}", volume.pool.name):
        shape = etree.fromstring(volume.native.XMLDesc(0)).find("target/format")
    found = "" if shape is None else shape.get("type", "")
    harmless = (ImageFormat.RAW.value, ImageFormat.ISO.value) if is_format is ImageFormat.RAW else (is_format.value,)
    if shape is not None and found not in harmless:
        raise StorageError(f"{what} is {is_format.value}, but its bytes look like {found}", hint=hint)


def refuse_misread_disk(disk: Any, volume: Volume) -> None:
    """Refuse to copy a guest's disk that the daemon takes for another format.

    Args:
        disk: its ``<disk>``.
        volume: the volume that it is.

    Raises:
        StorageError: it does.
    """
    driver = disk.find("driver")
    form = "raw" if driver is None else driver.get("type", "raw")
    if form in (ImageFormat.RAW.value, ImageFormat.QCOW2.value):
        what = f"disk {disk.find('target').get('dev')} of the guest"
        refuse_misread(volume, ImageFormat(form), what, "start the guest, and copy the disk while it runs")

"""The end of what a guest wrote to its serial port.

virtlogd writes it to a file that is a volume of the guest's pool, so that it can be read through libvirt's storage API
wherever the hypervisor is. When the file is full, virtlogd renames it to ``<name>.0`` and begins a new one.
"""

from typing import Any

import libvirt
from lxml import etree

from nova_virt_api.capability import Capability
from nova_virt_api.driver.console_log import ConsoleLog
from nova_virt_api.errors import NotSupported
from nova_virt_api.model.identity import InstanceRef
from nova_virt_libvirt.connection import Connection
from nova_virt_libvirt.definition import PARSER
from nova_virt_libvirt.errors import translated
from nova_virt_libvirt.verbs import OnDomains


class LibvirtConsoleLog(OnDomains, ConsoleLog):
    """The role ConsoleLog."""

    connection: Connection

    def console_log(self, guest: InstanceRef, max_bytes: int) -> bytes:
        native = self.domains.find(guest).urgent
        with translated("look for the guest's console log"):
            path = log_path(native.XMLDesc(0))
        if path is None:
            raise NotSupported(Capability.CONSOLE_LOG, "", "the guest's serial port keeps no log")
        with translated("read the guest's console log"):
            connection = self.connection.native
            newest = end_of(connection, path, max_bytes)
            if newest is None:
                raise NotSupported(Capability.CONSOLE_LOG, "", "its log lies outside of libvirt's storage pools")
            if len(newest) < max_bytes:
                newest = (end_of(connection, f"{path}.0", max_bytes - len(newest)) or b"") + newest
        return newest


def log_path(xml: str) -> str | None:
    """Where the first serial port with a log has it."""
    paths = etree.fromstring(xml, PARSER).xpath("devices/*[self::serial or self::console]/log/@file")
    return str(paths[0]) if paths else None


def end_of(connection: Any, path: str, max_bytes: int) -> bytes | None:
    """The last bytes of a volume; None if no pool has it.

    Raises:
        libvirt.libvirtError: reading failed.
    """
    if max_bytes <= 0:
        return b""
    try:
        volume = connection.storageVolLookupByPath(path)
    except libvirt.libvirtError as error:
        if error.get_error_code() == libvirt.VIR_ERR_NO_STORAGE_VOL:
            return None
        raise
    length = volume.infoFlags(libvirt.VIR_STORAGE_VOL_GET_PHYSICAL)[2]  # looks at the file now
    start = max(0, length - max_bytes)
    return download(connection, volume, start, length - start) if length else b""


def download(connection: Any, volume: Any, start: int, length: int) -> bytes:
    """Bytes of a volume.

    Raises:
        libvirt.libvirtError: reading failed.
    """
    stream = connection.newStream(0)
    parts: list[bytes] = []
    try:
        volume.download(stream, start, length, 0)
        while part := stream.recv(262_144):
            parts.append(part)
        stream.finish()
    except BaseException:
        stream.abort()
        raise
    return b"".join(parts)

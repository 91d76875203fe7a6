"""Starting a guest, where an error says which of its volumes could not be opened."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import libvirt
from lxml import etree

from nova_virt_libvirt.definition import PARSER
from nova_virt_libvirt.devices.volume_disk import label_of
from nova_virt_libvirt.errors import translate, translated
from nova_virt_libvirt.native_call import in_time
from nova_virt_libvirt.volumes.errors import is_known, volume_error

if TYPE_CHECKING:
    from nova_virt_api.driver.operation import Operation
    from nova_virt_api.errors import VirtError

WHAT: Final = "start the guest"


def start_guest(native: libvirt.virDomain, op: Operation) -> None:
    """Start a guest that is off.

    Raises:
        VolumeError: names the volume that could not be opened; those of the guest where the hypervisor does not.
        Cancelled: somebody asked to; the guest may still start.
        Timeout: the deadline came first; likewise.
    """
    try:
        in_time(native.create, op)
    except libvirt.libvirtError as error:
        with translated("look at the guest's volumes"):
            definition = etree.fromstring(native.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE), PARSER)
        raise start_error(error, definition) from error


def start_error(error: libvirt.libvirtError, definition: Any) -> VirtError:
    """Our error for libvirt's about a guest of this definition."""
    text = str(error)
    disks = definition.findall("devices/disk")
    meant = [disk for disk in disks if is_named(disk.find("source"), text)]
    concerned = ids(meant) if meant or not is_known(text) else ids(disks)
    if not concerned:
        return translate(error, WHAT)
    return volume_error(error, f"{WHAT} with volume {' or '.join(concerned)}")


def ids(disks: list[Any]) -> list[str]:
    """The ids of the volumes among disks."""
    return [label.id for disk in disks if (label := label_of(disk)) is not None]


def is_named(source: Any, text: str) -> bool:
    """Whether a text tells where a ``<source>`` leads."""
    if source is None:
        return False
    if (path := source.get("file") or source.get("dev")) is not None:
        return path in text
    servers = [host.get("socket") or host.get("name") for host in source.iterfind("host")]
    name = source.get("name", "")
    place = name.rpartition("/")[0] if source.get("protocol") == "iscsi" else name
    return place in text and any(server in text for server in servers if server)

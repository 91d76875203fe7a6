"""Verbs about shares, for ``dying_process``."""

from typing import Any
from uuid import UUID

import libvirt

from nova_virt_api.model.identity import InstanceRef
from nova_virt_api.model.share import HostDirectory, Share

CHANGES = {
    libvirt.virConnect: ("defineXML",),
    libvirt.virStoragePool: ("createXML",),
    libvirt.virStorageVol: ("delete",),
    libvirt.virDomain: ("attachDeviceFlags", "detachDeviceFlags"),
}


def do(driver: Any, asked: dict[str, Any], op: Any) -> None:
    """Do a verb."""
    guest = InstanceRef(uuid=UUID(asked["guest"]))
    if asked["verb"] == "attach_share":
        driver.attach_share(guest, Share(tag=asked["tag"], source=HostDirectory(path=asked["path"])), op)
    else:
        driver.detach_share(guest, asked["tag"], op)

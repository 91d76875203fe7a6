"""Verbs about volumes that guests use, for ``dying_process``."""

from typing import Any
from uuid import UUID

import libvirt

from nova_virt_api.model.identity import InstanceRef
from nova_virt_api.model.secret import Secret
from nova_virt_api.model.volume import LuksEncryption, Volume
from nova_virt_api.model.volume_connection import FileVolume

CHANGES = {
    libvirt.virConnect: ("secretDefineXML",),
    libvirt.virSecret: ("setValue", "undefine"),
    libvirt.virStoragePool: ("createXML",),
    libvirt.virStorageVol: ("delete",),
    libvirt.virDomain: ("attachDeviceFlags", "detachDeviceFlags", "updateDeviceFlags", "blockCopy", "blockJobAbort"),
}


def do(driver: Any, asked: dict[str, Any], op: Any) -> None:
    """Do a verb."""
    guest = InstanceRef(uuid=UUID(asked["guest"]))
    volume = Volume(
        id=asked["volume"],
        connection=FileVolume(path=asked["path"]),
        encryption=LuksEncryption(passphrase=Secret(asked["passphrase"])),
    )
    match asked["verb"]:
        case "attach_volume":
            driver.attach_volume(guest, volume, op)
        case "detach_volume":
            driver.detach_volume(guest, volume.id, op)
        case "swap_volume":
            driver.swap_volume(guest, asked["old"], volume, op)

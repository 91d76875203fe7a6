"""Verbs about volumes that the host connects, for ``dying_process``."""

import json
from typing import Any
from uuid import UUID

import libvirt
import loop_connector  # type: ignore[import-not-found]  # beside this file

from nova_virt_api.model.disk import Blank, Disk
from nova_virt_api.model.host_connection import HostConnection
from nova_virt_api.model.identity import InstanceRef
from nova_virt_api.model.secret import Secret
from nova_virt_api.model.spec import InstanceSpec
from nova_virt_api.model.units import MiB
from nova_virt_api.model.volume import Volume

CHANGES = {
    libvirt.virConnect: ("secretDefineXML", "defineXML"),
    libvirt.virSecret: ("setValue", "undefine"),
    libvirt.virDomain: ("setMetadata", "attachDeviceFlags", "detachDeviceFlags", "updateDeviceFlags", "undefineFlags"),
    loop_connector.LoopConnector: ("connect_volume", "disconnect_volume"),
}

loop_connector.register()


def do(driver: Any, asked: dict[str, Any], op: Any) -> None:
    """Do a verb."""
    hidden = Secret(json.dumps({"auth_password": loop_connector.PASSWORD}))
    way = HostConnection(protocol="loop", properties=json.dumps({"file": asked["file"]}), secrets=hidden)
    uuid, volume = UUID(asked["guest"]), Volume(id=asked["volume"], connection=way)
    guest = InstanceRef(uuid=uuid)
    match asked["verb"]:
        case "attach_volume":
            driver.attach_volume(guest, volume, op)
        case "detach_volume":
            driver.detach_volume(guest, volume.id, op)
        case "destroy":
            driver.destroy(guest, op)
        case "spawn":
            driver.spawn(
                InstanceSpec(
                    uuid=uuid,
                    name=f"killed-{uuid.hex[:8]}",
                    memory_bytes=MiB(16),
                    disks=[Disk(source=Blank(), size_bytes=MiB(8))],
                    volumes=[volume],
                    power_on=False,
                ),
                op,
            )

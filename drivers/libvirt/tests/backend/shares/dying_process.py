"""Does one verb about shares, and kills itself before a certain change of the backend.

The verb comes as JSON on standard input. It is done in a process of its own; status 0 says that it was done.
"""

import json
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID

import libvirt
from oslo_config import cfg

from nova_virt_api.compute.operation import DriverSide, Operation
from nova_virt_api.driver.endpoint import Endpoint
from nova_virt_api.model.identity import InstanceRef
from nova_virt_api.model.share import HostDirectory, Share
from nova_virt_libvirt.driver import LibvirtDriver
from nova_virt_libvirt.options import GROUP, OPTIONS

CHANGES = {
    libvirt.virConnect: ("defineXML",),
    libvirt.virStoragePool: ("createXML",),
    libvirt.virStorageVol: ("delete",),
    libvirt.virDomain: ("attachDeviceFlags", "detachDeviceFlags"),
}
"""All that the verbs change the backend by."""


def make_driver(asked: dict[str, Any]) -> LibvirtDriver:
    """A driver as the tests' own."""
    conf = cfg.ConfigOpts()
    conf.register_opts(OPTIONS, group=GROUP)
    conf([], default_config_files=[], default_config_dirs=[])
    for name, value in {"uri": asked["uri"], "pool": asked["pool"], "share_directories": [asked["root"]]}.items():
        conf.set_override(name, value, group=GROUP)
    home = Path(asked["home"])
    return LibvirtDriver(
        Endpoint(
            driver="libvirt",
            options=conf[GROUP],
            owner=asked["owner"],
            cache_dir=home / "cache",
            state_dir=home / "state",
        )
    )


def die_before(number: int) -> None:
    """Kill this process before the change of this number."""
    left = number

    def dying(change: Callable[..., Any]) -> Callable[..., Any]:
        def changed(*arguments: Any) -> Any:
            nonlocal left
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            left -= 1
            return change(*arguments)

        return changed

    for kind, names in CHANGES.items():
        for name in names:
            setattr(kind, name, dying(getattr(kind, name)))


def main() -> None:
    """Do the verb."""
    asked = json.load(sys.stdin)
    driver = make_driver(asked)
    driver.open()
    operation: Operation[Any] = Operation(asked["verb"], None, timeout=60.0)
    operation.begin()
    op, guest = DriverSide(operation), InstanceRef(uuid=UUID(asked["guest"]))
    die_before(asked["number"])
    if asked["verb"] == "attach_share":
        driver.attach_share(guest, Share(tag=asked["tag"], source=HostDirectory(path=asked["path"])), op)
    else:
        driver.detach_share(guest, asked["tag"], op)
    driver.close()


if __name__ == "__main__":
    main()

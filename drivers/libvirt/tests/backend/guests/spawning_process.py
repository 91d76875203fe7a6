"""A process that does one verb with a guest and says how it ended; tests kill it, or run several at once."""

import json
import sys
from pathlib import Path
from uuid import UUID

from oslo_config import cfg

from nova_virt_api.compute.operation import DriverSide, Operation
from nova_virt_api.driver.endpoint import Endpoint
from nova_virt_api.errors import VirtError
from nova_virt_api.model.cloud_init import CloudInit
from nova_virt_api.model.disk import Blank, Disk
from nova_virt_api.model.identity import InstanceRef
from nova_virt_api.model.image import LocalFile
from nova_virt_api.model.nic import Nic
from nova_virt_api.model.spec import InstanceSpec
from nova_virt_api.model.units import GiB, MiB
from nova_virt_libvirt.driver import LibvirtDriver
from nova_virt_libvirt.options import GROUP, OPTIONS


def make_driver(asked: dict[str, str]) -> LibvirtDriver:
    """A driver as the tests' own."""
    conf = cfg.ConfigOpts()
    conf.register_opts(OPTIONS, group=GROUP)
    conf([], default_config_files=[], default_config_dirs=[])
    for name, value in {"uri": asked["uri"], "pool": asked["pool"], "virt_type": "qemu"}.items():
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


def make_spec(asked: dict[str, str]) -> InstanceSpec:
    """A guest with everything that a spawn makes: overlay, blank disk, seed, interface, console log."""
    return InstanceSpec(
        uuid=UUID(asked["uuid"]),
        name=f"killed-{asked['uuid'][:8]}",
        memory_bytes=MiB(16),
        disks=[
            Disk(source=LocalFile(asked["image"]), size_bytes=GiB(1)),
            Disk(source=Blank(), size_bytes=GiB(1)),
        ],
        nics=[Nic(network="default")],
        cloud_init=CloudInit(user_data="#cloud-config\n"),
    )


def main() -> None:
    """Do what standard input says, once it says ``go``."""
    asked = json.loads(sys.stdin.readline())
    driver = make_driver(asked)
    driver.open()
    print("ready", flush=True)  # noqa: T201
    sys.stdin.readline()
    operation: Operation[object] = Operation(asked["verb"], None, timeout=60.0)
    operation.begin()
    try:
        if asked["verb"] == "spawn":
            outcome = str(driver.spawn(make_spec(asked), DriverSide(operation)).uuid)
        else:
            outcome = str(driver.destroy(InstanceRef(uuid=UUID(asked["uuid"])), DriverSide(operation)))
    except VirtError as error:
        print(error, file=sys.stderr)  # noqa: T201
        outcome = error.code
    print(outcome, flush=True)  # noqa: T201
    driver.close()


if __name__ == "__main__":
    main()

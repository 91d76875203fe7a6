"""A process that does one verb with a guest and says how it ended; tests kill it, or run several at once.

Asked to ``die_at`` a number, it kills itself right before its so-many-th call that changes something on the endpoint.
"""

import itertools
import json
import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import libvirt
from oslo_config import cfg

from nova_virt_api.compute.operation import DriverSide, Operation
from nova_virt_api.driver.endpoint import Endpoint
from nova_virt_api.errors import VirtError
from nova_virt_api.model.backup import BackupPoint
from nova_virt_api.model.clone import CloneSpec
from nova_virt_api.model.cloud_init import CloudInit
from nova_virt_api.model.disk import Blank, Disk
from nova_virt_api.model.identity import InstanceRef
from nova_virt_api.model.image import LocalFile, LocalTarget
from nova_virt_api.model.nic import Nic
from nova_virt_api.model.secret import Secret
from nova_virt_api.model.spec import InstanceSpec
from nova_virt_api.model.units import GiB, MiB
from nova_virt_libvirt.driver import LibvirtDriver
from nova_virt_libvirt.options import GROUP, OPTIONS


def make_driver(asked: dict[str, str]) -> LibvirtDriver:
    """A driver as the tests' own."""
    conf = cfg.ConfigOpts()
    conf.register_opts(OPTIONS, group=GROUP)
    conf([], default_config_files=[], default_config_dirs=[])
    options = {"uri": asked["uri"], "pool": asked["pool"], "virt_type": "qemu"}
    if "sockets" in asked:
        options["backup_sockets"] = asked["sockets"]
    for name, value in options.items():
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


CHANGING: dict[type, tuple[str, ...]] = {
    libvirt.virConnect: ("defineXML", "createXML", "restoreFlags"),
    libvirt.virDomain: (
        "create",
        "createWithFlags",
        "destroy",
        "setMetadata",
        "attachDeviceFlags",
        "undefineFlags",
        "snapshotCreateXML",
        "blockCommit",
        "blockJobAbort",
        "backupBegin",
        "abortJob",
        "fsFreeze",
        "fsThaw",
    ),
    libvirt.virDomainCheckpoint: ("delete",),
    libvirt.virStoragePool: ("createXML", "createXMLFrom"),
    libvirt.virStorageVol: ("delete", "upload"),
}


def back_up(driver: LibvirtDriver, guest: InstanceRef, op: Any, asked: dict[str, str]) -> str:
    """A whole backup since a point; returns its own."""
    session = driver.begin_backup(guest, op, since=BackupPoint(asked["since"]))
    driver.read_backup(session, session.disks[0].id, 0, 512)
    driver.finish_backup(guest, session, op)
    return str(session.point)


VERBS: dict[str, Callable[[LibvirtDriver, InstanceRef, Any, dict[str, str]], object]] = {
    "destroy": lambda driver, guest, op, _: driver.destroy(guest, op),
    "back_up": back_up,
    "create_checkpoint": lambda driver, guest, op, _: driver.create_checkpoint(guest, "two", op, memory=True),
    "revert_to_checkpoint": lambda driver, guest, op, _: driver.revert_to_checkpoint(guest, "two", op),
    "delete_checkpoint": lambda driver, guest, op, _: driver.delete_checkpoint(guest, "two", op),
    "snapshot": lambda driver, guest, op, asked: driver.snapshot(guest, LocalTarget(asked["target"]), op),
    "clone": lambda driver, guest, op, asked: driver.clone(
        guest,
        CloneSpec(uuid=UUID(asked["copy"]), name=f"copy-{asked['copy'][:8]}", cloud_init=CloudInit()),
        op,
    ),
    "rescue": lambda driver, guest, op, asked: driver.rescue(
        guest, op, image=LocalFile(asked["image"]), password=Secret("let me in")
    ),
    "unrescue": lambda driver, guest, op, _: driver.unrescue(guest, op),
    "rebuild": lambda driver, guest, op, asked: driver.rebuild(
        guest, op, source=LocalFile(asked["image"]), cloud_init=CloudInit(user_data="#cloud-config\nnew: true\n")
    ),
    "attach_interface": lambda driver, guest, op, asked: driver.attach_interface(
        guest, Nic(network="default", tag=asked["tag"]), op
    ),
    "power_on": lambda driver, guest, op, _: driver.power_on(guest, op),
    "adopt": lambda driver, guest, op, _: driver.adopt(guest, op),
    "release": lambda driver, guest, op, _: driver.release(guest, op),
}


def die_at(number: int) -> None:
    """Kill this process right before its so-many-th call that changes something."""
    calls = itertools.count(1)
    for kind, names in CHANGING.items():
        for name in names:
            setattr(kind, name, dying(getattr(kind, name), calls, number))


def dying(call: Callable[..., Any], calls: Iterator[int], number: int) -> Callable[..., Any]:
    """The same call, but if its turn is that number the process ends."""

    def counted(*arguments: Any) -> Any:
        if next(calls) == number:
            os.kill(os.getpid(), signal.SIGKILL)
        return call(*arguments)

    return counted


def main() -> None:
    """Do what standard input says, once it says ``go``."""
    asked = json.loads(sys.stdin.readline())
    driver = make_driver(asked)
    driver.open()
    if "die_at" in asked:
        die_at(int(asked["die_at"]))
    print("ready", flush=True)  # noqa: T201
    sys.stdin.readline()
    operation: Operation[object] = Operation(asked["verb"], None, timeout=60.0)
    operation.begin()
    try:
        if asked["verb"] == "spawn":
            outcome = str(driver.spawn(make_spec(asked), DriverSide(operation)).uuid)
        else:
            guest = InstanceRef(uuid=UUID(asked["uuid"]))
            outcome = str(VERBS[asked["verb"]](driver, guest, DriverSide(operation), asked))
    except VirtError as error:
        print(error, file=sys.stderr)  # noqa: T201
        outcome = error.code
    print(outcome, flush=True)  # noqa: T201
    driver.close()


if __name__ == "__main__":
    main()

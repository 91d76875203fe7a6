"""Does verbs about volumes, each in a process of its own that kills itself before a certain change of the backend.

Each line of standard input is a verb as JSON; it is answered by ``killed``, or by how the verb ended.
"""

import json
import os
import signal
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from uuid import UUID

import libvirt
from oslo_config import cfg

from nova_virt_api.compute.operation import DriverSide, Operation
from nova_virt_api.driver.endpoint import Endpoint
from nova_virt_api.errors import VirtError
from nova_virt_api.model.identity import InstanceRef
from nova_virt_api.model.image import LocalFile
from nova_virt_api.model.secret import Secret
from nova_virt_api.model.stored_volume import StoredVolumeSpec
from nova_virt_api.model.volume import LuksEncryption, Volume
from nova_virt_api.model.volume_connection import FileVolume
from nova_virt_libvirt.driver import LibvirtDriver
from nova_virt_libvirt.options import GROUP, OPTIONS

CHANGES = {
    libvirt.virConnect: ("secretDefineXML",),
    libvirt.virSecret: ("setValue", "undefine"),
    libvirt.virStoragePool: ("createXML",),
    libvirt.virStorageVol: ("delete",),
    libvirt.virDomain: ("attachDeviceFlags", "detachDeviceFlags", "updateDeviceFlags", "blockCopy", "blockJobAbort"),
}
"""All that the verbs change the backend by."""

STORING = {libvirt.virStorageVol: ("delete", "upload", "resize"), libvirt.virStoragePool: ("createXML",)}
"""The same for volumes of pools."""

Changes = Mapping[type[Any], tuple[str, ...]]


def make_driver(asked: dict[str, Any]) -> LibvirtDriver:
    """A driver as the tests' own."""
    conf = cfg.ConfigOpts()
    conf.register_opts(OPTIONS, group=GROUP)
    conf([], default_config_files=[], default_config_dirs=[])
    for name, value in {"uri": asked["uri"], "pool": asked["pool"]}.items():
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


def volume(asked: dict[str, Any]) -> Volume:
    """The volume that a verb is about."""
    return Volume(
        id=asked["volume"],
        connection=FileVolume(path=asked["path"]),
        encryption=LuksEncryption(passphrase=Secret(asked["passphrase"])),
    )


def die_before(number: int, changes: Changes = CHANGES) -> None:
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

    for kind, names in changes.items():
        for name in names:
            setattr(kind, name, dying(getattr(kind, name)))


def store(driver: LibvirtDriver, asked: dict[str, Any], op: DriverSide) -> str:
    """Do a verb about a volume of a pool."""
    identity, size = UUID(asked["id"]), asked["size"]
    spec = StoredVolumeSpec(name="killed", id=identity, size_bytes=size)
    try:
        match asked["verb"]:
            case "create_volume":
                driver.create_volume(spec, op)
            case "upload_volume":
                driver.upload_volume(spec, LocalFile(asked["image"]), op)
            case "resize_volume":
                driver.resize_volume(identity, size, op)
            case "delete_volume":
                driver.delete_volume(identity, op)
    except VirtError as error:
        return error.code
    return "done"


def do(asked: dict[str, Any]) -> str:
    """Do the verb, in this process."""
    driver = make_driver(asked)
    driver.open()
    operation: Operation[Any] = Operation(asked["verb"], None, timeout=60.0)
    operation.begin()
    op = DriverSide(operation)
    if asked["verb"] in ("create_volume", "upload_volume", "resize_volume", "delete_volume"):
        die_before(asked["number"], STORING)
        return store(driver, asked, op)
    guest = InstanceRef(uuid=UUID(asked["guest"]))
    die_before(asked["number"])
    try:
        if asked["verb"] == "attach_volume":
            driver.attach_volume(guest, volume(asked), op)
        elif asked["verb"] == "detach_volume":
            driver.detach_volume(guest, asked["volume"], op)
        else:
            driver.swap_volume(guest, asked["old"], volume(asked), op)
    except VirtError as error:
        return error.code
    return "done"


def main() -> None:
    """Fork for each verb; a process that has talked to libvirt must not."""
    for line in sys.stdin:
        reader, writer = os.pipe()
        child = os.fork()
        if child == 0:
            status = 1
            try:
                os.write(writer, do(json.loads(line)).encode())
                status = 0
            finally:
                os._exit(status)  # the rest of the input is the parent's
        os.close(writer)
        with os.fdopen(reader) as told:
            outcome = told.read()
        _, status = os.waitpid(child, 0)
        killed = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
        print("killed" if killed else outcome or "failed", flush=True)  # noqa: T201


if __name__ == "__main__":
    main()

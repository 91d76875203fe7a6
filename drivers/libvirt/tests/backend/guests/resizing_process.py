"""A process that does one verb of a resize and kills itself at one of its steps; tests look at what it leaves."""

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
from nova_virt_api.model.secret import Secret
from nova_virt_api.model.size import Size
from nova_virt_api.model.spec import InstanceSpec
from nova_virt_api.model.ticket import Ticket
from nova_virt_api.model.units import MiB
from nova_virt_api.model.volume import LuksEncryption, Volume
from nova_virt_api.model.volume_connection import FileVolume
from nova_virt_libvirt.claims import claim
from nova_virt_libvirt.driver import LibvirtDriver
from nova_virt_libvirt.options import GROUP, OPTIONS
from nova_virt_libvirt.resize import arrival, fetch, here, host_state, live, parts
from nova_virt_libvirt.storage import pools

STEPS = {
    "create": (pools.Pool, "create"),
    "copy": (pools.Pool, "create_standalone"),
    "remove": (pools.Pool, "remove"),
    "write": (pools.Volume, "write"),
    "mark": (here, "write_mark"),
    "arrive": (arrival, "write_mark"),
    "define": (here, "text_of"),
    "assemble": (parts, "text_of"),
    "pass on": (fetch, "pass_on"),
    "grow": (parts, "grow"),
    "claim": (claim.Claim, "encode"),
    "change CPUs": (libvirt.virDomain, "setVcpusFlags"),
    "change memory": (libvirt.virDomain, "updateDeviceFlags"),
    "tell": (live, "write_mark"),
    "define secret": (libvirt.virConnect, "secretDefineXML"),
    "set secret": (libvirt.virSecret, "setValue"),
    "forget secret": (libvirt.virSecret, "undefine"),
}
"""What is done to the endpoint, by a word."""

STEPS_OF_STATE = {
    "ask": (libvirt.virConnect, "domainXMLToNative"),
    "open": (libvirt.virConnect, "storagePoolCreateXML"),
    "close": (libvirt.virStoragePool, "destroy"),
    "define": (libvirt.virConnect, "defineXML"),
    "start": (libvirt.virDomain, "createWithFlags"),
    "stop": (libvirt.virDomain, "destroy"),
    "remove": (libvirt.virStorageVol, "delete"),
    "make": (libvirt.virStoragePool, "createXML"),
    "pass on": (host_state, "pass_on"),
    "arrive": (arrival, "write_mark"),
}
"""What is done for what libvirt keeps of a guest."""


def make_driver(asked: dict[str, Any]) -> LibvirtDriver:
    """A driver as the tests' own."""
    conf = cfg.ConfigOpts()
    conf.register_opts(OPTIONS, group=GROUP)
    conf([], default_config_files=[], default_config_dirs=[])
    for name, value in {"pool": "nova-virt", "virt_type": "qemu", **asked["options"]}.items():
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


def spec_of(asked: dict[str, Any]) -> InstanceSpec | None:
    """The guest with its encrypted volume, if it has one."""
    if "luks" not in asked:
        return None
    found = asked["luks"]
    volume = Volume(
        id=found["id"],
        connection=FileVolume(path=found["path"]),
        encryption=LuksEncryption(passphrase=Secret(found["passphrase"])),
    )
    return InstanceSpec(uuid=UUID(asked["guest"]), name="killed", memory_bytes=MiB(16), volumes=[volume])


def die_at(number: int, steps: dict[str, tuple[Any, str]]) -> None:
    """Kill this process when so many of these steps were taken; every second time the step itself is still done."""
    taken = 0

    def counted(done: Any) -> Any:
        def step(*arguments: Any, **more: Any) -> Any:
            nonlocal taken
            taken += 1
            if taken == number:
                os.kill(os.getpid(), signal.SIGKILL)
            result = done(*arguments, **more)
            taken += 1
            if taken == number:
                os.kill(os.getpid(), signal.SIGKILL)
            return result

        return step

    for owner, name in steps.values():
        setattr(owner, name, counted(getattr(owner, name)))


def main() -> None:
    """Do what standard input says."""
    asked = json.load(sys.stdin)
    driver = make_driver(asked)
    driver.open()
    die_at(asked["step"], STEPS_OF_STATE if asked.get("of") == "state" else STEPS)
    operation: Operation[object] = Operation(asked["verb"], None, timeout=60.0)
    operation.begin()
    op, guest = DriverSide(operation), InstanceRef(uuid=UUID(asked["guest"]))
    verbs: dict[str, Callable[[], object]] = {
        "resize": lambda: driver.resize(guest, Size.decode(asked["size"]), op),
        "resize live": lambda: driver.resize_live(guest, Size.decode(asked["size"]), op),
        "prepare": lambda: driver.prepare_resize(guest, Size.decode(asked["size"]), op),
        "finish": lambda: driver.finish_resize(Ticket.decode(asked["ticket"]), op, spec=spec_of(asked)),
        "confirm": lambda: driver.confirm_resize(guest, op),
        "revert": lambda: driver.revert_resize(guest, op),
    }
    verbs[asked["verb"]]()
    driver.close()


if __name__ == "__main__":
    main()

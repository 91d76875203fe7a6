"""A process where the tests' own libvirtd is, so that os-vif makes ports there; does one verb for each line it reads.

Asked to ``die`` at a moment, ``plug`` or ``unplug``, ``before`` or ``after``, it kills itself then.
"""

import json
import os
import signal
import sys
from collections.abc import Callable
from typing import Any
from uuid import UUID

import os_vif

import nova_virt_api as virt


def dying(call: Callable[..., None], moment: str) -> Callable[..., None]:
    """The same call, but the process ends before or after it."""

    def last(*arguments: Any) -> None:
        if moment == "after":
            call(*arguments)
        os.kill(os.getpid(), signal.SIGKILL)

    return last


def nic_of(asked: dict[str, Any]) -> virt.Nic:
    """The interface that is asked for."""
    return virt.Nic(binding=virt.OpaquePort(kind=asked.get("kind", "os-vif"), properties=asked["properties"]))


def spawn(compute: virt.Compute, asked: dict[str, Any]) -> object:
    """A guest with one such interface, started."""
    spec = virt.InstanceSpec(
        uuid=UUID(asked["uuid"]),
        name=f"plugged-{asked['uuid'][:8]}",
        memory_bytes=virt.MiB(16),
        vcpus=1,
        disks=[virt.Disk(source=virt.Blank(), size_bytes=virt.MiB(16))],
        nics=[nic_of(asked)] if "properties" in asked else [],
        power_on=asked.get("power_on", True),
    )
    return compute.spawn(spec).power_state.name


def image_of(asked: dict[str, Any]) -> virt.LocalFile:
    """The image that is asked for."""
    return virt.LocalFile(asked["image"], virt.ImageFormat.RAW)


def answer(compute: virt.Compute, asked: dict[str, Any]) -> object:
    """Do one verb."""
    if asked["verb"] == "spawn":
        return spawn(compute, asked)
    guest = UUID(asked["uuid"])
    verb: Callable[[], object] = {
        "attach": lambda: compute.attach_interface(guest, nic_of(asked)).id,
        "detach": lambda: compute.detach_interface(guest, asked["mac"]),
        "stop": lambda: compute.power_off(guest, mode=virt.PowerOff.HARD),
        "start": lambda: compute.power_on(guest),
        "rescue": lambda: compute.rescue(guest, image=image_of(asked)),
        "unrescue": lambda: compute.unrescue(guest),
        "rebuild": lambda: compute.rebuild(guest, source=image_of(asked)).power_state.name,
        "destroy": lambda: compute.destroy(guest),
        "leftovers": lambda: sorted({leftover.kind for leftover in compute.leftovers()}),
    }[asked["verb"]]
    return verb()


def main() -> None:
    """Do what standard input says."""
    options = json.loads(sys.argv[1])
    if len(sys.argv) > 2:
        moment, call = sys.argv[2:]
        setattr(os_vif, call, dying(getattr(os_vif, call), moment))
    with virt.connect("libvirt", **options) as compute:
        print("ready", flush=True)  # noqa: T201
        for line in sys.stdin:
            try:
                found = answer(compute, json.loads(line))
            except virt.VirtError as error:
                found = f"{error.code}: {error}"
            print(json.dumps(found), flush=True)  # noqa: T201


if __name__ == "__main__":
    main()

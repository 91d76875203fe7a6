"""A process where the tests' own libvirtd is, so that os-vif makes ports there; does one verb for each line it reads.

Asked to ``die`` at a moment, ``plug`` or ``unplug``, ``before`` or ``after``, it kills itself then; asked for ``step``
and a number, before or after one of its steps.
"""

import json
import os
import signal
import sys
from collections.abc import Callable
from typing import Any
from uuid import UUID

import libvirt
import os_vif

import nova_virt_api as virt
from nova_virt_api.driver.live_migration import LiveMigration
from nova_virt_libvirt.network.prepared_ports import PreparedPorts

STEPS = (
    (os_vif, "plug"),
    (os_vif, "unplug"),
    (PreparedPorts, "forget"),
    (libvirt.virConnect, "defineXML"),
    (libvirt.virDomain, "undefineFlags"),
    (libvirt.virDomain, "migrate3"),
)
"""What is done to ports, and to what tells of them."""


def dying(call: Callable[..., None], moment: str) -> Callable[..., None]:
    """The same call, but the process ends before or after it."""

    def last(*arguments: Any) -> None:
        if moment == "after":
            call(*arguments)
        os.kill(os.getpid(), signal.SIGKILL)

    return last


def die_at(number: int) -> None:
    """Kill this process when so many steps were taken; every second time the step itself is still done."""
    taken = 0

    def take() -> None:
        nonlocal taken
        taken += 1
        if taken == number:
            os.kill(os.getpid(), signal.SIGKILL)

    def counted(done: Callable[..., Any]) -> Callable[..., Any]:
        def step(*arguments: Any, **more: Any) -> Any:
            take()
            result = done(*arguments, **more)
            take()
            return result

        return step

    for owner, name in STEPS:
        setattr(owner, name, counted(getattr(owner, name)))


def nic_of(asked: dict[str, Any]) -> virt.Nic:
    """The interface that is asked for."""
    return virt.Nic(binding=virt.OpaquePort(kind=asked.get("kind", "os-vif"), properties=asked["properties"]))


def nics_of(asked: dict[str, Any]) -> list[virt.Nic] | None:
    """The interfaces that are asked for; None if nothing is said of them."""
    return [nic_of(asked)] if "properties" in asked else None


def spec_of(asked: dict[str, Any]) -> virt.InstanceSpec | None:
    """What the guest is to be where its resize is finished."""
    if "properties" not in asked:
        return None
    return virt.InstanceSpec(
        uuid=UUID(asked["uuid"]), name="moved", vcpus=1, memory_bytes=virt.MiB(16), nics=[nic_of(asked)], power_on=True
    )


def phase(asked: dict[str, Any]) -> Callable[[LiveMigration, Any], Any]:
    """A phase of a live migration."""
    guest = virt.InstanceRef(uuid=UUID(asked["uuid"]))
    ticket: Any = virt.Ticket.decode(asked["ticket"]) if "ticket" in asked else None
    calls: dict[str, Callable[[LiveMigration, Any], Any]] = {
        "check_destination": lambda role, op: role.check_destination(guest, op),
        "check_source": lambda role, op: role.check_source(guest, ticket, op),
        "prepare": lambda role, op: role.prepare(ticket, op, nics=nics_of(asked)),
        "migrate": lambda role, op: role.migrate(guest, ticket, op),
        "finish_source": lambda role, op: role.finish_source(guest, ticket, op),
        "finish_destination": lambda role, op: role.finish_destination(guest, op).power_state.name,
        "rollback_source": lambda role, op: role.rollback_source(guest, ticket, op),
        "rollback_destination": lambda role, op: role.rollback_destination(ticket, op),
    }
    return calls[asked["phase"]]


def live(compute: virt.Compute, asked: dict[str, Any]) -> object:
    """Do it."""
    found: object = compute.perform(UUID(asked["uuid"]), LiveMigration, phase(asked), timeout=100)
    return found.encode() if isinstance(found, virt.Ticket) else found


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
        "live": lambda: live(compute, asked),
        "resize": lambda: compute.prepare_resize(guest, virt.Size()).encode(),
        "finish": lambda: (
            compute.finish_resize(
                virt.Ticket.decode(asked["ticket"]), spec=spec_of(asked), timeout=100
            ).power_state.name
        ),
        "confirm": lambda: compute.confirm_resize(guest),
        "revert": lambda: compute.revert_resize(guest, nics=nics_of(asked), power_on=True),
        "release": lambda: compute.release(guest),
        "destroy": lambda: compute.destroy(guest),
        "leftovers": lambda: sorted({leftover.kind for leftover in compute.leftovers()}),
    }[asked["verb"]]
    return verb()


def main() -> None:
    """Do what standard input says."""
    options = json.loads(sys.argv[1])
    match sys.argv[2:]:
        case ["step", number]:
            die_at(int(number))
        case [moment, call]:
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

"""A guest whose QEMU stands still: whoever wants to change it gets an answer when his time is over."""

import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

import nova_virt_api as virt
from nova_virt_api.compute.operation import DriverSide, Operation
from nova_virt_api.errors import VirtError
from nova_virt_api.model.instance import PowerOff
from nova_virt_api.model.nic import Nic
from nova_virt_api.model.size import Size
from nova_virt_libvirt.rig.processes import standing_still

MAC = "52:54:00:aa:bb:07"
SECONDS = 3.0
PATIENCE = 60.0


def answer(run: Callable[..., Any], verb: Callable[..., Any], *arguments: Any) -> VirtError:
    """The error of a verb that has little time; fails if it goes on without end."""
    found: list[VirtError] = []

    def ask() -> None:
        try:
            run(verb, *arguments, timeout=SECONDS)
        except VirtError as error:
            found.append(error)

    asking = threading.Thread(target=ask, daemon=True)
    asking.start()
    asking.join(PATIENCE)
    assert not asking.is_alive(), f"{verb.__name__} goes on and on"
    assert found, f"{verb.__name__} says that it was done"
    return found[0]


@pytest.mark.timeout(300)
def test_whoever_waits_for_it_is_told_in_time(spawn: Any, make_spec: Any, driver: Any, run: Any) -> None:
    guest = spawn(make_spec(power_on=True, max_vcpus=4, nics=[Nic(mac=MAC)]))
    with standing_still(guest.uuid):
        for verb, *arguments in (
            (driver.resize_live, guest.ref, Size(vcpus=2)),
            (driver.attach_interface, guest.ref, Nic(network="default")),
            (driver.detach_interface, guest.ref, MAC),
        ):
            assert answer(run, verb, *arguments).code == "timeout", verb
    run(driver.power_off, guest.ref, mode=PowerOff.HARD, grace_seconds=0.0)
    run(driver.power_on, guest.ref)


@pytest.mark.timeout(200)
def test_destroying_it_waits_for_nobody_who_waits_for_it(
    spawn: Any, make_spec: Any, driver: Any, run: Any, traces: Any, eventually: Any
) -> None:
    """A verb that holds the guest's claim meanwhile, and asks QEMU for something that it never answers."""
    guest = spawn(make_spec(power_on=True))
    checkpoint = Operation[Any]("create_checkpoint", None)

    def create() -> None:
        assert checkpoint.begin()
        with suppress(VirtError):
            driver.create_checkpoint(guest.ref, "one", op=DriverSide(checkpoint))

    creating = threading.Thread(target=create, daemon=True)
    with standing_still(guest.uuid):
        creating.start()
        eventually(lambda: "keep the disks" in checkpoint.stage, "it asks QEMU")
        assert run(driver.destroy, guest.ref, timeout=PATIENCE)
        creating.join(PATIENCE)
    assert not creating.is_alive()
    assert traces.of(guest.uuid) == []


@pytest.mark.timeout(200)
def test_destroying_it_overtakes_what_was_given_up(daemon: Any, raw: Any, tmp_path: Path) -> None:
    with virt.connect(
        "libvirt", uri=daemon.uri, pool="nova-virt", cache_dir=tmp_path / "cache", state_dir=tmp_path / "state"
    ) as compute:
        disks = [virt.Disk(source=virt.Blank(), size_bytes=virt.MiB(1))]
        guest = compute.spawn(virt.InstanceSpec(uuid=uuid4(), name="hung", memory_bytes=virt.MiB(16), disks=disks))
        with standing_still(guest.uuid):
            with pytest.raises(virt.Timeout):
                compute.pause(guest, timeout=SECONDS)
            assert compute.destroy(guest, timeout=PATIENCE)
        assert not compute.destroy(guest, timeout=PATIENCE)

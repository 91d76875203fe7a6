"""Volumes that the host connects for guests: they come and go with them, and nothing of them is left."""

import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from typing import Any
from uuid import uuid4

import libvirt
import libvirt_qemu
import pytest
from lxml import etree

from nova_virt_api.capability import Feature
from nova_virt_api.compute.operation import DriverSide, Operation
from nova_virt_api.errors import (
    Busy,
    InvalidSpec,
    MigrationError,
    NotSupported,
    StateAfter,
    Timeout,
    VolumeError,
)
from nova_virt_api.model.disk import Disk
from nova_virt_api.model.host_connection import HostConnection
from nova_virt_api.model.image import LocalFile
from nova_virt_api.model.instance import PowerOff
from nova_virt_api.model.size import Size
from nova_virt_api.model.volume import Volume
from nova_virt_api.model.volume_connection import FileVolume
from nova_virt_libvirt.claims.guest_claim import claimed
from nova_virt_libvirt.host_connections.attachment import connect, connected_of
from nova_virt_libvirt.host_connections.initiator import Initiator
from nova_virt_libvirt.migration.plan import refuse_tied
from nova_virt_libvirt.volumes import role as volumes

CONFIG = libvirt.VIR_DOMAIN_XML_INACTIVE


def write(native: Any, guest: Any, disk: Any, text: bytes) -> None:
    """Write the first bytes of a disk through the guest's own QEMU, in place of the guest."""
    domain = native.lookupByUUID(guest.uuid.bytes)
    device = f"/machine/peripheral/{disk.find('alias').get('name')}/virtio-backend"
    command = f'qemu-io -d {device} "write -P {text[0]} 0 512"'
    told = libvirt_qemu.qemuMonitorCommand(domain, command, libvirt_qemu.VIR_DOMAIN_QEMU_MONITOR_COMMAND_HMP)
    assert "wrote 512" in told or not told.strip(), told


def check_gone(fabric: Any, kept: Callable[[], list[str]], native: Any, guest: Any) -> None:
    """See that nothing tells of a volume any more."""
    assert fabric.used() == []
    assert kept() == []
    assert "os-brick" not in native.lookupByUUID(guest.uuid.bytes).XMLDesc(CONFIG)


@pytest.mark.timeout(120)
@pytest.mark.parametrize("power_on", [True, False], ids=["running", "stopped"])
def test_a_volume_comes_and_goes(
    power_on: bool, fabric: Any, spawn: Any, driver: Any, run: Any, native: Any, disks: Any, kept: Any
) -> None:
    guest, volume = spawn(power_on=power_on).ref, fabric.volume()
    attached = [run(driver.attach_volume, guest, volume) for _ in range(2)]
    assert attached[0] == attached[1]
    assert driver.volumes(guest) == (attached[0],)
    (device,) = fabric.devices(volume)
    for flags in (0, CONFIG):
        disk = disks(guest, flags)[-1]
        assert (disk.get("type"), disk.find("source").get("dev")) == ("block", device)
        assert disk.findtext("serial") == volume.id
    assert "fabric-secret" not in native.lookupByUUID(guest.uuid.bytes).XMLDesc(libvirt.VIR_DOMAIN_XML_SECURE)
    run(driver.power_on, guest)
    write(native, guest, disks(guest)[-1], b"g")
    assert fabric.file(volume).read_bytes()[:512] == b"g" * 512
    run(driver.power_off, guest, mode=PowerOff.HARD, grace_seconds=0)
    assert fabric.devices(volume) == [device]
    if power_on:
        run(driver.power_on, guest)
        native.lookupByUUID(guest.uuid.bytes).destroy()  # without a system it lets go of no disk
    for _ in range(2):
        run(driver.detach_volume, guest, volume.id)
    assert driver.volumes(guest) == ()
    check_gone(fabric, kept, native, guest)


@pytest.mark.timeout(120)
def test_a_guest_is_made_with_a_volume(
    fabric: Any, spawn: Any, spec: Any, driver: Any, run: Any, native: Any, disks: Any, kept: Any
) -> None:
    volume = fabric.volume(boot=True)
    wanted = spec(volumes=[volume])
    guest = run(driver.spawn, wanted).ref
    assert run(driver.spawn, wanted).ref == guest
    assert [one.id for one in driver.volumes(guest)] == [volume.id]
    (device,) = fabric.devices(volume)
    assert device in {disk.find("source").get("dev") for disk in disks(guest)}
    run(driver.power_off, guest, mode=PowerOff.HARD, grace_seconds=0)
    subprocess.run(["losetup", "--detach", device], check=True)  # as a restart of the host does
    other = fabric.volume()
    subprocess.run(["losetup", device, str(fabric.file(other))], check=True)  # what has its name now is another's
    run(driver.power_on, guest)
    (again,) = fabric.devices(volume)
    assert again != device
    assert again in {disk.find("source").get("dev") for disk in disks(guest)}
    subprocess.run(["losetup", "--detach", device], check=True)
    assert [run(driver.destroy, guest) for _ in range(2)] == [True, False]
    assert (fabric.used(), kept()) == ([], [])


def test_a_shared_device_goes_with_the_last_guest(
    fabric: Any, spawn: Any, driver: Any, run: Any, native: Any, kept: Any
) -> None:
    volume = fabric.volume(shared=True)
    first, second, third = (spawn(power_on=False).ref for _ in range(3))
    for guest in (first, second, third):
        run(driver.attach_volume, guest, volume)
    assert len(fabric.devices(volume)) == 1
    run(driver.detach_volume, first, volume.id)
    assert len(fabric.devices(volume)) == 1
    run(driver.destroy, second)
    assert len(fabric.devices(volume)) == 1
    run(driver.detach_volume, third, volume.id)
    check_gone(fabric, kept, native, third)


def test_what_cannot_be_connected_leaves_nothing(
    fabric: Any, spawn: Any, spec: Any, driver: Any, run: Any, native: Any, kept: Any
) -> None:
    guest = spawn(power_on=False).ref
    wrong, missing, unknown = fabric.volume(password="wrong-4711"), fabric.volume(), fabric.volume()
    fabric.file(missing).unlink()
    for volume in (wrong, missing):
        with pytest.raises(VolumeError) as caught:
            run(driver.attach_volume, guest, volume)
        assert volume.id in str(caught.value)
        assert "wrong-4711" not in str(caught.value)
        assert caught.value.state_after is StateAfter.UNCHANGED
        check_gone(fabric, kept, native, guest)
        doomed = spec(volumes=[volume])
        with pytest.raises(VolumeError):
            run(driver.spawn, doomed)
        assert (driver.leftovers(), kept(), fabric.used()) == ([], [], [])
    refused = replace(unknown, connection=HostConnection(protocol="pigeon", properties="{}"))
    with pytest.raises(InvalidSpec, match="fibre_channel"):
        run(driver.attach_volume, guest, refused)
    with pytest.raises(InvalidSpec, match=r"volumes\[0\].connection"):
        run(driver.spawn, spec(volumes=[refused]))


def test_a_device_that_stays_is_told_and_goes_later(
    fabric: Any, spawn: Any, driver: Any, run: Any, native: Any, kept: Any
) -> None:
    guest, volume = spawn(power_on=False).ref, fabric.volume()
    run(driver.attach_volume, guest, volume)
    stuck = fabric.file(volume).with_name(f"{fabric.file(volume).name}.stuck")
    stuck.touch()
    for verb, names in ((driver.detach_volume, (volume.id,)), (driver.destroy, ())):
        with pytest.raises(VolumeError, match="busy") as caught:
            run(verb, guest, *names)
        assert [(one.kind, one.name) for one in caught.value.leftovers] == [("connection", volume.id)]
    stuck.unlink()
    assert run(driver.destroy, guest) is True
    assert (fabric.used(), kept()) == ([], [])


def test_a_grown_volume_is_seen(fabric: Any, spawn: Any, driver: Any, run: Any, native: Any) -> None:
    guest, volume = spawn().ref, fabric.volume()
    device = run(driver.attach_volume, guest, volume).device
    size = 2 * fabric.file(volume).stat().st_size
    with fabric.file(volume).open("r+b") as file:
        file.truncate(size)
    for _ in range(2):
        run(driver.extend_volume, guest, volume.id, size)
    assert native.lookupByUUID(guest.uuid.bytes).blockInfo(device)[0] == size


@pytest.mark.timeout(120)
def test_a_swap_disconnects_what_is_not_used(
    fabric: Any, spawn: Any, driver: Any, run: Any, native: Any, disks: Any, kept: Any, tmp_path: Any
) -> None:
    guest, first, second, tiny = spawn().ref, fabric.volume(), fabric.volume(), fabric.volume(512)
    run(driver.attach_volume, guest, first)
    write(native, guest, disks(guest)[-1], b"s")
    with pytest.raises(VolumeError):
        run(driver.swap_volume, guest, first.id, tiny)
    assert [len(fabric.devices(one)) for one in (first, tiny)] == [1, 0]
    assert run(driver.swap_volume, guest, first.id, second).id == second.id
    assert [len(fabric.devices(one)) for one in (first, second)] == [0, 1]
    assert fabric.file(second).read_bytes()[:512] == b"s" * 512
    plain = Volume(id=str(uuid4()), connection=FileVolume(path=str(tmp_path / "plain.raw")))
    (tmp_path / "plain.raw").write_bytes(bytes(fabric.file(second).stat().st_size))
    assert run(driver.swap_volume, guest, second.id, plain).id == plain.id
    check_gone(fabric, kept, native, guest)


def test_the_host_can_log_in_until_it_has_left_a_swapped_volume(
    fabric: Any, spawn: Any, driver: Any, run: Any, loops: Any, kept: Any
) -> None:
    guest, first, second = spawn().ref, fabric.volume(), fabric.volume()
    run(driver.attach_volume, guest, first)
    loops.DISCONNECTED.clear()
    run(driver.swap_volume, guest, first.id, second)
    assert loops.DISCONNECTED == [loops.PASSWORD]
    assert len(kept()) == 1


def test_what_may_still_be_being_connected_for_a_swap_is_not_waited_for(
    fabric: Any, spawn: Any, driver: Any, run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def late(*arguments: Any) -> None:
        connect(*arguments)
        raise Timeout("connect", state_after=StateAfter.UNKNOWN)  # as if it went on

    guest, first, second = spawn().ref, fabric.volume(), fabric.volume()
    run(driver.attach_volume, guest, first)
    with monkeypatch.context() as patched:
        patched.setattr(volumes, "connect", late)
        with pytest.raises(Timeout):
            run(driver.swap_volume, guest, first.id, second)
    assert len(fabric.devices(second)) == 1
    run(driver.swap_volume, guest, first.id, second)
    assert fabric.devices(first) == []


def test_os_brick_itself_takes_a_device_that_is_there(
    fabric: Any, spawn: Any, driver: Any, run: Any, native: Any, disks: Any, loops: Any
) -> None:
    """The connector ``local``, of os-brick's own."""
    hidden = fabric.volume()
    device = loops.losetup("--find", "--show", str(fabric.file(hidden)))
    try:
        way = HostConnection.of("local", {"device_path": device})
        guest, volume = spawn().ref, replace(hidden, connection=way)
        run(driver.attach_volume, guest, volume)
        write(native, guest, disks(guest)[-1], b"l")
        assert fabric.file(hidden).read_bytes()[:512] == b"l" * 512
        run(driver.extend_volume, guest, volume.id, fabric.file(hidden).stat().st_size)
        run(driver.destroy, guest)
    finally:
        loops.losetup("--detach", device)


def test_a_guest_with_such_a_volume_stays_on_its_host(
    fabric: Any, spawn: Any, driver: Any, run: Any, native: Any
) -> None:
    guest, volume = spawn().ref, fabric.volume()
    run(driver.attach_volume, guest, volume)
    definition = etree.fromstring(native.lookupByUUID(guest.uuid.bytes).XMLDesc(0))
    with pytest.raises(MigrationError, match=volume.id):
        refuse_tied(driver.domains.owned(guest), definition)


@pytest.mark.timeout(120)
def test_a_resized_guest_keeps_its_volume(
    fabric: Any, spawn: Any, spec: Any, driver: Any, run: Any, native: Any, kept: Any
) -> None:
    guest, volume, other = spawn(power_on=False).ref, fabric.volume(), fabric.volume()
    run(driver.attach_volume, guest, volume)
    ticket = run(driver.prepare_resize, guest, Size(vcpus=2))
    unlike = spec(uuid=guest.uuid, vcpus=2, volumes=[other])
    with pytest.raises(NotSupported, match=other.id):
        run(driver.finish_resize, ticket, spec=unlike)
    run(driver.finish_resize, ticket, spec=replace(unlike, volumes=(volume,)))
    assert [one.id for one in driver.volumes(guest)] == [volume.id]
    run(driver.confirm_resize, guest)
    run(driver.power_on, guest)
    assert len(fabric.devices(volume)) == 1
    run(driver.destroy, guest)
    assert (fabric.used(), kept()) == ([], [])


@pytest.mark.timeout(120)
def test_a_volume_that_a_resize_leaves_out_is_disconnected(
    fabric: Any, spawn: Any, spec: Any, driver: Any, run: Any, native: Any, kept: Any
) -> None:
    guest, volume = spawn(power_on=False).ref, fabric.volume()
    run(driver.attach_volume, guest, volume)
    ticket = run(driver.prepare_resize, guest, Size(vcpus=2))
    run(driver.finish_resize, ticket, spec=spec(uuid=guest.uuid, vcpus=2))
    assert len(fabric.devices(volume)) == 1, "a revert would need it"
    run(driver.confirm_resize, guest)
    check_gone(fabric, kept, native, guest)


def test_what_is_no_disk_of_the_guest_is_not_connected_again(fabric: Any, spawn: Any, driver: Any, run: Any) -> None:
    """Somebody who was killed wrote it down; by now another host may have it."""
    guest, volume = spawn(power_on=False).ref, fabric.volume()
    connected_of(driver.site, driver.domains.owned(guest)).begin(volume, volume.connection)
    run(driver.power_on, guest)
    assert fabric.devices(volume) == []


def test_a_start_connects_nothing_while_somebody_else_changes_the_guest(
    fabric: Any, spawn: Any, driver: Any, run: Any
) -> None:
    guest, volume = spawn(power_on=False).ref, fabric.volume()
    run(driver.attach_volume, guest, volume)
    (device,) = fabric.devices(volume)
    subprocess.run(["losetup", "--detach", device], check=True)
    operation: Operation[Any] = Operation("", guest.uuid, timeout=120.0)
    with claimed(driver.site, driver.domains.owned(guest), DriverSide(operation)):
        with pytest.raises((Busy, Timeout)):
            run(driver.power_on, guest, timeout=2.0)
        assert fabric.devices(volume) == []
    run(driver.power_on, guest)
    assert len(fabric.devices(volume)) == 1


@pytest.mark.timeout(180)
@pytest.mark.parametrize("verb", ["rescue", "resize", "rebuild"])
def test_every_start_connects_what_a_restart_of_the_host_took(
    verb: str, fabric: Any, spawn: Any, spec: Any, driver: Any, run: Any, disks: Any, image: Any
) -> None:
    guest, volume = spawn(disks=[Disk(source=LocalFile(image))]).ref, fabric.volume()
    run(driver.attach_volume, guest, volume)
    run(driver.power_off, guest, mode=PowerOff.HARD, grace_seconds=0)
    (device,) = fabric.devices(volume)
    subprocess.run(["losetup", "--detach", device], check=True)
    other = fabric.volume()
    subprocess.run(["losetup", device, str(fabric.file(other))], check=True)  # what has its name now is another's
    try:
        match verb:
            case "rescue":
                run(driver.rescue, guest, image=LocalFile(image))
            case "resize":
                ticket = run(driver.prepare_resize, guest, Size())
                own = [Disk(source=LocalFile(image))]
                wanted = spec(uuid=guest.uuid, disks=own, volumes=[volume], power_on=True)
                run(driver.finish_resize, ticket, spec=wanted)
            case "rebuild":
                run(driver.rebuild, guest)
        (again,) = fabric.devices(volume)
        assert again in {disk.find("source").get("dev") for disk in disks(guest)}
    finally:
        subprocess.run(["losetup", "--detach", device], check=True)


def test_a_guest_is_not_released_with_such_a_volume(fabric: Any, spawn: Any, driver: Any, run: Any) -> None:
    guest, volume = spawn(power_on=False).ref, fabric.volume()
    run(driver.attach_volume, guest, volume)
    with pytest.raises(NotSupported, match=volume.id):
        run(driver.release, guest)
    run(driver.detach_volume, guest, volume.id)
    assert driver.instance(guest, fresh=True).owned


def test_who_may_connect(driver: Any) -> None:
    assert driver.capabilities().answers[Feature.HOST_CONNECTIONS].available
    away = Initiator(uri="qemu+ssh://root@host2/system", root_helper=None, multipath=False)
    assert "hypervisor's host" in away.refusal
    assert away.told() == {}
    with pytest.raises(VolumeError, match="v1"):
        away.disconnect("v1", "local", {}, None)


def test_nobody_is_patched_and_nothing_is_loaded_early() -> None:
    """A program that imports the driver, and one that connects volumes, has its own sockets and threads."""
    text = """
import sys
import nova_virt_libvirt.driver
assert not {"os_brick", "eventlet"} & set(sys.modules)
from nova_virt_libvirt.host_connections.initiator import Initiator
import socket, threading
plain = socket.socket, threading.Thread
Initiator(uri="qemu:///system", root_helper=None, multipath=True).told()
assert (socket.socket, threading.Thread) == plain
if "eventlet" in sys.modules:
    from eventlet import patcher
    assert not any(patcher.is_monkey_patched(name) for name in ("socket", "thread", "time", "os", "select"))
assert threading.active_count() == 1, threading.enumerate()
"""
    subprocess.run([sys.executable, "-c", text], check=True, timeout=60)

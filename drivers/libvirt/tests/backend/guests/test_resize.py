"""Giving guests another size at one endpoint, and the way back."""

import subprocess
from pathlib import Path
from typing import Any

import libvirt
import pytest
from lxml import etree

from nova_virt_api.driver.operation import Stage
from nova_virt_api.errors import Cancelled, InvalidSpec, InvalidState, MigrationError, NoCapacity, StorageError
from nova_virt_api.model.disk import Blank, Disk
from nova_virt_api.model.image import LocalFile
from nova_virt_api.model.instance import Lifecycle, PowerOff, PowerState
from nova_virt_api.model.nic import Nic
from nova_virt_api.model.size import Size
from nova_virt_api.model.spec import Firmware
from nova_virt_api.model.ticket import Ticket
from nova_virt_api.model.units import GiB, MiB
from nova_virt_libvirt.resize import here as resize_here

MAC = "52:54:00:aa:bb:07"


class Disks:
    """What is on guests' disks, looked at and changed as the guest would."""

    def __init__(self, native: Any, daemon: Any) -> None:
        self._native = native
        self._daemon = daemon

    def paths(self, guest: Any) -> list[Path]:
        """Files of the guest's disks, in order."""
        xml = self._native.lookupByUUID(guest.uuid.bytes).XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE)
        return [Path(str(path)) for path in etree.fromstring(xml).xpath("devices/disk/source/@file")]

    def write(self, guest: Any, pattern: int) -> None:
        """Fill the first mebibyte of the boot disk."""
        self._io(guest, f"write -P {pattern} 0 1M")

    def holds(self, guest: Any, pattern: int) -> bool:
        """Whether the first mebibyte of the boot disk is that."""
        return "Pattern verification failed" not in self._io(guest, f"read -P {pattern} 0 1M")

    def sizes(self, guest: Any) -> list[int]:
        """Sizes as the guest sees them."""
        pool = self._native.storagePoolLookupByName("nova-virt")
        return [pool.storageVolLookupByName(path.name).info()[1] for path in self.paths(guest)]

    def _io(self, guest: Any, command: str) -> str:
        path = self.paths(guest)[0]
        done = subprocess.run(
            ["qemu-io", "-f", "qcow2", "-c", command, str(path)], check=False, capture_output=True, text=True
        )
        assert not done.stderr, done.stderr
        return done.stdout


@pytest.fixture
def disks(native: Any, daemon: Any) -> Disks:
    """What is on guests' disks."""
    return Disks(native, daemon)


def definition(native: Any, guest: Any) -> Any:
    flags = libvirt.VIR_DOMAIN_XML_INACTIVE | libvirt.VIR_DOMAIN_XML_SECURE
    return etree.fromstring(native.lookupByUUID(guest.uuid.bytes).XMLDesc(flags))


def shape(native: Any, guest: Any) -> str:
    """The definition without what differs from mark to mark."""
    root = definition(native, guest)
    root.remove(root.find("metadata"))
    return etree.tostring(root, encoding="unicode")


def test_guest_is_resized_and_confirmed(
    spawn: Any, make_spec: Any, driver: Any, run: Any, disks: Any, image: Any, traces: Any
) -> None:
    blank = Disk(source=Blank(), size_bytes=GiB(1))
    guest = spawn(make_spec(disks=[Disk(source=LocalFile(image)), blank], labels={"a": "b"}))
    disks.write(guest, 7)
    size = Size(vcpus=3, memory_bytes=MiB(48), disks=[MiB(96)])
    for _ in range(2):
        resized = run(driver.resize, guest.ref, size)
    assert (resized.vcpus, resized.memory_bytes, resized.labels) == (3, MiB(48), guest.labels)
    assert (resized.lifecycle, resized.power_state) == (Lifecycle.RESIZE_PENDING, PowerState.SHUTDOWN)
    assert disks.sizes(guest) == [MiB(96), GiB(1)]
    assert disks.holds(guest, 7)
    run(driver.power_on, guest.ref)
    run(driver.confirm_resize, guest.ref)
    run(driver.confirm_resize, guest.ref)
    confirmed = driver.instance(guest.ref, fresh=True)
    assert (confirmed.lifecycle, confirmed.power_state) == (Lifecycle.READY, PowerState.RUNNING)
    run(driver.revert_resize, guest.ref)
    assert driver.instance(guest.ref, fresh=True) is confirmed
    assert not driver.leftovers()
    run(driver.destroy, guest.ref)
    assert not traces.of(guest.uuid)


def test_reverted_guest_is_as_it_was(
    spawn: Any, make_spec: Any, driver: Any, run: Any, disks: Any, native: Any, traces: Any
) -> None:
    guest = spawn(make_spec(nics=[Nic()]))
    disks.write(guest, 7)
    before, volumes = shape(native, guest), traces.volumes(guest.uuid)
    run(driver.resize, guest.ref, Size(vcpus=2, memory_bytes=MiB(32), disks=[GiB(2)]))
    disks.write(guest, 9)
    run(driver.power_on, guest.ref)
    run(driver.revert_resize, guest.ref)
    assert shape(native, guest) == before
    assert disks.holds(guest, 7)
    assert disks.sizes(guest) == [GiB(1)]
    assert traces.volumes(guest.uuid) == volumes
    after = driver.instance(guest.ref, fresh=True)
    assert (after.lifecycle, after.power_state) == (Lifecycle.READY, PowerState.SHUTDOWN)


def test_revert_may_start_the_guest_with_other_interfaces(
    spawn: Any, make_spec: Any, driver: Any, run: Any, native: Any
) -> None:
    guest = spawn(make_spec(nics=[Nic()] * 2))
    run(driver.resize, guest.ref, Size(vcpus=2))
    with pytest.raises(InvalidSpec, match="nics"):
        run(driver.revert_resize, guest.ref, nics=[Nic(network="nowhere")])
    reached: list[Stage] = []
    hooks = {Stage.BEFORE_START: lambda _: reached.append(Stage.BEFORE_START)}
    run(driver.revert_resize, guest.ref, nics=[Nic(network="default", mac=MAC)], power_on=True, hooks=hooks)
    macs = [mac.get("address") for mac in definition(native, guest).iterfind("devices/interface/mac")]
    assert (macs, reached) == ([MAC], [Stage.BEFORE_START])
    after = driver.instance(guest.ref, fresh=True)
    assert (after.lifecycle, after.power_state, after.vcpus) == (Lifecycle.READY, PowerState.RUNNING, 1)


def test_uefi_guest_keeps_its_variables(spawn: Any, make_spec: Any, driver: Any, run: Any, daemon: Any) -> None:
    guest = spawn(make_spec(firmware=Firmware.UEFI, memory_bytes=MiB(64), power_on=True))
    run(driver.power_off, guest.ref, mode=PowerOff.HARD, grace_seconds=0)
    (variables,) = (daemon.directory / "lib" / "qemu" / "nvram").glob(f"{guest.name}*")
    variables.write_bytes(variables.read_bytes()[:-1] + b"\x5a")
    run(driver.resize, guest.ref, Size(memory_bytes=MiB(80)))
    run(driver.revert_resize, guest.ref)
    run(driver.resize, guest.ref, Size(memory_bytes=MiB(80)))
    run(driver.confirm_resize, guest.ref)
    assert variables.read_bytes().endswith(b"\x5a")


def test_what_cannot_be_is_refused_and_changes_nothing(
    spawn: Any, make_spec: Any, driver: Any, run: Any, native: Any, traces: Any
) -> None:
    guest = spawn(make_spec())
    before, volumes = native.lookupByUUID(guest.uuid.bytes).XMLDesc(), traces.volumes(guest.uuid)
    for size, error, text in (
        (Size(disks=[MiB(512)]), InvalidSpec, r"disks\[0\]"),
        (Size(disks=[None, GiB(1)]), InvalidSpec, r"disks\[1\]"),
        (Size(vcpus=999), NoCapacity, "999"),
        (Size(memory_bytes=GiB(16384)), NoCapacity, "memory"),
    ):
        with pytest.raises(error, match=text):
            run(driver.resize, guest.ref, size)
    run(driver.power_on, guest.ref)
    with pytest.raises(InvalidState):
        run(driver.resize, guest.ref, Size(vcpus=2))
    run(driver.power_off, guest.ref, mode=PowerOff.HARD, grace_seconds=0)
    assert native.lookupByUUID(guest.uuid.bytes).XMLDesc() == before
    assert traces.volumes(guest.uuid) == volumes


def test_pending_guest_is_not_changed_otherwise(spawn: Any, make_spec: Any, driver: Any, run: Any) -> None:
    guest = spawn(make_spec())
    run(driver.resize, guest.ref, Size(vcpus=2))
    for verb in (driver.resize, driver.prepare_resize):
        with pytest.raises(InvalidState, match="resize_pending"):
            run(verb, guest.ref, Size(vcpus=3))
    with pytest.raises(InvalidState, match="resize_pending"):
        run(driver.attach_interface, guest.ref, Nic())


def test_failed_resize_is_taken_back(
    spawn: Any, make_spec: Any, driver: Any, run: Any, native: Any, traces: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    guest = spawn(make_spec())
    before, volumes = shape(native, guest), traces.volumes(guest.uuid)

    def fail(*_: Any) -> None:
        raise StorageError("no more")

    monkeypatch.setattr(resize_here, "set_disk", fail)
    with pytest.raises(StorageError):
        run(driver.resize, guest.ref, Size(vcpus=2, disks=[GiB(2)]))
    assert (shape(native, guest), traces.volumes(guest.uuid)) == (before, volumes)
    assert driver.instance(guest.ref, fresh=True).lifecycle is Lifecycle.READY


def test_prepared_guest_is_finished_here(
    spawn: Any, make_spec: Any, driver: Any, run: Any, native: Any, disks: Any
) -> None:
    guest = spawn(make_spec())
    first, second = (run(driver.prepare_resize, guest.ref, Size(vcpus=2)) for _ in range(2))
    assert first == second
    with pytest.raises(InvalidState, match="resize_pending"):
        run(driver.power_on, guest.ref)
    spec = make_spec(
        uuid=guest.uuid,
        vcpus=4,
        memory_bytes=MiB(32),
        disks=[Disk(source=Blank(), size_bytes=GiB(3))],
        nics=[Nic(mac=MAC)],
        power_on=True,
    )
    ticket = Ticket.decode(first.encode())
    for _ in range(2):
        done = run(driver.finish_resize, ticket, spec=spec)
        assert (done.vcpus, done.memory_bytes, done.power_state) == (4, MiB(32), PowerState.RUNNING)
        assert done.lifecycle is Lifecycle.RESIZE_PENDING
    assert disks.sizes(guest) == [GiB(3)]
    run(driver.revert_resize, guest.ref)
    assert not definition(native, guest).findall("devices/interface")
    with pytest.raises(MigrationError, match="does not wait"):
        run(driver.finish_resize, ticket)


def test_cancelled_finish_leaves_the_guest_prepared(
    spawn: Any, make_spec: Any, driver: Any, run: Any, traces: Any
) -> None:
    guest = spawn(make_spec())
    volumes = traces.volumes(guest.uuid)
    ticket = run(driver.prepare_resize, guest.ref, Size(vcpus=2))

    def stop(_: Any) -> None:
        raise Cancelled("by a test")

    spec = make_spec(uuid=guest.uuid, power_on=True)
    with pytest.raises(Cancelled):
        run(driver.finish_resize, ticket, spec=spec, hooks={Stage.BEFORE_START: stop})
    assert traces.volumes(guest.uuid) == volumes
    assert run(driver.prepare_resize, guest.ref, Size(vcpus=2)) == ticket
    run(driver.revert_resize, guest.ref)
    assert driver.instance(guest.ref, fresh=True).lifecycle is Lifecycle.READY


def test_confirmed_guest_that_was_made_elsewhere_is_gone(
    spawn: Any, make_spec: Any, driver: Any, run: Any, traces: Any, made_elsewhere: Any
) -> None:
    guest = spawn(make_spec())
    run(driver.prepare_resize, guest.ref, Size())
    with pytest.raises(InvalidState, match="no other host"):
        run(driver.confirm_resize, guest.ref)
    assert traces.of(guest.uuid)
    made_elsewhere(guest)
    run(driver.confirm_resize, guest.ref)
    assert not traces.of(guest.uuid)
    run(driver.confirm_resize, guest.ref)


def test_guest_with_checkpoints_is_resized(spawn: Any, make_spec: Any, driver: Any, run: Any, disks: Disks) -> None:
    guest = spawn(make_spec())
    disks.write(guest, 7)
    run(driver.create_checkpoint, guest.ref, "before", description="", memory=False)
    disks.write(guest, 8)
    run(driver.resize, guest.ref, Size(vcpus=2, disks=[GiB(2)]))
    disks.write(guest, 9)
    run(driver.revert_resize, guest.ref)
    assert disks.holds(guest, 8)
    run(driver.resize, guest.ref, Size(vcpus=2, disks=[GiB(2)]))
    run(driver.confirm_resize, guest.ref)
    run(driver.revert_to_checkpoint, guest.ref, "before")
    assert disks.holds(guest, 7)

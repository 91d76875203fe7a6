"""Copies of guests: what they hold and are, that they stand alone, and that nothing is left of one that fails."""

import itertools
import subprocess
import uuid
from pathlib import Path
from typing import Any
from uuid import UUID

import libvirt
import libvirt_qemu
import pytest
from lxml import etree

from nova_virt_api.compute.operation import DriverSide, Operation
from nova_virt_api.driver.endpoint import Manage
from nova_virt_api.errors import (
    Busy,
    InstanceExists,
    InstanceNotFound,
    InvalidState,
    NoCapacity,
    StorageError,
)
from nova_virt_api.model.clone import CloneSpec
from nova_virt_api.model.cloud_init import CloudInit
from nova_virt_api.model.console import ConsoleKind
from nova_virt_api.model.cpu import Cpu
from nova_virt_api.model.disk import Blank, Disk
from nova_virt_api.model.identity import InstanceRef
from nova_virt_api.model.image import LocalFile
from nova_virt_api.model.instance import DiskPolicy, Instance, Lifecycle, PowerState
from nova_virt_api.model.nic import Nic
from nova_virt_api.model.spec import Firmware
from nova_virt_api.model.tpm import Tpm
from nova_virt_api.model.units import MiB

OLD, NEW = 0xAB, 0x11


def wanted_by(copy: UUID) -> CloneSpec:
    """What a process of these tests asks for."""
    return CloneSpec(uuid=copy, name=f"copy-{str(copy)[:8]}", cloud_init=CloudInit())


COPY = wanted_by(uuid.uuid4())
HMP = libvirt_qemu.VIR_DOMAIN_QEMU_MONITOR_COMMAND_HMP


def qemu_io(path: Path, command: str) -> str:
    done = subprocess.run(
        ["qemu-io", "-f", "qcow2", "-c", command, str(path)], capture_output=True, text=True, check=True
    )
    assert "failed" not in done.stdout, done.stdout
    return done.stdout


def definition(native: Any, guest: Instance) -> Any:
    domain = native.lookupByUUID(guest.uuid.bytes)
    return etree.fromstring(domain.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE | libvirt.VIR_DOMAIN_XML_SECURE))


def running(native: Any, guest: Instance) -> Any:
    return etree.fromstring(native.lookupByUUID(guest.uuid.bytes).XMLDesc(libvirt.VIR_DOMAIN_XML_SECURE))


def test_copy_stands_alone(
    spawn: Any, make_spec: Any, clone: Any, disk_of: Any, run: Any, driver: Any, traces: Any, image: Path
) -> None:
    """It holds what the original's disks held, rests on no other volume, and outlives the original."""
    disks = [Disk(source=LocalFile(str(image)), size_bytes=MiB(96)), Disk(source=Blank(), size_bytes=MiB(8))]
    guest = spawn(make_spec(disks=disks, nics=[Nic(network="default")], labels={"role": "original"}))
    qemu_io(disk_of(guest), f"write -P {OLD} 80M 1M")
    qemu_io(disk_of(guest, 1), f"write -P {OLD} 0 1M")
    copy = clone(guest, labels={"role": "copy"})
    assert copy.lifecycle is Lifecycle.READY
    assert copy.power_state is PowerState.SHUTDOWN
    assert (copy.vcpus, copy.memory_bytes, dict(copy.labels)) == (guest.vcpus, guest.memory_bytes, {"role": "copy"})
    for index in range(2):
        made = subprocess.run(
            ["qemu-img", "info", str(disk_of(copy, index))], capture_output=True, text=True, check=True
        ).stdout
        assert "backing file" not in made
        compared = ["qemu-img", "compare", str(disk_of(guest, index)), str(disk_of(copy, index))]
        subprocess.run(compared, check=True, capture_output=True)
    qemu_io(disk_of(copy), f"write -P {NEW} 80M 1M")
    qemu_io(disk_of(guest), f"read -P {OLD} 80M 1M")
    macs = [{interface.mac for interface in driver.interfaces(each.ref)} for each in (guest, copy)]
    assert len(macs[0]) == len(macs[1]) == 1
    assert macs[0].isdisjoint(macs[1])
    run(driver.destroy, guest.ref)
    run(driver.power_on, copy.ref)
    assert driver.instance(copy.ref, fresh=True).power_state is PowerState.RUNNING
    run(driver.destroy, copy.ref)
    assert traces.of(copy.uuid) == []


def test_same_request_is_the_same_copy(spawn: Any, make_spec: Any, clone: Any, run: Any, driver: Any) -> None:
    """Asked for again it is found, also without its original; asked for otherwise it is refused."""
    guest = spawn(make_spec())
    wanted = {"uuid": uuid.uuid4(), "name": "copy-of-it"}
    copy = clone(guest, **wanted)
    assert clone(guest, **wanted) == copy
    with pytest.raises(InstanceExists):
        clone(guest, **wanted, labels={"other": "request"})
    other = spawn(make_spec())
    with pytest.raises(InstanceExists):
        clone(other, **wanted)
    with pytest.raises(InstanceExists):
        clone(guest, name=guest.name)
    run(driver.destroy, guest.ref)
    assert clone(guest, **wanted).uuid == copy.uuid
    with pytest.raises(InstanceNotFound):
        clone(guest)


@pytest.mark.parametrize("stops", [False, True])
def test_stopped_guest_that_is_started_meanwhile(
    stops: bool, spawn: Any, make_spec: Any, driver: Any, raw: Any, traces: Any
) -> None:
    """What it wrote may be in one copy and not in the other, so there is none."""
    guest = spawn(make_spec(disks=[Disk(source=Blank(), size_bytes=MiB(8))] * 2))
    domain = raw().lookupByUUID(guest.uuid.bytes)
    started = itertools.count()

    def look(operation: Operation[Any]) -> None:
        if 0 < operation.counters[0] < operation.counters[1] and not next(started):
            domain.create()
            if stops:
                device = "/machine/peripheral/virtio-disk0/virtio-backend"
                libvirt_qemu.qemuMonitorCommand(domain, f'qemu-io -d {device} "write -P {NEW} 0 1M"', HMP)
                domain.destroy()

    operation = Operation[Any]("clone", guest.uuid, timeout=60.0, on_progress=look)
    assert operation.begin()
    with pytest.raises(Busy if stops else InvalidState):
        driver.clone(guest.ref, COPY, DriverSide(operation))
    assert next(started), "it was not started"
    assert traces.of(COPY.uuid) == []


# --- what else a guest has ------------------------------------------------------------------------------------------


def test_hardware_is_the_same_and_identity_is_not(
    spawn: Any, make_spec: Any, clone: Any, run: Any, driver: Any, native: Any, daemon: Any
) -> None:
    """Firmware, TPM and screen are there; variables, the TPM's state, passwords and first-boot data are its own."""
    guest = spawn(
        make_spec(
            firmware=Firmware.UEFI,
            tpm=Tpm(),
            cloud_init=CloudInit(user_data="#cloud-config\n"),
            nics=[Nic(network="default")],
            power_on=True,
        )
    )
    driver.console(guest.ref, ConsoleKind.VNC)
    copy = clone(guest, power_on=True)
    mine, theirs = running(native, copy), running(native, guest)
    for path in (
        "os/@firmware",
        "os/loader/text()",
        "devices/tpm/backend/@version",
        "devices/*/model/@type",
        "vcpu/text()",
    ):
        assert mine.xpath(path) == theirs.xpath(path), path
    kept = daemon.directory / "lib" / "qemu" / "nvram"
    variables = [kept / Path(one.findtext("os/nvram")).name for one in (mine, theirs)]
    assert variables[0] != variables[1]
    assert all(path.exists() for path in variables)
    passwords = [one.xpath("string(devices/graphics/@passwd)") for one in (mine, theirs)]
    assert passwords[0] != passwords[1]
    assert [len(one.findall("devices/disk")) for one in (mine, theirs)] == [1, 2]
    seeded = clone(guest, cloud_init=CloudInit(hostname="another"))
    assert len(definition(native, seeded).findall("devices/disk")) == 2
    run(driver.destroy, copy.ref)
    assert not variables[0].exists()
    assert variables[1].exists()


def test_guest_made_by_hand_is_copied_once_it_is_adopted(
    blank: Any, run: Any, driver: Any, clone: Any, native: Any, traces: Any
) -> None:
    """The definition is taken over with what this API does not know of."""
    guest = blank("by-hand", owner=None)
    run(driver.adopt, guest)
    copy = clone(driver.instance(guest, fresh=True))
    mine, theirs = definition(native, copy), definition(native, driver.instance(guest, fresh=True))
    assert mine.xpath("memory/text() | os/type/@machine") == theirs.xpath("memory/text() | os/type/@machine")
    assert copy.owned


def test_checkpoints_do_not_show(spawn: Any, make_spec: Any, clone: Any, disk_of: Any, run: Any, driver: Any) -> None:
    """A guest whose disk has layers is copied as it is now, to one volume."""
    guest = spawn(make_spec(disks=[Disk(source=Blank(), size_bytes=MiB(8))]))
    qemu_io(disk_of(guest), f"write -P {OLD} 0 1M")
    run(driver.create_checkpoint, guest.ref, "before")
    copy = clone(guest)
    run(driver.destroy, guest.ref)
    qemu_io(disk_of(copy), f"read -P {OLD} 0 1M")
    assert not driver.checkpoints(copy.ref)


def test_disk_that_is_no_volume_is_refused(
    spawn: Any, make_spec: Any, clone: Any, native: Any, traces: Any, run: Any, driver: Any
) -> None:
    """Nothing is opened by its path."""
    guest = spawn(make_spec())
    root = definition(native, guest)
    root.find("devices/disk/source").set("file", "/nowhere/disk.qcow2")
    native.defineXML(etree.tostring(root, encoding="unicode"))
    wanted = uuid.uuid4()
    with pytest.raises(StorageError, match="no volume of an active storage pool"):
        clone(guest, uuid=wanted)
    assert traces.of(wanted) == []


def test_processors_of_its_own(spawn: Any, make_spec: Any, make_driver: Any, native: Any, run: Any) -> None:
    """A copy gets a processor of the host that no other guest has; where none is left there is no copy."""
    driver = make_driver(cpu_dedicated_set="0-1")
    guest = spawn(make_spec(cpu=Cpu(dedicated=True)), by=driver)
    copy = run(driver.clone, guest.ref, COPY)
    try:
        path = "cputune/vcpupin/@cpuset | cputune/emulatorpin/@cpuset"
        pins = [definition(native, each).xpath(path) for each in (guest, copy)]
        assert sorted(map(set, pins), key=str) == [{"0"}, {"1"}]
        with pytest.raises(NoCapacity):
            run(driver.clone, guest.ref, wanted_by(uuid.uuid4()))
    finally:
        run(driver.destroy, copy.ref)


def test_without_marks(spawn: Any, make_spec: Any, make_driver: Any, run: Any, traces: Any) -> None:
    """A connection that writes no marks copies guests of any making, and finds its copy by uuid and name."""
    everybody = make_driver(manage=Manage.ALL)
    guest = spawn(make_spec())
    copy = run(everybody.clone, guest.ref, COPY)
    assert (copy.owner, run(everybody.clone, guest.ref, COPY).uuid) == (None, COPY.uuid)
    with pytest.raises(InstanceExists):
        run(everybody.clone, guest.ref, CloneSpec(uuid=COPY.uuid, name="another"))
    run(everybody.destroy, copy.ref, foreign=True)
    assert traces.of(COPY.uuid) == []


def test_kept_disks_of_an_earlier_guest_are_spared(
    spawn: Any, make_spec: Any, clone: Any, run: Any, driver: Any, native: Any, disk_of: Any
) -> None:
    """They are in the way, which is told before anything is made."""
    guest, earlier = spawn(make_spec()), spawn(make_spec())
    run(driver.destroy, earlier.ref, disks=DiskPolicy.KEEP)
    with pytest.raises(StorageError, match="of an earlier guest"):
        clone(guest, uuid=earlier.uuid)
    native.storagePoolLookupByName("nova-virt").storageVolLookupByName(disk_of(earlier).name).delete(0)


# --- killed anywhere ------------------------------------------------------------------------------------------------


@pytest.mark.timeout(300)
def test_killed_before_any_change(
    spawn: Any, make_spec: Any, processes: Any, driver: Any, run: Any, traces: Any
) -> None:
    """It is repeated by another process, or what is left is destroyed; the original stays as it was."""
    guest = spawn(make_spec(nics=[Nic(network="default")], cloud_init=CloudInit()))
    before = own_volumes(traces, guest)
    copy = InstanceRef(uuid=uuid.uuid4())
    more = {"copy": str(copy.uuid)}
    number = 0
    while processes.dies("clone", guest.uuid, number := number + 1, **more):
        if number % 2:
            run(driver.clone, guest.ref, wanted_by(copy.uuid))
            assert driver.instance(copy, fresh=True).lifecycle is Lifecycle.READY
        run(driver.destroy, copy)
        assert traces.of(copy.uuid) == [], number
        assert own_volumes(traces, guest) == before, number
        assert driver.leftovers() == [], number
        assert driver.instance(guest.ref, fresh=True).power_state is PowerState.SHUTDOWN
    assert number > 8, "it changed less than it must"
    assert driver.instance(copy, fresh=True).power_state is PowerState.RUNNING
    run(driver.destroy, copy)
    assert processes.dies("clone", guest.uuid, 6, **more)
    run(driver.destroy, guest.ref)
    assert {leftover.uuid for leftover in driver.leftovers()} == {copy.uuid}
    run(driver.destroy, copy)
    assert traces.of(copy.uuid) == []


def own_volumes(traces: Any, guest: Instance) -> set[str]:
    """The guest's volumes, without what dead holders added to its claim: the next verb takes that off."""
    return {name for name in traces.volumes(guest.uuid) if not name.startswith(f"{guest.uuid}.claim.")}

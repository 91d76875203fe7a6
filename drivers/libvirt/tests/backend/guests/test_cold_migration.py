"""Moving stopped guests from one libvirtd to another, by phases that share nothing but the ticket."""

import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import libvirt
import pytest
from lxml import etree

from nova_virt_api.driver.operation import Stage
from nova_virt_api.errors import Cancelled, InstanceExists, InvalidSpec, MigrationError, NoCapacity, StorageError
from nova_virt_api.model.cloud_init import CloudInit
from nova_virt_api.model.disk import Blank, Disk
from nova_virt_api.model.identity import InstanceRef
from nova_virt_api.model.image import LocalFile
from nova_virt_api.model.instance import DiskPolicy, Lifecycle, PowerState
from nova_virt_api.model.nic import Nic
from nova_virt_api.model.size import Size
from nova_virt_api.model.ticket import Ticket
from nova_virt_api.model.units import GiB, MiB
from nova_virt_libvirt import peers
from nova_virt_libvirt.metadata import read_mark, write_mark
from nova_virt_libvirt.names import resize_copy_name
from nova_virt_libvirt.resize import arrival as resize_arrival
from nova_virt_libvirt.resize.note import pending_note, with_note

POOL = "nova-virt"
MAC = "52:54:00:aa:bb:08"


@pytest.fixture(autouse=True)
def other_process() -> None:
    """The destination is to use its options, as if it were a process of its own."""
    peers.OPEN.clear()


def as_in_another_process(ticket: Ticket) -> Ticket:
    """The ticket after it was carried as text, and without what this process knows of the source."""
    peers.OPEN.clear()
    return Ticket.decode(ticket.encode())


def boot_disk(native: Any, guest: Any) -> str:
    xml = native.lookupByUUID(guest.uuid.bytes).XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE)
    return str(etree.fromstring(xml).xpath("devices/disk/source/@file")[0])


def notes(native: Any, guest: Any) -> set[str]:
    """The roles of the notes in a guest's mark."""
    xml = native.lookupByUUID(guest.uuid.bytes).XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE)
    return {str(note.get("role")) for note in etree.fromstring(xml).iter("{*}note")}


def io(path: str, command: str) -> str:
    done = subprocess.run(["qemu-io", "-f", "qcow2", "-c", command, path], check=True, capture_output=True, text=True)
    return done.stdout


class Files:
    """What is on the disks of both hosts."""

    def __init__(self, native: Any, far_native: Any) -> None:
        self._native = native
        self._far_native = far_native

    def write(self, guest: Any) -> None:
        """Write something to the boot disk at the source."""
        io(boot_disk(self._native, guest), "write -P 7 40M 1M")

    def check_moved(self, guest: Any, size: int) -> None:
        """See that the boot disk at the destination holds it, stands alone, and has this size."""
        path = boot_disk(self._far_native, guest)
        assert "verification failed" not in io(path, "read -P 7 40M 1M")
        shown = subprocess.run(["qemu-img", "info", "--output=json", path], check=True, capture_output=True, text=True)
        assert "backing" not in shown.stdout
        assert self._far_native.storageVolLookupByPath(path).info()[1] == size
        seeds = [
            Path(boot_disk(native, guest)).with_name(f"{guest.uuid}.seed.iso").read_bytes()
            for native in (self._native, self._far_native)
        ]
        assert seeds[0] == seeds[1]


@pytest.fixture
def files(native: Any, far_native: Any) -> Files:
    """What is on the disks of both hosts."""
    return Files(native, far_native)


@pytest.fixture
def whole(make_spec: Any, image: Any) -> Any:
    """The spec of a guest with all that can be fetched."""
    return make_spec(
        disks=[Disk(source=LocalFile(image)), Disk(source=Blank(), size_bytes=GiB(1))],
        nics=[Nic(network="default")],
        cloud_init=CloudInit(user_data="#cloud-config\n"),
        labels={"role": "web"},
    )


def test_guest_moves_with_disks_seed_and_labels(
    spawn: Any, whole: Any, driver: Any, destination: Any, run: Any, files: Files, traces: Any
) -> None:
    guest = spawn(whole)
    files.write(guest)
    ticket = run(driver.prepare_resize, guest.ref, Size(vcpus=2, disks=[MiB(96)]))
    for _ in range(2):
        moved = run(destination.finish_resize, as_in_another_process(ticket))
    assert (moved.uuid, moved.name, moved.labels, moved.vcpus) == (guest.uuid, guest.name, guest.labels, 2)
    assert (moved.lifecycle, moved.power_state, moved.owned) == (Lifecycle.READY, PowerState.SHUTDOWN, True)
    files.check_moved(guest, MiB(96))
    assert resize_copy_name(guest.uuid, 0) not in traces.volumes(guest.uuid)
    run(destination.power_on, guest.ref)
    waiting = driver.instance(guest.ref, fresh=True)
    assert (waiting.lifecycle, waiting.power_state) == (Lifecycle.RESIZE_PENDING, PowerState.SHUTDOWN)
    run(driver.confirm_resize, guest.ref)
    assert not traces.of(guest.uuid)
    assert run(destination.destroy, guest.ref)


def test_what_is_new_is_told_where_the_guest_starts_next(
    spawn: Any, whole: Any, driver: Any, destination: Any, run: Any, native: Any, far_native: Any
) -> None:
    guest = spawn(whole)
    run(driver.attach_interface, guest.ref, Nic(network="default", mac=MAC, tag="late"))
    assert notes(native, guest) == {"device-tags"}
    ticket = run(driver.prepare_resize, guest.ref, Size())
    there = replace(whole, disks=[], nics=[Nic(network="default", mac=MAC, tag="late")], power_on=True)
    run(destination.finish_resize, as_in_another_process(ticket), spec=there)
    assert b'"late"' in Path(boot_disk(far_native, guest)).with_name(f"{guest.uuid}.seed.iso").read_bytes()
    assert "device-tags" not in notes(far_native, guest)
    run(driver.confirm_resize, guest.ref)
    assert run(destination.destroy, guest.ref)


def test_spec_says_what_differs_at_the_destination(
    spawn: Any, make_spec: Any, driver: Any, destination: Any, run: Any, native: Any, far_native: Any, far_files: Any
) -> None:
    spec = make_spec(nics=[Nic()] * 2)
    guest = spawn(spec)
    io(boot_disk(native, guest), "write -P 7 0 1M")
    ticket = run(driver.prepare_resize, guest.ref, Size())
    there = make_spec(
        uuid=guest.uuid,
        name=guest.name,
        vcpus=3,
        disks=[Disk(source=Blank(), size_bytes=GiB(2))],
        nics=[Nic(network="default", mac=MAC)],
        power_on=True,
    )
    moved = run(destination.finish_resize, as_in_another_process(ticket), spec=there)
    assert (moved.vcpus, moved.power_state) == (3, PowerState.RUNNING)
    xml = etree.fromstring(far_native.lookupByUUID(guest.uuid.bytes).XMLDesc(libvirt.VIR_DOMAIN_XML_SECURE))
    assert xml.xpath("devices/interface/mac/@address") == [MAC]
    assert xml.xpath("devices/graphics/@passwd"), "the screen is open to every account of the host"
    assert run(destination.destroy, guest.ref)
    run(driver.revert_resize, guest.ref, power_on=True)
    back = driver.instance(guest.ref, fresh=True)
    assert (back.lifecycle, back.power_state, back.vcpus) == (Lifecycle.READY, PowerState.RUNNING, 1)
    assert not far_files(guest)
    with pytest.raises(MigrationError, match="does not wait"):
        run(destination.finish_resize, as_in_another_process(ticket))


def test_a_host_in_maintenance_takes_no_guest(
    spawn: Any, make_spec: Any, driver: Any, destination: Any, run: Any, far_files: Any
) -> None:
    guest = spawn(make_spec())
    ticket = run(driver.prepare_resize, guest.ref, Size())
    node = destination.nodes()[0].name
    run(destination.enter_maintenance, node, "its second disk is dying")
    try:
        with pytest.raises(NoCapacity, match="second disk"):
            run(destination.finish_resize, as_in_another_process(ticket))
    finally:
        run(destination.leave_maintenance, node)
    assert not far_files(guest)
    run(driver.revert_resize, guest.ref)


def test_failed_finish_leaves_nothing_here_and_the_source_waiting(
    spawn: Any, make_spec: Any, driver: Any, destination: Any, run: Any, far_files: Any, traces: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    guest = spawn(make_spec())
    before = traces.volumes(guest.uuid)
    ticket = run(driver.prepare_resize, guest.ref, Size())

    def stop(*_: Any) -> None:
        raise Cancelled("by a test")

    with pytest.raises(Cancelled):
        run(destination.finish_resize, as_in_another_process(ticket), hooks={Stage.BEFORE_START: stop})
    with monkeypatch.context() as patched:
        patched.setattr(resize_arrival, "write_mark", stop)
        with pytest.raises(Cancelled):
            run(destination.finish_resize, as_in_another_process(ticket))
    spec = make_spec(uuid=guest.uuid, nics=[Nic(network="nowhere")])
    with pytest.raises(InvalidSpec, match="nics"):
        run(destination.finish_resize, as_in_another_process(ticket), spec=spec)
    assert not far_files(guest)
    assert not destination.leftovers()
    assert driver.instance(guest.ref, fresh=True).lifecycle is Lifecycle.RESIZE_PENDING
    assert traces.volumes(guest.uuid) == before
    run(driver.revert_resize, guest.ref)


def test_a_ticket_makes_one_guest(
    spawn: Any, make_spec: Any, driver: Any, destination: Any, run: Any, native: Any
) -> None:
    """Once a host has made the guest, or begun to, no other does: it would run twice."""
    guest = spawn(make_spec())
    ticket = run(driver.prepare_resize, guest.ref, Size())
    run(destination.finish_resize, as_in_another_process(ticket))
    for _ in range(2):
        with pytest.raises(MigrationError, match="has made it"):
            run(driver.finish_resize, ticket)
    run(destination.finish_resize, as_in_another_process(ticket))
    run(destination.destroy, guest.ref)
    elsewhere(native, guest)
    with pytest.raises(MigrationError, match="has made it"):
        run(destination.finish_resize, as_in_another_process(ticket))
    run(driver.revert_resize, guest.ref)
    run(driver.resize, guest.ref, Size(vcpus=2))


def elsewhere(native: Any, guest: Any) -> None:
    """As if the guest had been made on a third host."""
    domain = native.lookupByUUID(guest.uuid.bytes)
    mark = read_mark(domain)
    assert mark is not None
    note = pending_note(mark)
    assert note is not None
    write_mark(domain, with_note(mark, replace(note, destination="a third host")))


def test_a_host_that_fails_leaves_the_guest_to_others(
    spawn: Any, make_spec: Any, driver: Any, destination: Any, run: Any
) -> None:
    guest = spawn(make_spec())
    ticket = run(driver.prepare_resize, guest.ref, Size(vcpus=2))
    spec = make_spec(uuid=guest.uuid, nics=[Nic(network="nowhere")])
    with pytest.raises(InvalidSpec):
        run(destination.finish_resize, as_in_another_process(ticket), spec=spec)
    assert run(driver.finish_resize, ticket).vcpus == 2


def test_source_that_cannot_be_reached(
    spawn: Any, make_spec: Any, driver: Any, make_driver: Any, far: Any, far_native: Any, near_name: str, run: Any
) -> None:
    guest = spawn(make_spec())
    ticket = run(driver.prepare_resize, guest.ref, Size())
    for uri in ("qemu+unix:///system?socket=/nowhere/libvirt-sock", far.uri):
        lost = make_driver(uri=far.uri, peers={near_name: uri})
        with pytest.raises(MigrationError) as caught:
            run(lost.finish_resize, as_in_another_process(ticket))
        assert "peers" in caught.value.hint


def test_in_one_process_the_source_is_known(
    spawn: Any, make_spec: Any, driver: Any, make_driver: Any, far: Any, far_native: Any, run: Any
) -> None:
    guest = spawn(make_spec())
    here = make_driver(uri=far.uri)
    run(here.finish_resize, run(driver.prepare_resize, guest.ref, Size()))
    run(driver.confirm_resize, guest.ref)
    assert run(here.destroy, guest.ref)


def test_guests_that_are_there_are_left_alone(
    spawn: Any, make_spec: Any, driver: Any, destination: Any, run: Any
) -> None:
    guest = spawn(make_spec())
    ticket = run(driver.prepare_resize, guest.ref, Size())
    others = (make_spec(name=guest.name), make_spec(uuid=guest.uuid))
    for spec in others:
        there = run(destination.spawn, spec)
        with pytest.raises(InstanceExists):
            run(destination.finish_resize, as_in_another_process(ticket))
        assert destination.instance(InstanceRef(uuid=spec.uuid), fresh=True) == there
        run(destination.destroy, there.ref)


def test_disks_that_were_kept_are_left_alone(
    spawn: Any, make_spec: Any, driver: Any, destination: Any, run: Any, far_files: Any, second_raw: Any
) -> None:
    spec = make_spec()
    run(destination.spawn, spec)
    run(destination.destroy, InstanceRef(uuid=spec.uuid), disks=DiskPolicy.KEEP)
    guest = spawn(spec)
    kept = far_files(guest)
    ticket = run(driver.prepare_resize, guest.ref, Size())
    with pytest.raises(StorageError, match="earlier guest"):
        run(destination.finish_resize, as_in_another_process(ticket))
    assert far_files(guest) == kept == {f"{guest.uuid}.disk0.qcow2"}
    second_raw().storagePoolLookupByName(POOL).storageVolLookupByName(f"{guest.uuid}.disk0.qcow2").delete(0)


def test_program_about_moves_of_stopped_guests(
    far: Any, far_native: Any, daemon: Any, make_driver: Any, make_spec: Any, run: Any, run_program: Any
) -> None:
    near, there = make_driver(owner="nova-virt"), make_driver(owner="nova-virt", uri=far.uri)
    guest = run(near.spawn, make_spec(name="web"))
    uris = {"qemu:///system": daemon.uri, "qemu+ssh://root@host2/system": far.uri}
    here = {f'uri="{shown}"': f'uri="{uri}", pool="{POOL}"' for shown, uri in uris.items()}
    try:
        assert run_program("cold_migrate", here) == ["2"]
        assert there.instance(guest.ref, fresh=True).power_state is PowerState.RUNNING
    finally:
        run(near.destroy, guest.ref)
        run(there.destroy, guest.ref)

"""Network interfaces of guests that exist, and a closer look at guests."""

from pathlib import Path
from typing import Any

import libvirt
import pytest
from lxml import etree

from nova_virt_api.errors import InvalidSpec, InvalidState, NetworkError, NoCapacity, PermissionDenied
from nova_virt_api.model.disk import Blank, Disk, DiskBus
from nova_virt_api.model.image import LocalFile
from nova_virt_api.model.interface import Interface
from nova_virt_api.model.nic import Nic, NicModel
from nova_virt_api.model.units import GiB, MiB
from nova_virt_libvirt import letting_go
from nova_virt_libvirt.devices.nic import nic_element
from nova_virt_libvirt.devices.port import SPARE_PORTS
from nova_virt_libvirt.network.wire import Wire

MAC = "52:54:00:aa:bb:01"
NIC = Nic(network="default", mac=MAC)


def cards(native: Any, guest: Any, flags: int = libvirt.VIR_DOMAIN_XML_INACTIVE) -> list[str]:
    definition = etree.fromstring(native.lookupByUUID(guest.uuid.bytes).XMLDesc(flags))
    return [str(mac.get("address")) for mac in definition.iterfind("devices/interface/mac")]


def test_interfaces_of_a_stopped_guest_come_and_go(
    spawn: Any, make_spec: Any, driver: Any, run: Any, native: Any
) -> None:
    guest = spawn(make_spec(nics=[Nic(model=NicModel.E1000E)]))
    (first,) = driver.interfaces(guest.ref)
    assert (first.network, first.model) == ("default", NicModel.E1000E)
    added = [run(driver.attach_interface, guest.ref, NIC) for _ in range(2)]
    assert added[0].address is not None
    wanted = Interface(id=MAC, mac=MAC, network="default", model=NicModel.VIRTIO, address=added[0].address)
    assert added == [wanted] * 2
    another = run(driver.attach_interface, guest.ref, Nic())
    assert list(driver.interfaces(guest.ref)) == [first, added[0], another]
    for _ in range(2):
        run(driver.detach_interface, guest.ref, first.id)
    assert cards(native, guest) == [MAC, another.mac]


@pytest.mark.parametrize("bus", [bus for bus in DiskBus if bus is not DiskBus.NVME])
def test_a_running_guest_has_slots_for_more(
    bus: DiskBus, spawn: Any, make_spec: Any, driver: Any, run: Any, native: Any
) -> None:
    disks = [Disk(source=Blank(), size_bytes=GiB(1), bus=bus), Disk(source=Blank(), size_bytes=GiB(1))]
    guest = spawn(make_spec(disks=disks, nics=[Nic()] * 2, power_on=True))
    for _ in range(SPARE_PORTS):
        run(driver.attach_interface, guest.ref, Nic())
    assert len(cards(native, guest, 0)) == SPARE_PORTS + 2
    assert cards(native, guest, 0) == cards(native, guest)


def test_a_guest_without_a_slot_gets_one_while_it_is_off(
    spawn: Any, make_spec: Any, driver: Any, run: Any, native: Any
) -> None:
    guest = spawn(make_spec(power_on=True))
    for _ in range(SPARE_PORTS):
        run(driver.attach_interface, guest.ref, Nic())
    with pytest.raises(NoCapacity, match="while it is off"):
        run(driver.attach_interface, guest.ref, NIC)
    assert MAC not in cards(native, guest)
    native.lookupByUUID(guest.uuid.bytes).destroy()
    run(driver.attach_interface, guest.ref, NIC)
    run(driver.power_on, guest.ref)
    assert MAC in cards(native, guest, 0)


def test_half_of_an_attachment_is_completed(spawn: Any, make_spec: Any, driver: Any, run: Any, native: Any) -> None:
    guest = spawn(make_spec(power_on=True))
    card = etree.tostring(nic_element(NIC, Wire.of_id("default"), guest.uuid, 0), encoding="unicode")
    native.lookupByUUID(guest.uuid.bytes).attachDeviceFlags(card, libvirt.VIR_DOMAIN_AFFECT_LIVE)
    run(driver.attach_interface, guest.ref, NIC)
    assert cards(native, guest, 0) == cards(native, guest) == [MAC]


@pytest.mark.parametrize("paused", [False, True])
def test_a_guest_that_does_not_let_go_lets_go_at_its_reset(
    paused: bool, spawn: Any, make_spec: Any, driver: Any, run: Any, native: Any, monkeypatch: Any, eventually: Any
) -> None:
    monkeypatch.setattr(letting_go, "LET_GO_SECONDS", 1.0)
    monkeypatch.setattr(letting_go, "PAUSED_SECONDS", 1.0)
    guest = spawn(make_spec(power_on=True))
    run(driver.attach_interface, guest.ref, NIC)
    domain = native.lookupByUUID(guest.uuid.bytes)
    if paused:
        domain.suspend()
    with pytest.raises(NetworkError, match="does not let go"):
        run(driver.detach_interface, guest.ref, MAC)
    assert cards(native, guest) == [MAC]  # a repeated call finds it
    if paused:
        domain.resume()
    domain.reset(0)
    eventually(lambda: cards(native, guest, 0) == [], "the card is gone")
    run(driver.detach_interface, guest.ref, MAC)
    assert cards(native, guest) == []


@pytest.mark.timeout(300)
def test_a_real_guest_lets_go_and_feels_an_interrupt(
    guest_image: Path, spawn: Any, make_spec: Any, driver: Any, run: Any, native: Any, eventually: Any
) -> None:
    disks = [Disk(source=LocalFile(guest_image), size_bytes=GiB(2))]
    guest = spawn(make_spec(memory_bytes=MiB(256), disks=disks, nics=[NIC], power_on=True), timeout=200.0)
    eventually(lambda: driver.instance(guest.ref, fresh=True).addresses, "the guest has an address", 120.0)
    second = run(driver.attach_interface, guest.ref, Nic())
    for one in (MAC, second.id):
        run(driver.detach_interface, guest.ref, one)  # fails where the guest keeps it
    assert cards(native, guest, 0) == cards(native, guest) == []
    run(driver.trigger_crash_dump, guest.ref)
    eventually(lambda: b"NMI" in driver.console_log(guest.ref, 1024**2), "the guest's kernel tells of the interrupt")
    assert driver.diagnostics(guest.ref).cpu_seconds > 0.5


def test_refusals_change_nothing(blank: Any, driver: Any, op: Any, native: Any) -> None:
    foreign, own = blank("foreign", owner=None), blank("own", on=True)
    with pytest.raises(PermissionDenied):
        driver.attach_interface(foreign, NIC, op)
    with pytest.raises(PermissionDenied):
        driver.detach_interface(foreign, MAC, op)
    with pytest.raises(PermissionDenied):
        driver.trigger_crash_dump(foreign, op)
    with pytest.raises(InvalidSpec, match="default"):
        driver.attach_interface(own, Nic(network="nowhere"), op)
    native.lookupByUUID(own.uuid.bytes).managedSave()
    verbs: list[tuple[Any, ...]] = [
        (driver.attach_interface, own, NIC, op),
        (driver.detach_interface, own, MAC, op),
        (driver.trigger_crash_dump, own, op),
    ]
    for verb, *arguments in verbs:
        with pytest.raises(InvalidState):
            verb(*arguments)
    assert cards(native, foreign) == cards(native, own) == []


def test_diagnostics_tell_why_a_guest_is_as_it_is(blank: Any, driver: Any, native: Any) -> None:
    guest = blank(on=True)
    assert driver.diagnostics(guest).native_state == "running (booted)"
    native.lookupByUUID(guest.uuid.bytes).destroy()
    found = driver.diagnostics(guest)
    assert (found.native_state, found.cpu_seconds) == ("shut off (destroyed)", None)

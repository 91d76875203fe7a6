"""Guests made by hand that are taken over, and given back."""

from collections.abc import Iterator
from typing import Any
from uuid import UUID

import libvirt
import pytest
from lxml import etree
from lxml.builder import E

from nova_virt_api.driver.endpoint import Manage
from nova_virt_api.errors import InstanceExists, InvalidState, NotSupported, PermissionDenied
from nova_virt_api.model.identity import InstanceRef
from nova_virt_api.model.image import LocalFile
from nova_virt_api.model.instance import DiskPolicy, Lifecycle, PowerOff, PowerState
from nova_virt_libvirt.metadata import NAMESPACE

WHOLE = libvirt.VIR_DOMAIN_XML_INACTIVE | libvirt.VIR_DOMAIN_XML_SECURE
BY_HAND = """
<domain type='qemu'>
  <name>by-hand</name>
  <title>Somebody's web server</title>
  <metadata>
    <libosinfo:libosinfo xmlns:libosinfo="http://libosinfo.org/xmlns/libvirt/domain/1.0">
      <libosinfo:os id="http://debian.org/debian/12"/>
    </libosinfo:libosinfo>
  </metadata>
  <memory unit='MiB'>16</memory>
  <vcpu>1</vcpu>
  <os><type arch='x86_64' machine='q35'>hvm</type><boot dev='hd'/></os>
  <devices>
    <disk type='file' device='disk'>
      <driver name='qemu' type='raw'/><source file='{disk}'/><target dev='vda' bus='virtio'/>
    </disk>
    <disk type='file' device='cdrom'>
      <driver name='qemu' type='raw'/><source file='{iso}'/><target dev='sda' bus='sata'/><readonly/>
    </disk>
    <graphics type='vnc' autoport='yes' passwd='secret'/>
    <memballoon model='none'/>
  </devices>
</domain>
"""


@pytest.fixture
def volume(native: Any) -> Iterator[Any]:
    """Makes volumes of one MiB by hand; removes those that are left."""
    pool = native.storagePoolLookupByName("nova-virt")
    made: list[str] = []

    def make(name: str, backing: str | None = None) -> str:
        definition = E.volume(E.name(name), E.capacity("1", unit="MiB"))
        if backing is not None:
            definition.append(E.target(E.format(type="qcow2")))
            definition.append(E.backingStore(E.path(backing), E.format(type="raw")))
        made.append(name)
        return str(pool.createXML(etree.tostring(definition, encoding="unicode"), 0).path())

    yield make
    for name in made:
        if name in pool.listVolumes():
            pool.storageVolLookupByName(name).delete(0)


@pytest.fixture
def by_hand(native: Any, volume: Any) -> Iterator[InstanceRef]:
    """A guest as virt-manager makes them, off."""
    domain = native.defineXML(BY_HAND.format(disk=volume("by-hand.raw"), iso=volume("install.iso")))
    yield InstanceRef(uuid=UUID(bytes=domain.UUID()))
    if "by-hand" in [each.name() for each in native.listAllDomains(0)]:
        if domain.isActive():
            domain.destroy()
        domain.undefine()


def definition(native: Any, guest: InstanceRef, flags: int = WHOLE) -> str:
    return str(native.lookupByUUID(guest.uuid.bytes).XMLDesc(flags))


def without_mark(xml: str) -> bytes:
    """A definition as it is beside our mark."""
    root: Any = etree.fromstring(xml, etree.XMLParser(remove_blank_text=True))
    for mark in root.findall(f"metadata/{{{NAMESPACE}}}instance"):
        mark.getparent().remove(mark)
    etree.cleanup_namespaces(root)
    return bytes(etree.tostring(root, method="c14n"))


@pytest.mark.parametrize("on", [False, True])
def test_only_a_mark_is_written_and_it_goes_again(
    on: bool, by_hand: Any, driver: Any, make_driver: Any, run: Any, native: Any, traces: Any
) -> None:
    if on:
        native.lookupByName("by-hand").create()
    flags = (WHOLE, libvirt.VIR_DOMAIN_XML_SECURE)
    before, volumes = [definition(native, by_hand, each) for each in flags], traces.volumes()
    made = run(driver.adopt, by_hand)
    assert (made.owned, made.lifecycle, made.name) == (True, Lifecycle.READY, "by-hand")
    for was, flag in zip(before, flags, strict=True):
        assert without_mark(definition(native, by_hand, flag)) == without_mark(was)
        assert NAMESPACE in definition(native, by_hand, flag)
    assert make_driver().instance(by_hand).owned
    assert driver.leftovers() == []
    run(driver.release, by_hand)
    assert [definition(native, by_hand, each) for each in flags] == before
    assert traces.volumes() == volumes
    assert driver.instance(by_hand, fresh=True).owner is None


def test_what_stands_in_the_way(
    by_hand: Any, driver: Any, make_driver: Any, run: Any, make_spec: Any, spawn: Any, native: Any
) -> None:
    driver.check_adoptable(by_hand)
    run(driver.adopt, by_hand)
    other = make_driver(owner="somebody-else")
    with pytest.raises(PermissionDenied, match="nova-virt-tests"):
        other.check_adoptable(by_hand)
    for refused in (other.adopt, other.release):
        with pytest.raises(PermissionDenied, match="nova-virt-tests"):
            run(refused, by_hand)
    with pytest.raises(InstanceExists):
        run(driver.spawn, make_spec(uuid=by_hand.uuid, name="by-hand"))
    answers = make_driver(manage=Manage.ALL).capabilities().answers
    reasons = {answer.reason for answer in answers.values() if not answer.available}
    assert 'a connection with manage="all" writes no marks' in reasons


def test_transient_guest_is_refused(driver: Any, run: Any, native: Any, volume: Any) -> None:
    domain = native.createXML(BY_HAND.format(disk=volume("by-hand.raw"), iso=volume("install.iso")), 0)
    guest = InstanceRef(uuid=UUID(bytes=domain.UUID()))
    try:
        with pytest.raises(NotSupported, match="transient"):
            driver.check_adoptable(guest)
        with pytest.raises(NotSupported, match="virsh define"):
            run(driver.adopt, guest)
    finally:
        domain.destroy()


def test_released_guest_of_a_spawn_is_nobodys(
    spawn: Any, make_spec: Any, driver: Any, run: Any, native: Any, traces: Any
) -> None:
    guest = spawn(make_spec())
    run(driver.release, guest.ref)
    assert f"{guest.uuid}.claim" not in traces.volumes(guest.uuid)
    with pytest.raises(PermissionDenied):
        run(driver.power_on, guest.ref)
    assert driver.leftovers() == []
    run(driver.adopt, guest.ref)  # destroyed by the fixture


def test_rescued_guest_is_not_released(by_hand: Any, driver: Any, run: Any, image: Any, native: Any) -> None:
    run(driver.adopt, by_hand)
    run(driver.rescue, by_hand, image=LocalFile(image))
    with pytest.raises(InvalidState, match="unrescue"):
        run(driver.release, by_hand)
    assert run(driver.adopt, by_hand).lifecycle is Lifecycle.RESCUED
    run(driver.unrescue, by_hand)
    assert driver.instance(by_hand, fresh=True).power_state is PowerState.RUNNING
    run(driver.power_off, by_hand, mode=PowerOff.HARD, grace_seconds=0.0)
    run(driver.release, by_hand)


def test_destroy_takes_its_own_disk_and_no_medium(by_hand: Any, driver: Any, run: Any, traces: Any) -> None:
    run(driver.adopt, by_hand)
    assert run(driver.destroy, by_hand)
    assert "by-hand.raw" not in traces.volumes()
    assert "install.iso" in traces.volumes()
    assert "by-hand" not in traces.domains()


def test_destroy_keeps_a_disk_that_others_rest_on(
    by_hand: Any, driver: Any, run: Any, traces: Any, volume: Any, native: Any
) -> None:
    pool = native.storagePoolLookupByName("nova-virt")
    volume("overlay.qcow2", pool.storageVolLookupByName("by-hand.raw").path())
    run(driver.adopt, by_hand)
    assert run(driver.destroy, by_hand)
    assert "by-hand.raw" in traces.volumes()


def test_destroy_keeps_a_disk_that_another_guest_has(
    by_hand: Any, driver: Any, run: Any, traces: Any, native: Any, blank: Any
) -> None:
    path = native.storagePoolLookupByName("nova-virt").storageVolLookupByName("by-hand.raw").path()
    disk = E.disk(E.source(file=path), E.target(dev="vda", bus="virtio"), type="file", device="disk")
    blank("other", owner=None, devices=(disk,))
    run(driver.adopt, by_hand)
    assert run(driver.destroy, by_hand)
    assert "by-hand.raw" in traces.volumes()


def test_destroy_may_keep_disks(by_hand: Any, driver: Any, run: Any, traces: Any) -> None:
    run(driver.adopt, by_hand)
    assert run(driver.destroy, by_hand, disks=DiskPolicy.KEEP)
    assert "by-hand.raw" in traces.volumes()

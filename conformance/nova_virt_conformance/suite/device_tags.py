"""Tags of devices: shown again, and told to the guest with the places where it finds the devices."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from nova_virt_api.capability import Capability, Feature
from nova_virt_api.driver.driver import Driver
from nova_virt_api.driver.interfaces import Interfaces
from nova_virt_api.driver.volumes import Volumes
from nova_virt_api.model.cloud_init import CloudInit
from nova_virt_api.model.device_tag import LONGEST_TAG
from nova_virt_api.model.instance import PowerOff
from nova_virt_api.model.nic import Nic
from nova_virt_conformance.covers import covers, needs
from nova_virt_conformance.suite.spec_fields import told

if TYPE_CHECKING:
    from nova_virt_api.model.device_tag import DeviceAddress
    from nova_virt_api.model.instance import Instance
    from nova_virt_conformance.hardware import ToldDevice
    from nova_virt_conformance.lab import Lab

TAG: Final = "conformance"
LONGEST: Final = "Löngest: <\"&'>_-%".ljust(LONGEST_TAG, "ß")
FIRST_BOOT: Final = CloudInit(hostname="conformance")


def devices(lab: Lab, guest: Instance) -> dict[str, ToldDevice]:
    """What a guest is told of its devices, by their tags."""
    found = told(lab.rig.hardware(guest.uuid).devices, "what a guest is told of its devices")
    assert len({device.tag for device in found}) == len(found), f"told twice: {found}"
    return {device.tag: device for device in found}


def check_place(device: ToldDevice, address: DeviceAddress | None) -> None:
    """See that a guest is told the place that is shown."""
    if address is not None:
        assert (device.bus, device.address) == (address.bus.value, address.text)


def restart(lab: Lab, guest: Instance) -> None:
    """Take a guest's power away and give it back."""
    lab.compute.power_off(guest, mode=PowerOff.HARD, timeout=lab.patience)
    lab.compute.power_on(guest, timeout=lab.patience)


@covers(Feature.NIC_TAG, Driver.spawn)
@needs(Feature.CLOUD_INIT)
def test_guest_is_told_of_its_interfaces(lab: Lab) -> None:
    """A guest's first-boot data has the tag of its interface, whatever letters are in it, and the MAC address."""
    guest = lab.spawn(nics=(Nic(network=lab.target.network, tag=LONGEST),), cloud_init=FIRST_BOOT)
    found = devices(lab, guest)
    assert list(found) == [LONGEST]
    assert (found[LONGEST].type, found[LONGEST].mac) == ("nic", lab.rig.hardware(guest.uuid).nics[0].mac)


@covers(Feature.NIC_TAG, Driver.spawn)
@needs(Feature.CLOUD_INIT)
def test_guest_is_told_of_tagged_devices_only(lab: Lab) -> None:
    """A guest is told nothing of devices without a tag."""
    assert devices(lab, lab.spawn(cloud_init=FIRST_BOOT)) == {}


@covers(Feature.NIC_TAG, Interfaces.interfaces)
@needs(Capability.INTERFACES, Feature.CLOUD_INIT)
def test_tag_of_an_interface_is_shown(lab: Lab) -> None:
    """The tag of an interface is shown, over any connection, and the place that the guest is told."""
    nics = (Nic(network=lab.target.network, tag=TAG),)
    guest = lab.spawn(nics=nics, cloud_init=FIRST_BOOT, power_on=False)
    for compute in (lab.compute, lab.second):
        (shown,) = compute.interfaces(guest)
        assert shown.tag == TAG
        check_place(devices(lab, guest)[TAG], shown.address)


@covers(Feature.NIC_TAG, Interfaces.attach_interface, Interfaces.detach_interface, Driver.power_on)
@needs(Capability.INTERFACES, Feature.CLOUD_INIT)
def test_interface_of_later_is_told_at_the_next_start(lab: Lab) -> None:
    """A guest is told of an interface that it was given while it ran when it starts next, and not once it is gone."""
    guest = lab.spawn(cloud_init=FIRST_BOOT)
    added = lab.compute.attach_interface(guest, replace(lab.rig.new_nic(), tag=TAG), timeout=lab.patience)
    assert added.tag == TAG
    restart(lab, guest)
    found = devices(lab, guest)
    assert list(found) == [TAG]
    assert found[TAG].mac == added.mac
    (shown,) = (one for one in lab.second.interfaces(guest) if one.id == added.id)
    check_place(found[TAG], shown.address)
    lab.compute.power_off(guest, mode=PowerOff.HARD, timeout=lab.patience)
    lab.compute.detach_interface(guest, added, timeout=lab.patience)
    lab.compute.power_on(guest, timeout=lab.patience)
    assert devices(lab, guest) == {}


@covers(Feature.DISK_TAG, Driver.spawn)
@needs(Feature.CLOUD_INIT)
def test_guest_is_told_of_its_disks(lab: Lab) -> None:
    """A guest's first-boot data has the tag of its disk."""
    found = devices(lab, lab.spawn(disks=(replace(lab.disk(), tag=LONGEST),), cloud_init=FIRST_BOOT))
    assert {tag: device.type for tag, device in found.items()} == {LONGEST: "disk"}


@covers(Feature.VOLUME_TAG, Driver.spawn, Volumes.volumes)
@needs(Feature.SPAWN_VOLUMES, Feature.ATTACH_VOLUMES, Feature.CLOUD_INIT)
def test_guest_is_told_of_its_volumes(lab: Lab) -> None:
    """A guest's first-boot data has the tags of its volumes, which are shown, too."""
    guest = lab.spawn(volumes=(replace(lab.rig.volume(), tag=TAG),), cloud_init=FIRST_BOOT)
    (shown,) = lab.second.volumes(guest)
    found = devices(lab, guest)
    assert (shown.tag, list(found)) == (TAG, [TAG])
    assert (found[TAG].type, found[TAG].serial) == ("disk", shown.serial)
    check_place(found[TAG], shown.address)


@covers(Feature.VOLUME_TAG, Volumes.attach_volume, Volumes.detach_volume, Driver.power_on)
@needs(Feature.ATTACH_VOLUMES, Feature.CLOUD_INIT)
def test_volume_of_later_is_told_at_the_next_start(lab: Lab) -> None:
    """A guest is told of a volume that it was given while it ran when it starts next, and not once it is gone."""
    guest = lab.spawn(cloud_init=FIRST_BOOT)
    added = lab.compute.attach_volume(guest, replace(lab.rig.volume(), tag=LONGEST), timeout=lab.patience)
    assert added.tag == LONGEST
    restart(lab, guest)
    (shown,) = lab.second.volumes(guest)
    assert shown.tag == LONGEST
    check_place(devices(lab, guest)[LONGEST], shown.address)
    lab.compute.power_off(guest, mode=PowerOff.HARD, timeout=lab.patience)
    lab.compute.detach_volume(guest, added, timeout=lab.patience)
    lab.compute.power_on(guest, timeout=lab.patience)
    assert devices(lab, guest) == {}


@covers(Feature.VOLUME_TAG, Volumes.swap_volume)
@needs(Feature.ATTACH_VOLUMES, Feature.SWAP_VOLUME)
def test_tag_stays_with_the_disk_of_a_swapped_volume(lab: Lab) -> None:
    """A volume that takes another's place has its tag: the guest knows the disk by it."""
    guest, first, second = lab.spawn(), lab.rig.volume(), lab.rig.volume()
    lab.compute.attach_volume(guest, replace(first, tag=TAG), timeout=lab.patience)
    assert lab.compute.swap_volume(guest, first, second, timeout=lab.patience).tag == TAG
    assert [(one.id, one.tag) for one in lab.second.volumes(guest)] == [(second.id, TAG)]

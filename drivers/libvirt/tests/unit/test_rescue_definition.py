"""Definitions that boot a rescue system, and back: no machine is needed to see what is patched."""

from typing import Any
from uuid import UUID

import pytest
from lxml import etree

from nova_virt_api.errors import BackendError
from nova_virt_libvirt.rebuild.note import RebuildNote
from nova_virt_libvirt.rescue.definition import put_rescue_in, take_rescue_out
from nova_virt_libvirt.rescue.note import RescueNote, Step

GUEST = UUID("6f1b2c3d-0000-4000-8000-0123456789ab")
DISK = f"/pool/{GUEST}.rescue.qcow2"
SEED = f"/pool/{GUEST}.rescue-seed.iso"
BY_HAND = """
<domain>
  <os>
    <type machine='pc'>hvm</type>
    <kernel>/boot/vmlinuz</kernel>
    <initrd>/boot/initrd</initrd>
    <cmdline>root=/dev/vda1 &amp; quiet</cmdline>
  </os>
  <devices>
    <disk type='file' device='disk'><source file='/d0'/><target dev='hda' bus='ide'/><boot order='2'/></disk>
    <disk type='file' device='disk'><source file='/d1'/><target dev='hdb' bus='ide'/></disk>
    <disk type='file' device='disk'><source file='/d2'/><target dev='hdc' bus='ide'/></disk>
    <disk type='file' device='cdrom'><target dev='hdd' bus='ide'/><boot order='3'/></disk>
    <disk type='network' device='disk'><source protocol='rbd' name='pool/image'/><target dev='vda' bus='virtio'/></disk>
    <controller type='pci' index='0' model='pci-root'/>
    <interface type='network'><mac address='52:54:00:00:00:01'/><boot order='1'/></interface>
    <hostdev mode='subsystem' type='pci'>
      <source><address domain='0x0000' bus='0x3b' slot='0x10' function='0x0'/></source>
      <boot order='4'/>
      <address type='pci' domain='0x0000' bus='0x00' slot='0x07' function='0x0'/>
    </hostdev>
  </devices>
</domain>
"""


def plain(root: Any) -> bytes:
    """A definition in which the order of an element's children does not count, as for libvirt."""
    for element in reversed(list(root.iter())):  # what is inside first
        element[:] = sorted(element, key=lambda child: etree.tostring(child, method="c14n"))
    return bytes(etree.tostring(root, method="c14n"))


def parsed(xml: str) -> Any:
    return etree.fromstring(xml, etree.XMLParser(remove_blank_text=True))


@pytest.mark.parametrize("seed", [None, SEED])
def test_only_the_rescue_disk_is_booted_and_all_comes_back(seed: str | None) -> None:
    root = parsed(BY_HAND)
    note = put_rescue_in(root, GUEST, "ide", DISK, seed)
    assert [child.tag for child in root.find("os")] == ["type"]
    [booted] = root.xpath("devices/*[boot]")
    assert booted.xpath("source/@file") == [DISK]
    assert booted.xpath("target/@dev") == ["vdb"], "there is no room on IDE, and vda is taken"
    root.find("devices").append(etree.fromstring("<controller type='pci' index='1' model='pci-bridge'/>"))
    take_rescue_out(root, GUEST, RescueNote.decode(note.encode()))
    assert plain(root) == plain(parsed(BY_HAND))


def test_own_first_boot_data_is_put_aside() -> None:
    own = f"/pool/{GUEST}.seed.iso"
    medium = f"<disk device='cdrom'><source file='{own}'/><target dev='sda' bus='sata'/><readonly/></disk>"
    xml = f"<domain><os><boot dev='hd'/></os><devices>{medium}</devices></domain>"
    root = parsed(xml)
    note = put_rescue_in(root, GUEST, "", DISK, SEED)
    assert root.xpath("devices/disk/source/@file") == [SEED, DISK]
    take_rescue_out(root, GUEST, note)
    assert plain(root) == plain(parsed(xml))


def test_a_device_that_is_gone_meanwhile_is_left_out() -> None:
    root = parsed(BY_HAND)
    note = put_rescue_in(root, GUEST, "virtio", DISK, None)
    devices = root.find("devices")
    devices.remove(devices.find("interface"))
    take_rescue_out(root, GUEST, note)
    assert sorted(root.xpath("devices/*/boot/@order")) == ["2", "3", "4"]


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"step": "elsewhere"}', '{"disk": 1}'])
def test_notes_that_somebody_has_changed(text: str) -> None:
    for note in (RescueNote, RebuildNote):
        with pytest.raises(BackendError, match="cannot be read"):
            note.decode(text)


def test_steps_are_told_apart() -> None:
    note = RescueNote(step=Step.LEAVING, boots=(("disk vda", "1"),), os=(), controllers=("pci 0",), seed="/a")
    assert RescueNote.decode(note.encode()) == note

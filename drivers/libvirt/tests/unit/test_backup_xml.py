"""What libvirt is told of a backup."""

import pytest
from lxml import etree

from nova_virt_api.errors import BackupChainBroken
from nova_virt_api.model.backup import BackupPoint, ExtentKind
from nova_virt_api.model.identity import stable_uuid
from nova_virt_api.toolkit.nbd import Stretch
from nova_virt_libvirt.backup.points import name_of, new_name, point_of
from nova_virt_libvirt.backup.sessions import joined
from nova_virt_libvirt.backup.xml import HeldDisk, all_targets, backup_xml, checkpoint_xml, noting_targets, socket_of

DISKS = [
    HeldDisk(target="vda", scratch="/p/a&b", since="nova-virt-1", keeps_account=True),
    HeldDisk(target="vdb", scratch="/p/b", since=None, keeps_account=True),
    HeldDisk(target="vdc", scratch="/p/c", since=None, keeps_account=False),
]
TARGETS = ["vda", "vdb", "vdc", "sda"]
GUEST = stable_uuid("web")


def test_backup_names_every_disk() -> None:
    root = etree.fromstring(backup_xml(DISKS, TARGETS, "/run/s"))
    assert root.get("mode") == "pull"
    assert socket_of(etree.tostring(root, encoding="unicode")) == "/run/s"
    told = {disk.get("name"): (disk.get("backup"), disk.get("backupmode"), disk.get("incremental")) for disk in root[1]}
    assert told == {
        "vda": ("yes", "incremental", "nova-virt-1"),
        "vdb": ("yes", "full", None),
        "vdc": ("yes", "full", None),
        "sda": ("no", None, None),
    }
    assert root.xpath("disks/disk/scratch/@file") == ["/p/a&b", "/p/b", "/p/c"]
    assert socket_of("<domainbackup mode='push'/>") == ""


def test_checkpoint_notes_what_can_be_noted() -> None:
    text = checkpoint_xml("nova-virt-2", DISKS, TARGETS)
    assert text is not None
    assert noting_targets(text) == {"vda", "vdb"}
    assert etree.fromstring(text).xpath("disks/disk[@checkpoint='no']/@name") == ["vdc", "sda"]
    assert checkpoint_xml("nova-virt-2", DISKS[2:], TARGETS) is None


def test_targets() -> None:
    disks = "<disk><target dev='vda'/></disk><disk device='cdrom'><target dev='sda'/></disk>"
    assert all_targets(f"<domain><devices>{disks}</devices></domain>") == ["vda", "sda"]


def test_points_are_of_one_guest() -> None:
    name = new_name()
    assert name != new_name()
    assert name_of(GUEST, point_of(GUEST, name)) == name
    for text in (f"libvirt:{stable_uuid('other')}:{name}", f"libvirt:{GUEST}:foreign", "fake:1", name):
        with pytest.raises(BackupChainBroken):
            name_of(GUEST, BackupPoint(text))


def stretches(*told: tuple[int, int, tuple[int, ...]]) -> list[Stretch]:
    return [Stretch(*each) for each in told]


def test_full_tells_data() -> None:
    told = stretches((0, 10, (0,)), (10, 5, (3,)), (15, 5, (0,)), (20, 5, (1,)), (25, 5, (2,)))
    found = [(one.offset, one.length, one.kind) for one in joined(iter(told), incremental=False)]
    assert found == [(0, 10, ExtentKind.DATA), (15, 10, ExtentKind.DATA)]


def test_incremental_tells_changes_and_zeros() -> None:
    told = stretches(
        (0, 10, (0, 0)), (10, 5, (0, 1)), (15, 5, (1, 1)), (20, 5, (3, 1)), (25, 5, (2, 1)), (30, 5, (2, 0))
    )
    found = [(one.offset, one.length, one.kind) for one in joined(iter(told), incremental=True)]
    assert found == [(10, 10, ExtentKind.DATA), (20, 10, ExtentKind.ZERO)]
    assert not list(joined(iter([]), incremental=True))

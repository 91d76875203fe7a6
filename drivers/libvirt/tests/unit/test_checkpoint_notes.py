"""What a guest's mark says of its checkpoints, and how definitions are given other disks."""

from dataclasses import replace
from uuid import UUID

import pytest
from lxml import etree

from nova_virt_api.errors import InvalidSpec, MigrationError, StorageError
from nova_virt_api.model.image import ImageFormat
from nova_virt_api.model.instance import PowerState
from nova_virt_api.model.record import Phase, Record
from nova_virt_libvirt.checkpoint.layers import put_disks
from nova_virt_libvirt.checkpoint.notes import Joining, Point, Tree, tree_of, with_tree
from nova_virt_libvirt.metadata import Mark, parse_mark
from nova_virt_libvirt.names import guest_of, is_disk, is_of_point, part_of, point_volume_name
from nova_virt_libvirt.resize.parts import refuse_tied_by_notes

GUEST = UUID("11111111-2222-3333-4444-555555555555")
MARK = Mark(Record(uuid=GUEST, owner="me", fingerprint="0" * 64, phase=Phase.READY, native_id=str(GUEST)))


def point(id: str, parent: str | None = None, **more: str) -> Point:
    fields: dict[str, object] = {"layers": {"vda": f"/pool/{id}"}, **more}
    return Point(
        id=id,
        name=f"the {id}",
        description="<ü>",
        created=1.5,
        power_state=PowerState.RUNNING,
        parent=parent,
        **fields,  # type: ignore[arg-type]
    )


TREE = Tree(
    points=(point("a"), point("b", "a"), point("c", "b", memory="/pool/memory"), point("d", "a")),
    current="c",
    joining=Joining("/pool/b", "/pool/a", None),
)


def test_a_mark_keeps_them() -> None:
    mark = replace(with_tree(MARK, TREE), notes={**with_tree(MARK, TREE).notes, "other": "note"})
    element = etree.fromstring(etree.tostring(mark.element()))
    found = parse_mark(element, GUEST)
    assert found is not None
    assert tree_of(found) == TREE
    assert with_tree(found, Tree()).notes == {"other": "note"}
    assert tree_of(MARK) == tree_of(None) == Tree()


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"points": [{}], "current": null, "joining": null}'])
def test_what_somebody_broke_is_told(text: str) -> None:
    with pytest.raises(StorageError, match="metadata"):
        Tree.decode(text)


def test_each_comes_after_its_parent() -> None:
    seen = [(info.name, info.parent, info.is_current, info.has_memory) for info in TREE.infos()]
    assert seen == [
        ("the a", None, False, False),
        ("the b", "the a", False, False),
        ("the c", "the b", True, True),
        ("the d", "the a", False, False),
    ]


def test_heirs_come_from_the_nearest_that_is_left() -> None:
    left = TREE.without({"a", "b"})
    assert [(point.id, point.parent) for point in left.points] == [("c", None), ("d", None)]
    assert left.current == "c"
    gone = TREE.without(TREE.family(TREE.require("the b")))
    assert ([point.id for point in gone.points], gone.current) == (["a", "d"], "a")


def test_what_is_not_there_is_refused_by_name() -> None:
    with pytest.raises(InvalidSpec, match="the a, the b"):
        TREE.require("the x")
    with pytest.raises(InvalidSpec, match="has no checkpoint"):
        Tree().require("the x")


def test_a_merge_that_ended_moves_the_layer() -> None:
    joined = TREE.joined()
    assert joined.joining is None
    assert joined.kept() == {"/pool/a", "/pool/c", "/pool/d", "/pool/memory"}
    assert joined.joined() is joined


def test_names_say_whose_they_are() -> None:
    disk = point_volume_name(GUEST, "disk1", "0123456789ab", ImageFormat.QCOW2)
    memory = point_volume_name(GUEST, "memory", "0123456789ab", ImageFormat.RAW)
    assert (guest_of(disk), is_disk(disk), is_of_point(disk), part_of(disk)) == (GUEST, True, True, "disk1")
    assert (guest_of(memory), is_disk(memory), is_of_point(memory)) == (GUEST, False, True)
    assert not is_of_point(f"{GUEST}.disk0.qcow2")
    assert not is_of_point(f"{GUEST}.disk0.resize-0123456789ab.qcow2")
    assert part_of("nova-virt-base-x.qcow2") == ""


def test_only_the_disks_named_change() -> None:
    definition = etree.fromstring(
        "<domain><devices>"
        "<disk type='block' device='disk'><driver name='qemu' type='raw' discard='unmap'/><source dev='/dev/x'/>"
        "<backingStore type='file'><source file='/y'/></backingStore><target dev='vda' bus='virtio'/></disk>"
        "<disk type='file' device='disk'><source file='/z'/><target dev='vdb' bus='virtio'/></disk>"
        "</devices></domain>"
    )
    put_disks(definition, {"vda": ("/new", ImageFormat.QCOW2)})
    assert definition.xpath("//disk[1]/@type") == ["file"]
    assert definition.xpath("//disk[1]//source/@*") == ["/new"]
    assert definition.xpath("//disk[1]/driver/@*") == ["qemu", "qcow2", "unmap"]
    assert definition.xpath("//disk[2]/source/@file") == ["/z"]
    assert not definition.xpath("//backingStore")


def test_a_guest_with_checkpoints_stays_on_its_host() -> None:
    with pytest.raises(MigrationError, match="checkpoints"):
        refuse_tied_by_notes(with_tree(MARK, TREE))
    refuse_tied_by_notes(with_tree(MARK, Tree()))

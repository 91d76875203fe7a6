"""What a resize makes of definitions, and what it writes down."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import pytest
from lxml import etree

from nova_virt_api.errors import BackendError, InvalidSpec, MigrationError
from nova_virt_api.model.instance import Lifecycle
from nova_virt_api.model.nic import Nic
from nova_virt_api.model.record import Phase, Record
from nova_virt_api.model.size import Size
from nova_virt_api.model.ticket import Move, Ticket
from nova_virt_api.model.units import GiB, MiB
from nova_virt_libvirt.definition import size_of
from nova_virt_libvirt.host_connections.note import Connected, HostConnectionNote
from nova_virt_libvirt.machine.plugged_memory import idle_bytes, plugged_memory
from nova_virt_libvirt.machine.spare_cpus import vcpus_of
from nova_virt_libvirt.metadata import Mark, parse_mark
from nova_virt_libvirt.network.user_network import USER_MODE
from nova_virt_libvirt.network.vif_note import VifNote
from nova_virt_libvirt.network.wire import Wire
from nova_virt_libvirt.resize.definition import (
    keep_passwords,
    lock_screens,
    parsed,
    set_mark,
    set_size,
    text_of,
    without_mark,
)
from nova_virt_libvirt.resize.note import Layer, ResizeNote, ResizeStage, note_of, pending_note, with_note
from nova_virt_libvirt.resize.parcel import Parcel
from nova_virt_libvirt.resize.parts import PartsFromSource
from nova_virt_libvirt.resize.wanted import wanted_of

FOUR = """
<domain type='qemu'>
  <name>web</name>
  <maxMemory slots='4' unit='MiB'>2048</maxMemory>
  <memory unit='MiB'>1536</memory>
  <currentMemory unit='MiB'>1536</currentMemory>
  <vcpu placement='static' cpuset='0-7' current='3'>4</vcpu>
  <vcpus><vcpu id='0' enabled='yes'/></vcpus>
  <cputune>
    <shares>2048</shares>
    <vcpupin vcpu='0' cpuset='0'/>
    <vcpupin vcpu='3' cpuset='3'/>
    <vcpusched vcpus='2-3' scheduler='fifo' priority='1'/>
    <emulatorpin cpuset='1'/>
  </cputune>
  <cpu mode='host-model'>
    <topology sockets='1' dies='1' cores='2' threads='2'/>
    <numa>
      <cell id='0' cpus='0-1' memory='512' unit='MiB'/>
      <cell id='1' cpus='2-3' memory='512' unit='MiB'/>
    </numa>
  </cpu>
  <devices><memory model='dimm'><target><size unit='MiB'>512</size><node>0</node></target></memory></devices>
</domain>
"""
PLAIN = FOUR.replace(" current='3'", "").replace("<vcpus><vcpu id='0' enabled='yes'/></vcpus>", "")
"""The same guest, which cannot be given CPUs while it runs."""

ROOM = (
    "<devices><memory model='virtio-mem'><target><size unit='KiB'>524288</size><node>0</node>"
    "<block unit='KiB'>2048</block><requested unit='KiB'>4096</requested></target></memory></devices>"
)
GROWING = FOUR.replace(FOUR[FOUR.index("<devices>") : FOUR.index("</domain>")], ROOM)
"""The same guest, which has 1028 MiB of memory and can be given 508 more while it runs."""


def sized(size: Size, xml: str = FOUR) -> Any:
    definition = parsed(xml)
    set_size(definition, size)
    return definition


@pytest.mark.parametrize(
    ("count", "cells", "topology"),
    [(8, ["0-3", "4-7"], ("2", "2", "2")), (3, ["0-1", "2"], ("3", "1", "1")), (2, ["0", "1"], ("2", "1", "1"))],
)
def test_cpus_change_with_all_that_names_them(count: int, cells: list[str], topology: tuple[str, ...]) -> None:
    found = sized(Size(vcpus=count), PLAIN)
    assert (found.findtext("vcpu"), "current" in found.find("vcpu").attrib) == (str(count), False)
    assert found.find("vcpus") is None
    assert found.xpath("cpu/numa/cell/@cpus") == cells
    assert tuple(found.find("cpu/topology").get(name) for name in ("sockets", "cores", "threads")) == topology


def test_pinning_of_cpus_that_are_gone_is_removed_and_no_other() -> None:
    tuning = sized(Size(vcpus=3), PLAIN).find("cputune")
    assert [child.tag for child in tuning] == ["shares", "vcpupin", "emulatorpin"]
    assert tuning.find("vcpupin").get("vcpu") == "0"


@pytest.mark.parametrize(("count", "ceiling"), [(1, 4), (2, 4), (4, 4), (5, 5)])
def test_cpus_below_the_ceiling_leave_it_as_it_is(count: int, ceiling: int) -> None:
    found = sized(Size(vcpus=count))
    there = vcpus_of(found)
    assert (there.count, there.most) == (count, ceiling)
    assert (found.find("vcpus") is not None) is (ceiling == 4)
    if ceiling == 4:
        assert [cpu.get("enabled") for cpu in found.iterfind("vcpus/vcpu")].count("yes") == count
        assert etree.tostring(found.find("cpu")) == etree.tostring(parsed(FOUR).find("cpu"))


@pytest.mark.parametrize(
    ("wanted", "room", "most"), [(512, 1024, 2048), (1500, 36, 2048), (1535, 0, 2048), (2049, 0, 2049)]
)
def test_memory_below_the_ceiling_leaves_the_rest_to_be_plugged_in(wanted: int, room: int, most: int) -> None:
    found = sized(Size(memory_bytes=MiB(wanted)), GROWING)
    device = plugged_memory(found)
    assert (0 if device is None else device.size_bytes, idle_bytes(found)) == (MiB(room), MiB(room))
    assert device is None or device.requested_bytes == 0
    assert size_of(found.find("memory")) == MiB(wanted + room)
    assert size_of(found.find("currentMemory")) == MiB(wanted)
    assert size_of(found.find("maxMemory")) == MiB(most)
    assert sum(int(cell.get("memory")) for cell in found.iterfind("cpu/numa/cell")) == wanted * 1024


def test_memory_is_spread_over_the_cells() -> None:
    found = sized(Size(memory_bytes=MiB(3001)))
    cells = [(cell.get("memory"), cell.get("unit")) for cell in found.iterfind("cpu/numa/cell")]
    assert cells == [(str(1501 * 1024), "KiB"), (str(1500 * 1024), "KiB")]
    for tag in ("memory", "currentMemory", "maxMemory"):
        assert (found.findtext(tag), found.find(tag).get("unit")) == (str(3001 * 1024), "KiB")
    assert found.find("devices/memory") is None
    assert sized(Size(memory_bytes=MiB(64))).findtext("maxMemory") == "2048"


def test_what_is_not_asked_for_stays() -> None:
    assert etree.tostring(sized(Size())) == etree.tostring(parsed(FOUR))


def test_screens_are_never_left_open() -> None:
    kept = parsed(
        "<domain><devices><graphics type='vnc'/><graphics type='spice'/><graphics type='sdl'/></devices></domain>"
    )
    now = parsed("<domain><devices><graphics type='vnc' passwd='known' passwdValidTo='x'/></devices></domain>")
    keep_passwords(kept, now)
    first, second, third = kept.findall("devices/graphics")
    assert (first.get("passwd"), first.get("passwdValidTo")) == ("known", "x")
    assert second.get("passwd") not in (None, "", "known")
    assert third.get("passwd") is None
    before = second.get("passwd")
    lock_screens(kept)
    assert second.get("passwd") == before


def mark() -> Mark:
    uuid = uuid4()
    record = Record(uuid=uuid, owner="me", fingerprint="f", phase=Phase.READY, native_id=str(uuid))
    return Mark(record, {"a": "b"}, notes={"other": "kept"})


def test_a_note_is_kept_in_the_mark() -> None:
    note = ResizeNote(
        stage=ResizeStage.DONE,
        token="t",
        size=Size(vcpus=2, disks=[GiB(1)]),
        definition=without_mark(FOUR),
        layers=(Layer(pool="p", name="n"),),
    )
    before = mark()
    waiting = with_note(before, note)
    definition = parsed(FOUR)
    set_mark(definition, waiting)
    set_mark(definition, waiting)
    (element,) = definition.findall("metadata/*")
    read = parse_mark(element, before.record.uuid)
    assert read is not None
    assert (read.lifecycle, pending_note(read)) == (Lifecycle.RESIZE_PENDING, note)
    assert with_note(read, None) == before
    assert parsed(without_mark(etree.tostring(definition, encoding="unicode"))).find("metadata/*") is None


def test_a_guest_that_has_arrived_waits_for_nothing() -> None:
    note = ResizeNote(stage=ResizeStage.ARRIVED, token="t", size=Size())
    arrived = with_note(mark(), note)
    assert (arrived.lifecycle, pending_note(arrived), note_of(arrived)) == (Lifecycle.READY, None, note)


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"stage": "lost"}'])
def test_a_note_that_somebody_has_edited(text: str) -> None:
    with pytest.raises(BackendError) as caught:
        ResizeNote.decode(text)
    assert "virsh metadata" in caught.value.hint


@pytest.mark.parametrize("name", ["", "-oProxyCommand=x", "host/system?command=x", "root@host", "ho st", "a" * 300])
def test_a_ticket_whose_host_would_do_more_than_be_reached(name: str) -> None:
    ticket = Parcel(host="h", host_name=name, token="t").ticket(uuid4(), "libvirt")
    with pytest.raises(MigrationError):
        Parcel.of(ticket, "libvirt")


def test_a_ticket_is_read_back_or_refused() -> None:
    parcel = Parcel(host="h", host_name="host-1.example", token="t", shared=frozenset({2, 3}))
    ticket = parcel.ticket(uuid4(), "libvirt")
    assert Parcel.of(Ticket.decode(ticket.encode()), "libvirt") == parcel
    others = (
        Ticket(move=Move.LIVE, guest=ticket.guest, driver="libvirt", driver_version="1", content=ticket.content),
        Ticket(move=Move.RESIZE, guest=ticket.guest, driver="fake", driver_version="1", content=ticket.content),
        Ticket(move=Move.RESIZE, guest=ticket.guest, driver="libvirt", driver_version="1", content='{"host": 1}'),
        replace(ticket, content='{"host": "h", "host_name": "h", "token": "t", "shared": "2-3"}'),
    )
    for other in others:
        with pytest.raises(MigrationError):
            Parcel.of(other, "libvirt")


def test_interfaces_on_qemus_own_network_have_no_limits() -> None:
    """As for new guests: libvirt would only say so in its log."""
    places: Any = SimpleNamespace(wire=lambda field, nic: Wire.of_id(USER_MODE))
    with pytest.raises(InvalidSpec) as caught:
        wanted_of(places, places, uuid4(), [Nic(), Nic(mtu=9000)], None)
    assert caught.value.field == "nics[1].mtu"


@pytest.mark.parametrize(
    ("note", "told"),
    [
        (HostConnectionNote({"v": Connected(protocol="iscsi", properties="{}")}), "connects"),
        (VifNote({"52:54:00:00:00:01": "{}"}), "os-vif"),
    ],
)
def test_what_its_host_alone_has_keeps_a_guest_there(note: HostConnectionNote | VifNote, told: str) -> None:
    """As the definition that a prepared guest waits with has no mark, the mark itself is looked at."""
    guest = uuid4()
    mark = note.put_into(Mark(Record(uuid=guest, owner="me", fingerprint="f", phase=Phase.READY, native_id=str(guest))))
    definition = parsed(FOUR)
    set_mark(definition, mark)
    never: Any = None
    parts = PartsFromSource(never, never, never, guest, None, never)
    with pytest.raises(MigrationError, match=told):
        parts.definition(without_mark(text_of(definition)), Size(), mark)

"""Tickets of live migrations, the URIs in them, and definitions patched for the destination."""

import json
import uuid
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import libvirt
import pytest
from lxml import etree

from nova_virt_api.errors import Busy, MigrationError
from nova_virt_api.model.image import ImageFormat
from nova_virt_api.model.instance import Lifecycle
from nova_virt_api.model.nic_binding import OvsPort
from nova_virt_api.model.record import Phase, Record
from nova_virt_api.model.ticket import Move, Ticket
from nova_virt_api.model.units import GiB
from nova_virt_libvirt.devices.volume_disk import Label
from nova_virt_libvirt.host_connections.note import Connected, HostConnectionNote
from nova_virt_libvirt.metadata import INSTANCE, Mark, parse_mark
from nova_virt_libvirt.migration.departure import refuse_attached_since
from nova_virt_libvirt.migration.peer import check_uri
from nova_virt_libvirt.migration.run import Policy, failure
from nova_virt_libvirt.migration.ticket import NOTE, Journey, Offer, Piece, Plan, Room, read_ticket, refuse_departed
from nova_virt_libvirt.migration.xml import patched
from nova_virt_libvirt.network.vif_note import VifNote
from nova_virt_libvirt.network.wire import Wire, WireKind

GUEST = uuid.UUID("0b8e8a5c-5f0a-4c8e-9a3d-0d6f5a3f7c11")
OFFER = Offer(host="h2", node="two", uri="qemu+tls://two/system", address="192.0.2.2", tls=True, claim=None)
PLAN = Plan(
    host="h1",
    owner="me",
    fingerprint="f",
    name="web",
    paused=False,
    shared=False,
    pieces=(
        Piece(pool="p", name="a", path="/one/a", format=ImageFormat.QCOW2, size_bytes=7, disk="vda", base="b"),
        Piece(pool="p", name="s", path="/one/s", format=ImageFormat.RAW, size_bytes=3),
    ),
    networks={"52:54:00:00:00:01": "default"},
)
ROOM = Room(
    paths={"/one/a": "/two/a", "/one/s": "/two/s"},
    networks={"52:54:00:00:00:01": "storage"},
    overlays=True,
    ports={"52:54:00:00:00:01": "{}"},
)


@pytest.mark.parametrize(
    "journey",
    [
        Journey(guest=GUEST, offer=OFFER),
        Journey(guest=GUEST, offer=OFFER, plan=PLAN),
        Journey(guest=GUEST, offer=OFFER, plan=replace(PLAN, vifs=("52:54:00:00:00:01",)), room=ROOM),
    ],
    ids=["offered", "planned", "prepared"],
)
def test_a_journey_survives_its_ticket(journey: Journey) -> None:
    assert read_ticket(Ticket.decode(journey.ticket().encode()), "migrate", GUEST) == journey


def test_a_guest_that_got_volumes_since_it_was_checked_stays() -> None:
    def guest(mark: Mark, **disks: str) -> Any:
        aliases = [
            f"<disk><target dev='{dev}'/><alias name='{Label(id=volume).alias()}'/></disk>"
            for dev, volume in disks.items()
        ]
        definition = f"<domain><devices><disk><target dev='vda'/></disk>{''.join(aliases)}</devices></domain>"
        text = etree.tostring(mark.element(), encoding="unicode")
        return SimpleNamespace(UUID=lambda: GUEST.bytes, XMLDesc=lambda _: definition, metadata=lambda *_: text)

    mark = Mark(Record(uuid=GUEST, owner="me", fingerprint="f", phase=Phase.READY, native_id=str(GUEST)))
    plan = replace(PLAN, volumes={"v1": "vdb"})
    refuse_attached_since(guest(mark, vdb="v1"), plan)
    for now in ({"vdb": "v1", "vdc": "v2"}, {"vdb": "v2"}, {}):
        with pytest.raises(MigrationError, match="since it was checked"):
            refuse_attached_since(guest(mark, **now), plan)
    connected = HostConnectionNote({"v3": Connected(protocol="iscsi", properties="{}")}).put_into(mark)
    with pytest.raises(MigrationError, match="v3"):
        refuse_attached_since(guest(connected, vdb="v1"), plan)
    plugged = VifNote({"52:54:00:00:00:01": "{}"}).put_into(mark)
    refuse_attached_since(guest(plugged, vdb="v1"), replace(plan, vifs=("52:54:00:00:00:01",)))
    with pytest.raises(MigrationError, match="os-vif"):
        refuse_attached_since(guest(plugged, vdb="v1"), plan)


def test_keys_of_a_later_version_are_ignored() -> None:
    ticket = Journey(guest=GUEST, offer=OFFER).ticket()
    content = json.loads(ticket.content)
    content["offer"]["weather"] = "fine"
    assert read_ticket(replace(ticket, content=json.dumps(content)), "prepare").offer == OFFER


@pytest.mark.parametrize(
    "change",
    [
        {"driver": "vmware"},
        {"move": Move.RESIZE},
        {"guest": uuid.uuid4()},
        {"content": "{}"},
        {"content": '{"offer": {"host": "h"}, "plan": null, "room": null}'},
        {"content": '{"offer": 7, "plan": null, "room": null}'},
    ],
)
def test_a_ticket_that_is_not_for_this_is_refused(change: dict[str, object]) -> None:
    ticket = replace(Journey(guest=GUEST, offer=OFFER).ticket(), **change)  # type: ignore[arg-type]
    with pytest.raises(MigrationError) as raised:
        read_ticket(ticket, "migrate", GUEST)
    assert raised.value.phase == "migrate"
    assert raised.value.hint


@pytest.mark.parametrize("phase", ["planned", "prepared"])
def test_phases_come_in_order(phase: str) -> None:
    with pytest.raises(MigrationError, match=r"has not been asked|was not prepared"):
        getattr(Journey(guest=GUEST, offer=OFFER), phase)("migrate")


@pytest.mark.parametrize(
    "uri",
    [
        "qemu:///system",
        "qemu+tls://two/system",
        "qemu+ssh://root@two/system",
        "qemu+tcp://[2001:db8::2]:16509/system",
        "qemu+unix:///system?socket=/run/two",
    ],
)
def test_plain_uris_are_opened(uri: str) -> None:
    check_uri(uri, "migrate")


@pytest.mark.parametrize(
    "uri",
    [
        "qemu+ext:///system?command=/bin/sh",
        "qemu+ssh://two/system?command=/bin/sh",
        "qemu+ssh://two/system?netcat=/bin/sh",
        "qemu+tls://two/system?no_verify=1",
        "qemu+tls://two/system?pkipath=/tmp",
        "qemu+ssh://root:secret@two/system",
        "lxc:///system",
        "test:///default",
        "",
    ],
)
def test_uris_that_do_more_are_not(uri: str) -> None:
    with pytest.raises(MigrationError, match="not one that is opened") as raised:
        check_uri(uri, "migrate")
    assert "secret" not in str(raised.value)


def test_a_definition_is_patched_and_else_kept() -> None:
    before = """<domain><name>web</name><uuid>7c5a1de2-0a54-4d1c-9a7b-5a1b6f6a2f11</uuid><devices>
      <disk type='file'><source file='/one/a'/><backingStore type='file'><source file='/one/b'/></backingStore>
        <mirror file='/x'/><target dev='vda'/></disk>
      <disk type='file'><source file='/else/c'/><target dev='vdb'/></disk>
      <interface type='network'><mac address='52:54:00:00:00:01'/><source network='default'/></interface>
      <interface type='bridge'><mac address='52:54:00:00:00:02'/><source bridge='br0'/></interface>
      <serial type='pty'><log file='/one/s' append='on'/></serial>
      <graphics type='vnc' listen='192.0.2.1' passwd='x'><listen type='address' address='192.0.2.1'/></graphics>
      <graphics type='spice' listen='127.0.0.1'><listen type='address' address='127.0.0.1'/></graphics>
      <unknown kept='yes'/></devices></domain>"""
    root = patched(before, ROOM, OFFER)
    assert root.xpath("devices/disk/source/@file") == ["/two/a", "/else/c"]
    assert root.find("devices/disk/backingStore") is None
    assert root.find("devices/disk/mirror") is None
    assert root.xpath("devices/interface/source/@network") == ["storage"]
    assert root.xpath("devices/interface/source/@bridge") == ["br0"]
    assert root.xpath("devices/serial/log/@file") == ["/two/s"]
    assert root.xpath("devices/graphics/@listen") == ["192.0.2.2", "127.0.0.1"]
    assert root.xpath("devices/graphics/listen/@address") == ["192.0.2.2", "127.0.0.1"]
    assert root.find("devices/unknown").get("kept") == "yes"
    assert "passwd" in etree.tostring(root, encoding="unicode")


@pytest.mark.parametrize(("gibibytes", "seconds"), [(0, 20), (2, 20), (3, 30)])
def test_time_grows_with_what_is_to_be_copied(gibibytes: int, seconds: int) -> None:
    policy = Policy(bandwidth_mib=0, auto_converge=True, post_copy=False, seconds_per_gib=10, complete=False)
    assert policy.seconds_for(GiB(gibibytes)) == seconds
    assert replace(policy, seconds_per_gib=0).seconds_for(GiB(100)) is None


def test_a_paused_guest_that_qemu_takes_for_one_that_has_gone() -> None:
    error = libvirt.libvirtError("unable to migrate: Can't migrate the vm that was paused due to previous migration")
    assert "unpause" in failure(error).hint
    assert "log" in failure(libvirt.libvirtError("something else")).hint


@pytest.mark.parametrize(
    ("state", "reason", "refused"),
    [
        (libvirt.VIR_DOMAIN_RUNNING, libvirt.VIR_DOMAIN_RUNNING_BOOTED, False),
        (libvirt.VIR_DOMAIN_PAUSED, libvirt.VIR_DOMAIN_PAUSED_USER, False),
        (libvirt.VIR_DOMAIN_PAUSED, libvirt.VIR_DOMAIN_PAUSED_MIGRATION, True),
        (libvirt.VIR_DOMAIN_SHUTOFF, libvirt.VIR_DOMAIN_SHUTOFF_CRASHED, True),
    ],
    ids=["runs", "paused", "stopped to be moved", "off"],
)
@pytest.mark.parametrize("shared", [False, True])
def test_disks_that_a_guest_may_use_elsewhere_are_not_removed(
    state: int, reason: int, refused: bool, shared: bool
) -> None:
    journey = Journey(guest=GUEST, offer=OFFER, plan=replace(PLAN, shared=shared))
    record = Record(uuid=GUEST, owner="me", fingerprint="f", phase=Phase.READY)
    mark = Mark(record, standing=Lifecycle.MIGRATING, notes={NOTE: journey.ticket().encode()})
    domain: Any = SimpleNamespace(state=lambda: (state, reason))
    if refused and shared:
        with pytest.raises(Busy, match="may run at two"):
            refuse_departed(domain, mark)
    else:
        refuse_departed(domain, mark)


KNOWN, OTHERS = uuid.uuid4(), uuid.uuid4()


@pytest.mark.parametrize(
    ("port", "expected"),
    [
        (OvsPort(bridge="br-int"), ("br-int", KNOWN, 7)),
        (OvsPort(bridge="br-int", vlan=7), ("br-int", KNOWN, 7)),
        (OvsPort(bridge="br-int", vlan=9), ("br-int", KNOWN, 9)),
        (OvsPort(bridge="br-int", interface_id=OTHERS, vlan=9), ("br-int", OTHERS, 9)),
        (OvsPort(bridge="br-two", vlan=7), ("br-two", KNOWN, 7)),
        (OvsPort(bridge="br-two", interface_id=OTHERS), ("br-two", OTHERS, None)),
    ],
)
def test_a_port_of_open_vswitch_is_at_the_destination_what_was_asked_for(
    port: OvsPort, expected: tuple[str, uuid.UUID, int | None]
) -> None:
    """Not in another VLAN, or in all of them; and known to controllers as before, if nobody says otherwise."""
    mac = "52:54:00:00:00:01"
    xml = (
        f"<domain><uuid>{GUEST}</uuid><devices><interface type='bridge'><mac address='{mac}'/>"
        f"<source bridge='br-int'/><virtualport type='openvswitch'><parameters interfaceid='{KNOWN}'/></virtualport>"
        "<vlan><tag id='7'/></vlan><target dev='vnet3'/></interface></devices></domain>"
    )
    room = replace(ROOM, networks={mac: Wire.of_binding(port).port})
    (card,) = patched(xml, room, OFFER).iterfind("devices/interface")
    found = Wire.of_element(card)
    assert found is not None
    assert (found.name, found.interface_id, found.vlan) == expected


@pytest.mark.parametrize(
    ("wire", "expected"),
    [
        (Wire(kind=WireKind.OVS, name="br-int", interface_id=KNOWN, device="tap7"), ("bridge", "tap7")),
        (Wire(kind=WireKind.OVS, name="br-int", device="tap8"), ("bridge", "tap8")),
        (Wire(kind=WireKind.BRIDGE, name="qbr9", device="tap9"), ("bridge", "tap9")),
        (Wire(kind=WireKind.TAP, name="tap9"), ("ethernet", "tap9")),
        (Wire(kind=WireKind.NETWORK, name="storage"), ("network", None)),
    ],
)
def test_a_guest_knows_the_ports_of_its_destination_alone(wire: Wire, expected: tuple[str, str | None]) -> None:
    mac = "52:54:00:00:00:01"
    record = Record(uuid=GUEST, owner="me", fingerprint="f", phase=Phase.READY, native_id=str(GUEST))
    mark = VifNote({mac: "of the source", "52:54:00:00:00:02": "gone"}).put_into(Mark(record, {"role": "web"}))
    told = etree.tostring(mark.element(), encoding="unicode")
    xml = (
        f"<domain><uuid>{GUEST}</uuid><metadata>{told}</metadata><devices>"
        f"<interface type='bridge'><mac address='{mac}'/><source bridge='br-int'/><virtualport type='openvswitch'>"
        f"<parameters interfaceid='{KNOWN}'/></virtualport><target dev='tap7'/></interface></devices></domain>"
    )
    room = replace(ROOM, networks={mac: wire.port}, ports={mac: "of the destination"})
    there = patched(xml, room, OFFER)
    (card,), target = there.findall("devices/interface"), there.find("devices/interface/target")
    assert (card.get("type"), None if target is None else target.get("dev")) == expected
    assert Wire.of_element(card) is not None
    found = parse_mark(there.find(f"metadata/{INSTANCE}"), GUEST)
    assert found == VifNote({mac: "of the destination"}).put_into(mark)
    alone = parse_mark(patched(xml, replace(room, ports={}), OFFER).find(f"metadata/{INSTANCE}"), GUEST)
    assert VifNote.of(alone) == VifNote()

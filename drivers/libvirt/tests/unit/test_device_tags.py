"""Tags in aliases, and libvirt's addresses in the words of the API."""

from collections.abc import Iterator
from contextlib import contextmanager
from types import MappingProxyType, SimpleNamespace
from typing import Any
from uuid import uuid4

import libvirt
import pytest
from hypothesis import given, strategies as st
from lxml import etree
from lxml.builder import E

from nova_virt_api.model.device_tag import LONGEST_TAG, DeviceAddress, DeviceBus
from nova_virt_api.model.record import Phase, Record
from nova_virt_libvirt.devices.tag import DISK, NIC, tag_of, tagged
from nova_virt_libvirt.devices.volume_disk import Label, is_volume, label_of
from nova_virt_libvirt.machine import told_devices
from nova_virt_libvirt.machine.device_addresses import address_of
from nova_virt_libvirt.machine.told_devices import NEWS, ROLE, tagged_devices, tell_news
from nova_virt_libvirt.metadata import Mark
from nova_virt_libvirt.resize.definition import replace_interfaces, set_interfaces

TAGS = st.text(st.characters(codec="utf-8", exclude_characters="/,"), min_size=1, max_size=LONGEST_TAG)


@given(TAGS, st.sampled_from([(NIC, "525400aabb01"), (DISK, "vda")]))
def test_a_tag_comes_back_out_of_its_alias(tag: str, kind: tuple[str, str]) -> None:
    alias = tagged(*kind, tag)
    device, name = E.disk(alias), str(alias.get("name"))
    assert set(name) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_")
    assert tag_of(device) == tag
    assert not is_volume(device)


@given(TAGS, st.text(st.characters(codec="utf-8"), min_size=1, max_size=20), st.none() | st.just("other"))
def test_a_volume_says_its_tag_beside_its_id(tag: str, volume: str, into: str | None) -> None:
    label = Label(id=volume, into=into, at="" if into is None else "0123456789abcdef", tag=tag)
    disk = E.disk(E.alias(name=label.alias()))
    assert label_of(disk) == label
    assert tag_of(disk) is None


@pytest.mark.parametrize("alias", [None, "net0", "ua-mine"])
def test_devices_of_other_making_have_no_tag(alias: str | None) -> None:
    assert tag_of(E.interface() if alias is None else E.interface(E.alias(name=alias))) is None


PCI = {"type": "pci", "domain": "0x0000", "bus": "0x0a", "slot": "0x1f", "function": "0x3"}
DRIVE = {"type": "drive", "controller": "1", "bus": "0", "target": "2", "unit": "3"}


@pytest.mark.parametrize(
    ("address", "bus", "found"),
    [
        (PCI, "virtio", DeviceAddress(bus=DeviceBus.PCI, text="0000:0a:1f.3")),
        (DRIVE, "scsi", DeviceAddress(bus=DeviceBus.SCSI, text="1:0:2:3")),
        (DRIVE, "sata", DeviceAddress(bus=DeviceBus.SATA, text="1:0:2:3")),
        (DRIVE | {"bus": "1", "unit": "0"}, "ide", DeviceAddress(bus=DeviceBus.IDE, text="1:0")),
        ({"type": "usb", "bus": "0", "port": "4"}, "usb", DeviceAddress(bus=DeviceBus.USB, text="0:4")),
        (DRIVE, "fdc", None),
        ({"type": "ccw", "cssid": "0xfe"}, "virtio", None),
        (None, "virtio", None),
    ],
)
def test_addresses(address: dict[str, str] | None, bus: str, found: DeviceAddress | None) -> None:
    disk = E.disk(E.target(dev="vda", bus=bus), *([] if address is None else [E.address(address)]))
    assert address_of(disk) == found


def card(mac: str, *more: Any) -> Any:
    return E.interface(E.mac(address=mac), *more, type="network")


def test_a_card_that_is_given_anew_keeps_its_tag() -> None:
    first, second = "52:54:00:aa:bb:01", "52:54:00:aa:bb:02"
    before = [card(first, tagged(NIC, "1", "front")), card(second, tagged(NIC, "2", "back"))]
    definition = E.domain(E.devices(*before))
    set_interfaces(definition, [card(second, tagged(NIC, "2", "other")), card(first), card("52:54:00:aa:bb:03")])
    assert [tag_of(one) for one in definition.iter("interface")] == ["other", "front", None]


def test_a_card_that_is_given_anew_stays_where_it_is() -> None:
    first, second = "52:54:00:aa:bb:01", "52:54:00:aa:bb:02"
    before = [card(first, E.address(PCI), E.alias(name="ua-mine")), card(second)]
    definition = E.domain(E.devices(*before))
    set_interfaces(definition, [card(second), card(first.upper())])
    there, back = definition.iter("interface")
    assert (there.find("address"), there.find("alias")) == (None, None)
    assert [dict(one.attrib) for one in back.iter("address", "alias")] == [PCI, {"name": "ua-mine"}]


def test_the_card_of_another_guest_takes_nothing_over() -> None:
    mac = "52:54:00:aa:bb:01"
    definition = E.domain(E.devices(card(mac, E.address(PCI), tagged(NIC, "1", "front"))))
    replace_interfaces(definition, [card(mac)])
    (one,) = definition.iter("interface")
    assert [child.tag for child in one] == ["mac"]


@pytest.mark.parametrize(
    ("state", "news", "expected"),
    [
        (libvirt.VIR_DOMAIN_SHUTOFF, True, True),
        (libvirt.VIR_DOMAIN_CRASHED, True, True),
        (libvirt.VIR_DOMAIN_RUNNING, True, False),
        (libvirt.VIR_DOMAIN_PAUSED, True, False),
        (libvirt.VIR_DOMAIN_SHUTOFF, False, False),
    ],
)
def test_nobody_writes_on_a_medium_that_somebody_else_has_brought_up_to_date_or_into_use(
    monkeypatch: pytest.MonkeyPatch, state: int, news: bool, expected: bool
) -> None:
    record = Record(uuid=uuid4(), owner="o", fingerprint="f", phase=Phase.READY)
    before = Mark(record=record, notes=MappingProxyType({ROLE: NEWS}))
    now, told = before if news else Mark(record=record), []

    @contextmanager
    def after_somebody_else(*_: Any) -> Iterator[None]:
        yield

    monkeypatch.setattr(told_devices, "claimed", after_somebody_else)
    monkeypatch.setattr(told_devices, "tell_of", lambda *_: told.append(True))
    monkeypatch.setattr(told_devices, "read_mark", lambda _: now)
    monkeypatch.setattr(told_devices, "write_mark", lambda *_: None)
    native = SimpleNamespace(state=lambda: (state, 0))
    guest: Any = SimpleNamespace(uuid=record.uuid, mark=before, native=native, urgent=native)
    site: Any = SimpleNamespace(connection=lambda: None)
    op: Any = SimpleNamespace(stage=lambda *_: None)
    tell_news(site, guest, op)
    assert bool(told) is expected


def test_what_a_definition_tells() -> None:
    definition = etree.fromstring("<domain><devices><disk><serial>s</serial></disk></devices></domain>")
    assert tagged_devices(definition) == []

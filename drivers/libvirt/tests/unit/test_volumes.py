"""Volumes: how QEMU reaches each kind, how Cinder's descriptions are read, and what an alias says."""

import json
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, strategies as st
from lxml import etree
from lxml.builder import E

from nova_virt_api.errors import InvalidSpec
from nova_virt_api.model.image import ImageFormat
from nova_virt_api.model.secret import Secret
from nova_virt_api.model.volume import LuksEncryption, Volume
from nova_virt_api.model.volume_connection import (
    BlockVolume,
    FileVolume,
    IscsiVolume,
    NbdVolume,
    NfsVolume,
    OpaqueVolume,
    RbdVolume,
)
from nova_virt_libvirt.devices.volume_disk import Label, digest_of, label_of, mirror_element, place_of, volume_element
from nova_virt_libvirt.volumes.errors import LOOK, hint_of
from nova_virt_libvirt.volumes.opaque import reached
from nova_virt_libvirt.volumes.secrets import ceph_key, secret_uuid
from nova_virt_libvirt.volumes.source import source_element

GUEST = UUID("11111111-2222-3333-4444-555555555555")
HOST = "99999999-2222-3333-4444-555555555555"
KEY = "AQBvz3tlAAAAABAAw3bQ5bLxZ2D8Jj7qVY0b8Q=="
IDS = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), min_size=1, max_size=40)


def source_of(connection: Any, **fields: Any) -> Any:
    volume = Volume(id="v 1", connection=connection, **fields)
    return source_element(GUEST, volume, reached(connection, "connection"), HOST)


@pytest.mark.parametrize(
    ("connection", "xml"),
    [
        (FileVolume(path="/srv/<&>.raw"), '<source file="/srv/&lt;&amp;&gt;.raw"/>'),
        (BlockVolume(path="/dev/disk/by-id/wwn-1"), '<source dev="/dev/disk/by-id/wwn-1"/>'),
        (
            NbdVolume(host="192.0.2.7", export="a b"),
            '<source protocol="nbd" name="a b"><host name="192.0.2.7" port="10809"/></source>',
        ),
        (
            NbdVolume(socket="/run/nbd"),
            '<source protocol="nbd" name=""><host transport="unix" socket="/run/nbd"/></source>',
        ),
        (
            NfsVolume(server="2001:db8::7", export="/srv/", path="a/b.qcow2", format=ImageFormat.QCOW2),
            '<source protocol="nfs" name="/srv/a/b.qcow2"><host name="2001:db8::7"/></source>',
        ),
        (
            IscsiVolume(portal="[2001:db8::7]:3260", iqn="iqn.2026-11.example:a", lun=7),
            '<source protocol="iscsi" name="iqn.2026-11.example:a/7"><host name="2001:db8::7" port="3260"/>'
            f'<initiator><iqn name="iqn.2008-11.org.linux-kvm:{HOST}"/></initiator></source>',
        ),
        (
            RbdVolume(monitors=("192.0.2.1:6789", "192.0.2.2:6789"), pool="p", image="i", user="u", key=Secret(KEY)),
            '<source protocol="rbd" name="p/i"><host name="192.0.2.1" port="6789"/><host name="192.0.2.2" port="6789"/>'
            f'<auth username="u"><secret type="ceph" uuid="{secret_uuid(GUEST, "v 1", "ceph")}"/></auth></source>',
        ),
    ],
    ids=lambda value: type(value).__name__,
)
def test_each_connection_has_its_source(connection: Any, xml: str) -> None:
    source = source_of(connection)
    wanted = etree.fromstring(xml)
    assert etree.tostring(source, method="c14n") == etree.tostring(wanted, method="c14n")
    assert KEY.encode() not in etree.tostring(source)


def test_secrets_are_named_and_never_told() -> None:
    chap = IscsiVolume(
        portal="192.0.2.7:3260", iqn="iqn.2026-11.example:a", chap_username="me", chap_password=Secret("x1y2")
    )
    source = source_of(chap, encryption=LuksEncryption(passphrase=Secret("z3w4")))
    assert source.find("auth/secret").get("uuid") == str(secret_uuid(GUEST, "v 1", "chap"))
    assert source.find("encryption/secret").get("uuid") == str(secret_uuid(GUEST, "v 1", "luks"))
    text = etree.tostring(source)
    assert b"x1y2" not in text
    assert b"z3w4" not in text
    assert len(ceph_key(Secret(KEY))) == 28
    with pytest.raises(InvalidSpec):
        ceph_key(Secret("not base64!"))


def test_disks_are_what_volumes_ask_for() -> None:
    connection = BlockVolume(path="/dev/x")
    volume = Volume(id="a/b", connection=connection, shared=True, read_only=True, boot=True, serial="root")
    disk: Any = volume_element(volume, source_of(volume.connection), "vdc")
    assert (disk.get("type"), disk.find("driver").get("cache"), disk.findtext("serial")) == ("block", "none", "root")
    assert all(disk.find(name) is not None for name in ("readonly", "shareable", "boot"))
    plain: Any = volume_element(Volume(id="a/b", connection=FileVolume(path="/x")), E.source(file="/x"), "vda")
    assert (plain.findtext("serial"), plain.find("driver").get("cache")) == ("a-b", None)
    nfs = NfsVolume(server="a", export="/b", path="c", format=ImageFormat.QCOW2)
    mirror: Any = mirror_element(Volume(id="a", connection=nfs), source_of(nfs))
    assert mirror.find("driver").get("type") == "qcow2"


@given(IDS, st.none() | IDS)
def test_an_alias_says_what_it_was_told(volume_id: str, into: str | None) -> None:
    label = Label(id=volume_id, into=into, at="" if into is None else "0123456789abcdef")
    alias = label.alias()
    assert alias.isascii()
    assert alias.replace("-", "").replace("_", "").isalnum()
    assert label_of(E.disk(E.alias(name=alias))) == label


def test_other_disks_are_no_volumes() -> None:
    assert label_of(E.disk()) is None
    assert label_of(E.disk(E.alias(name="ua-mine"))) is None


def test_what_libvirt_adds_is_no_other_place() -> None:
    plain, seen = E.source(file="/x"), E.source(E.encryption(format="luks"), file="/x", index="3")
    assert digest_of(plain) == digest_of(seen)
    nfs = E.source(E.host(name="a", port="2049"), protocol="nfs", name="/b")
    assert place_of(nfs) == place_of(E.source(E.host(name="a"), protocol="nfs", name="/b"))
    places = [E.source(E.host(name="a", port=port), protocol="nbd", name="") for port in ("1", "2")]
    assert digest_of(places[0]) != digest_of(places[1])


SECRET = "4b1c3f6e-0d0f-4d5b-9b61-0ad1a8a6a0d3"


@pytest.mark.parametrize(
    ("kind", "said", "wanted"),
    [
        (
            "iscsi",
            {"target_portals": ["192.0.2.7:3260"], "target_iqns": ["iqn.2026-11.example:a"], "target_luns": [1]},
            IscsiVolume(portal="192.0.2.7:3260", iqn="iqn.2026-11.example:a", lun=1),
        ),
        (
            "rbd",
            {
                "name": "p/i",
                "hosts": ["192.0.2.1", "2001:db8::1"],
                "ports": ["6789", "6789"],
                "auth_enabled": True,
                "auth_username": "cinder",
                "keyring": f"[client.cinder]\n\tkey = {KEY}\n",
            },
            RbdVolume(
                monitors=("192.0.2.1:6789", "[2001:db8::1]:6789"), pool="p", image="i", user="cinder", key=Secret(KEY)
            ),
        ),
        (
            "nfs",
            {"export": "192.0.2.7:/srv", "name": "volume-1", "format": "qcow2", "options": None},
            NfsVolume(server="192.0.2.7", export="/srv", path="volume-1", format=ImageFormat.QCOW2),
        ),
        ("local", {"device_path": "/dev/vg/a"}, BlockVolume(path="/dev/vg/a")),
    ],
)
def test_what_cinder_says_is_read(kind: str, said: dict[str, Any], wanted: Any) -> None:
    assert reached(OpaqueVolume(kind, Secret(json.dumps(said))), "connection").connection == wanted


def test_a_secret_that_the_host_has_is_used() -> None:
    said = {"name": "p/i", "auth_enabled": True, "auth_username": "cinder", "secret_uuid": SECRET}
    source = source_of(OpaqueVolume("rbd", Secret(json.dumps(said))))
    assert source.find("auth").get("username") == "cinder"
    assert source.find("auth/secret").get("uuid") == SECRET


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("fibre_channel", {}),
        ("iscsi", {"auth_password": "hush-4711"}),
        ("iscsi", {"target_portal": "hush-4711", "target_iqn": "a", "target_lun": 1}),
        ("rbd", {"name": "p/i", "auth_enabled": True, "auth_username": "a", "secret_uuid": "hush-4711"}),
        ("nfs", {"export": 7, "name": "hush-4711"}),
    ],
)
def test_what_cannot_be_read_is_refused_and_not_told(kind: str, said: dict[str, Any]) -> None:
    with pytest.raises(InvalidSpec) as caught:
        reached(OpaqueVolume(kind, Secret(json.dumps(said))), "volume.connection")
    assert caught.value.field.startswith("volume.connection.")
    assert "hush-4711" not in repr(caught.value) + caught.value.public_message


def test_hints() -> None:
    assert "passphrase" in hint_of("Invalid password, cannot unlock any keyslot")
    assert "shared=True" in hint_of('Failed to get "write" lock')
    assert hint_of("something else") == LOOK

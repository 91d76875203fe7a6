"""Volumes that the host connects: what is remembered of them, who may connect, and what an error tells."""

import json
import os
from pathlib import Path
from types import MappingProxyType, SimpleNamespace
from typing import Any
from uuid import uuid4

import pytest
from lxml import etree

from nova_virt_api.capability import Feature
from nova_virt_api.driver.endpoint import Manage
from nova_virt_api.errors import Busy, InvalidSpec, VolumeError
from nova_virt_api.model.host_connection import HostConnection
from nova_virt_api.model.record import Phase, Record
from nova_virt_api.model.secret import Secret
from nova_virt_api.model.volume import Volume
from nova_virt_api.model.volume_connection import OpaqueVolume
from nova_virt_libvirt.capabilities import host_connection_answer
from nova_virt_libvirt.host_connections import initiator
from nova_virt_libvirt.host_connections.initiator import Initiator, failing
from nova_virt_libvirt.host_connections.note import Connected, HostConnectionNote
from nova_virt_libvirt.metadata import Mark
from nova_virt_libvirt.remains import remove_guest
from nova_virt_libvirt.volumes.connector import connector
from nova_virt_libvirt.volumes.opaque import hosted

LOCAL = Initiator(uri="qemu:///system", root_helper=None, multipath=False)
WAY = HostConnection(protocol="local", properties="{}")


def test_a_note_stays_in_the_mark() -> None:
    one = Connected(protocol="nvmeof", properties='{"b": 1, "a": 2}', device='{"path": "/dev/a"}')
    note = HostConnectionNote(MappingProxyType({"v1": one, "v2": Connected(protocol="iscsi", properties="{}")}))
    mark = Mark(Record(uuid=uuid4(), owner="a", fingerprint="", phase=Phase.READY))
    assert HostConnectionNote.of(note.put_into(mark)) == note
    assert HostConnectionNote().put_into(note.put_into(mark)) == mark
    assert one.is_same(Connected(protocol="nvmeof", properties='{"a": 2, "b": 1}'))
    assert not one.is_same(Connected(protocol="nvmeof", properties='{"a": 2}'))


@pytest.mark.parametrize(
    "text", ["", "7", "[]", '{"v": 7}', '{"v": {}}', '{"v": {"protocol": "a", "properties": "7"}}']
)
def test_what_nobody_wrote_is_no_note(text: str) -> None:
    assert HostConnectionNote.decode(text) == HostConnectionNote()


def test_who_may_connect(monkeypatch: pytest.MonkeyPatch) -> None:
    LOCAL.check(WAY, "connection")
    assert host_connection_answer(Manage.OWNED, LOCAL.refusal)[Feature.HOST_CONNECTIONS].available
    assert not host_connection_answer(Manage.ALL, "")[Feature.HOST_CONNECTIONS].available
    with pytest.raises(InvalidSpec, match="marks"):
        Initiator(uri=LOCAL.uri, root_helper=None, multipath=False, marks=False).check(WAY, "connection")
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert "os_brick_root_helper" in LOCAL.refusal
    assert Initiator(uri=LOCAL.uri, root_helper="sudo", multipath=False).refusal == ""
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert "nova-virt-libvirt[os-brick]" in LOCAL.refusal
    assert not host_connection_answer(Manage.OWNED, LOCAL.refusal)[Feature.HOST_CONNECTIONS].available


def test_an_error_tells_no_secret() -> None:
    hidden = {"auth_password": "hush", "auth": {"user": "hush-4711", "keys": ["it's \\hidden"]}}
    said = {"file": "/a", **hidden}
    with pytest.raises(VolumeError, match="/a") as caught, failing("connect volume v", hidden):
        raise RuntimeError(f"iscsiadm {said} {json.dumps(said)} hush-4711 it's \\hidden")
    assert not [text for text in ("hush", "4711", "hidden") if text in repr(caught.value)]
    assert caught.value.__cause__ is None


def test_a_device_is_called_by_what_it_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(initiator, "BY_ID", tmp_path)
    assert initiator.lasting("/dev/null") == "/dev/null"
    for name, device in (("scsi-3600-part1", "zero"), ("scsi-SMAKER_1", "null"), ("scsi-3600", "null")):
        (tmp_path / name).symlink_to(f"/dev/{device}")
    assert initiator.lasting("/dev/null") == str(tmp_path / "scsi-3600")
    assert initiator.lasting("/srv/volume") == "/srv/volume"
    (tmp_path / "dm-uuid-mpath-3600").symlink_to("/dev/null")
    assert initiator.lasting("/dev/null") == str(tmp_path / "dm-uuid-mpath-3600")


def test_nobody_waits_for_ever_for_another_who_connects(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(initiator, "PATIENCE", 0.0)
    volume = str(uuid4())
    with LOCAL.alone(volume), pytest.raises(Busy, match=volume), LOCAL.alone(volume):
        pass
    with LOCAL.alone(volume):
        pass


def test_a_guest_is_not_stopped_by_who_cannot_disconnect_its_volumes() -> None:
    away = Initiator(uri="qemu+ssh://root@host2/system", root_helper=None, multipath=False)
    guest, stopped = uuid4(), []
    connected = Connected(protocol="iscsi", properties="{}")
    record = Record(uuid=guest, owner="me", fingerprint="", phase=Phase.READY, native_id=str(guest))
    mark = HostConnectionNote({"v1": connected}).put_into(Mark(record))
    domain = SimpleNamespace(
        UUID=lambda: guest.bytes,
        metadata=lambda *_: etree.tostring(mark.element(), encoding="unicode"),
        destroy=lambda: stopped.append(guest),
        name=lambda: "web",
    )
    hold: Any = SimpleNamespace(verify=lambda _: None, claim=SimpleNamespace(record=record))
    never: Any = SimpleNamespace(records_pool=lambda: None, lookupByUUID=lambda _: domain)
    with pytest.raises(VolumeError, match="v1"):
        remove_guest(never, never, guest, hold, keep_disks=False, vifs=never, initiator=away)
    assert stopped == []


@pytest.mark.parametrize(
    ("kind", "multipath", "by_host"),
    [
        ("fibre_channel", False, True),
        ("nvmeof", False, True),
        ("iscsi", False, False),
        ("iscsi", True, True),
        ("rbd", True, False),
    ],
)
def test_what_qemu_cannot_reach_the_host_connects(kind: str, multipath: bool, by_host: bool) -> None:
    said = json.dumps({"target_lun": 1, "auth_password": "hush-4711"})
    found = hosted(Volume(id="v", connection=OpaqueVolume(kind, Secret(said))), "connection", multipath=multipath)
    assert isinstance(found.connection, HostConnection) is by_host
    if isinstance(found.connection, HostConnection):
        assert (found.connection.protocol, found.connection.revealed()) == (kind, json.loads(said))


def test_who_the_host_is() -> None:
    told = {
        "initiator": "iqn.a:b",
        "wwpns": ["1"],
        "wwnns": ["2"],
        "nqn": "nqn.c",
        "nvme_hostid": "d",
        "multipath": False,
    }
    found = connector("host", "uuid", told)
    assert (found.wwpns, found.wwnns, found.nqn, found.nvme_host_id) == (("1",), ("2",), "nqn.c", "d")
    assert found.iscsi_initiator == "iqn.2008-11.org.linux-kvm:uuid"
    over_many = connector("host", "uuid", told | {"multipath": True})
    assert (over_many.iscsi_initiator, over_many.multipath) == ("iqn.a:b", True)
    assert connector("host", "uuid", {}).wwpns == ()

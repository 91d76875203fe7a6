"""Ports that os-vif makes on a real Open vSwitch, for guests of a driver that runs where they are."""

from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

import nova_virt_api as virt
from nova_virt_libvirt.network.vif import Owner, Vifs


@pytest.mark.timeout(200)
@pytest.mark.parametrize(
    ("form", "profile"),
    [("VIFOpenVSwitch", {}), ("VIFOpenVSwitch", {"create_port": True}), ("VIFBridge", {})],
    ids=["by libvirt", "by os-vif", "hybrid"],
)
def test_ports_come_and_go_with_their_guest(
    form: str, profile: dict[str, Any], neutron: Any, start: Any, seen: Any, inside: Any, native: Any
) -> None:
    before, guest, local = seen(), uuid4(), start()
    name, first = neutron.port("52:54:00:0f:00:01", form, **profile)
    other, second = neutron.port("52:54:00:0f:00:02", form, **profile)
    assert local.do("spawn", guest, properties=first) == "RUNNING"
    assert local.do("spawn", guest, properties=first) == "RUNNING"
    assert name in seen()
    port = f"qvo{name.removeprefix('tap')}" if form == "VIFBridge" else name
    assert str(guest) in inside.run("ovs-vsctl", "get", "interface", port, "external_ids")
    assert [local.do("attach", guest, properties=second) for _ in range(2)] == ["52:54:00:0f:00:02"] * 2
    assert other in seen()
    assert [local.do(verb, guest) for verb in ("stop", "start")] == [None, None]
    assert {name, other} <= seen()
    native.lookupByUUID(guest.bytes).destroy()
    assert local.do("detach", guest, mac="52:54:00:0f:00:02") is None
    assert not {each for each in seen() if other.removeprefix("tap") in each}
    if form == "VIFBridge":
        inside.run("ip", "link", "delete", f"qbr{name.removeprefix('tap')}")  # as a restart of the host does
        inside.run("ip", "link", "delete", port)
    assert local.do("start", guest) is None
    assert name in seen()
    assert local.do("destroy", guest) is True
    assert local.do("destroy", guest) is False
    assert seen() == before


@pytest.mark.timeout(200)
def test_an_address_has_one_port_and_no_other_is_left(neutron: Any, start: Any, seen: Any) -> None:
    before, guest, local = seen(), uuid4(), start()
    mac = "52:54:00:0f:00:08"
    names, properties = zip(*(neutron.port(mac, create_port=True) for _ in range(3)), strict=True)
    assert local.do("spawn", guest, power_on=False) == "SHUTDOWN"
    assert start("after", "plug").do("attach", guest, properties=properties[0]) is None
    assert names[0] in seen()
    for asked in properties[1:]:
        assert local.do("attach", guest, properties=asked) == mac
        assert seen() & set(names) == {names[1]}
    assert local.do("start", guest) is None
    assert local.do("destroy", guest) is True
    assert seen() == before


@pytest.mark.timeout(200)
def test_ports_that_a_restart_took_are_made_again(
    neutron: Any, start: Any, seen: Any, inside: Any, native: Any, tmp_path: Path
) -> None:
    """By every verb that starts the guest."""
    image = tmp_path / "image.raw"
    image.write_bytes(bytes(1024**2))
    before, guest, local = seen(), uuid4(), start()
    name, properties = neutron.port("52:54:00:0f:00:07", "VIFBridge")
    assert local.do("spawn", guest, properties=properties) == "RUNNING"
    for verb, answer in (("rescue", None), ("unrescue", None), ("rebuild", "RUNNING")):
        native.lookupByUUID(guest.bytes).destroy()
        for device in ("qbr", "qvo"):
            inside.run("ip", "link", "delete", f"{device}{name.removeprefix('tap')}")
        assert local.do(verb, guest, image=str(image)) == answer
        assert name in seen()
    assert local.do("destroy", guest) is True
    assert seen() == before


@pytest.mark.timeout(300)
@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_dead_drivers_ports_are_removed(
    moment: str, neutron: Any, start: Any, seen: Any, daemon: Any, native: Any
) -> None:
    before, guest, another, heir = seen(), uuid4(), uuid4(), start()
    name, properties = neutron.port("52:54:00:0f:00:03", create_port=True)
    assert start(moment, "plug").do("spawn", guest, properties=properties) is None
    assert (name in seen()) is (moment == "after")
    assert {"domain", "port"} <= set(heir.do("leftovers", guest))
    assert heir.do("spawn", guest, properties=properties) == "RUNNING"
    assert heir.do("spawn", another, power_on=False) == "SHUTDOWN"
    other, more = neutron.port("52:54:00:0f:00:04", create_port=True)
    assert start(moment, "plug").do("attach", another, properties=more) is None
    assert heir.do("attach", another, properties=more) == "52:54:00:0f:00:04"
    assert start(moment, "unplug").do("detach", another, mac="52:54:00:0f:00:04") is None
    assert (other in seen()) is (moment == "before")
    assert heir.do("detach", another, mac="52:54:00:0f:00:04") is None
    assert other not in seen()
    assert heir.do("attach", another, properties=more) == "52:54:00:0f:00:04"
    for each in (guest, another):
        assert start(moment, "unplug").do("destroy", each) is None
        assert heir.do("destroy", each) is True
    assert seen() == before


def test_what_os_vif_cannot_make_leaves_nothing(neutron: Any, start: Any, seen: Any, native: Any) -> None:
    before, guest, local = seen(), uuid4(), start()
    _, properties = neutron.port("52:54:00:0f:00:05", create_port=True)
    nobodys = properties.replace('"plugin": "ovs"', '"plugin": "elsewhere"')
    _, hybrid = neutron.port("52:54:00:0f:00:06", "VIFBridge")
    broken = hybrid.replace('"bridge_name": "', '"bridge_name": "too-long-for-linux-')
    for asked, said in (
        ({"properties": broken}, "network"),
        ({"properties": nobodys}, "invalid-spec"),
        ({"properties": "{}"}, "invalid-spec"),
        ({"properties": properties, "kind": "vhost"}, "invalid-spec"),
        ({"properties": properties.replace('"VIFOpenVSwitch"', '"VIFVHostUser"')}, "invalid-spec"),
    ):
        answer = local.do("spawn", guest, **asked)
        assert answer.startswith(said), answer
        assert local.do("leftovers", guest) == []
    assert seen() == before


def test_ports_are_made_on_the_own_machine_only() -> None:
    assert Vifs("qemu:///system", None).refusal == ""
    assert "hypervisor's host" in Vifs("qemu+ssh://root@host2/system", None).refusal
    with pytest.raises(virt.NetworkError, match="os-vif"):
        Vifs("qemu+tls://host2/system", None).unplug(Owner(uuid4(), "web"), "{}")

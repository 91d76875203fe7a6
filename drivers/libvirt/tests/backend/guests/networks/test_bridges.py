"""Interfaces on bridges of the host, of Linux and of Open vSwitch, without a network of libvirt's."""

from typing import Any
from uuid import UUID, uuid4

import libvirt
import pytest
from lxml import etree

import nova_virt_api as virt
from nova_virt_api.errors import InvalidSpec, Unavailable

MAC = "52:54:00:b1:00:01"
SECOND = "52:54:00:b1:00:02"


@pytest.mark.timeout(200)
def test_a_guest_speaks_on_a_linux_bridge(
    linux_bridge: str, heard: Any, inside: Any, make_driver: Any, made: Any, eventually: Any
) -> None:
    driver = make_driver(bridges=[linux_bridge, "nvnone0"])
    shown = {network.name: network for network in driver.networks()}
    assert shown[linux_bridge] == virt.Network(
        id=f"bridge:{linux_bridge}", name=linux_bridge, kind="bridge", nodes=(driver.nodes()[0].name,)
    )
    assert not shown["nvnone0"].available
    guest = made(driver, virt.Nic(network=linux_bridge, mac=MAC))
    (card,) = driver.interfaces(guest.ref)
    assert (card.network, card.binding) == (linux_bridge, None)
    plugged = [name for name, bridge in inside.links().items() if bridge == linux_bridge]
    assert len(plugged) == 1
    eventually(lambda: MAC in heard(linux_bridge), "the bridge hears the guest", 120.0)
    another = made.run(
        driver.attach_interface, guest.ref, virt.Nic(binding=virt.BridgePort(bridge=linux_bridge), mac=SECOND)
    )
    assert another.network == linux_bridge
    assert len([name for name, bridge in inside.links().items() if bridge == linux_bridge]) == 2
    made.run(driver.destroy, guest.ref)
    assert linux_bridge not in inside.links().values()


@pytest.mark.timeout(300)
def test_a_guest_is_answered_on_open_vswitch(
    ovs_bridge: str, ports: Any, heard: Any, leases: Any, inside: Any, make_driver: Any, made: Any, eventually: Any
) -> None:
    driver = make_driver(ovs_bridges=[ovs_bridge])
    assert next(one for one in driver.networks() if one.name == ovs_bridge).kind == "openvswitch"
    before = ports()
    known = uuid4()
    tagged = virt.Nic(binding=virt.OvsPort(bridge=ovs_bridge, interface_id=known, vlan=7), mac=SECOND)
    guest = made(driver, virt.Nic(network=ovs_bridge, mac=MAC))
    assert [card.network for card in driver.interfaces(guest.ref)] == [ovs_bridge]
    (port,) = set(ports()) - set(before)
    eventually(lambda: MAC in leases(), "the guest has an address by DHCP", 120.0)
    assert heard(ovs_bridge)[MAC] == "0"
    added = made.run(driver.attach_interface, guest.ref, tagged)
    assert made.run(driver.attach_interface, guest.ref, tagged) == added
    (other,) = set(ports()) - {*before, port}
    said = inside.run("ovs-vsctl", "get", "interface", other, "external_ids")
    assert str(known) in said
    assert str(guest.uuid) in said
    assert SECOND in said
    assert inside.run("ovs-vsctl", "get", "port", other, "tag").strip() == "7"
    made.run(driver.destroy, guest.ref)
    assert ports() == before
    assert "vnet" not in " ".join(inside.links())


def test_a_card_keeps_its_port_of_open_vswitch(
    ovs_bridge: str, ports: Any, inside: Any, driver: Any, make_spec: Any, run: Any, native: Any
) -> None:
    before = ports()
    binding = virt.OvsPort(bridge=ovs_bridge)
    guest = run(driver.spawn, make_spec(nics=[virt.Nic(binding=binding, mac=MAC)], power_on=True))
    ids = [ids_of(native, guest, flags) for flags in (0, libvirt.VIR_DOMAIN_XML_INACTIVE)]
    assert ids[0] == ids[1]
    (card,) = driver.interfaces(guest.ref)
    assert card.network is None
    assert card.binding == virt.OvsPort(bridge=ovs_bridge, interface_id=ids[0][0])
    run(driver.attach_interface, guest.ref, virt.Nic(binding=binding, mac=SECOND))
    ids = [ids_of(native, guest, flags) for flags in (0, libvirt.VIR_DOMAIN_XML_INACTIVE)]
    assert ids[0] == ids[1]
    run(driver.reboot, guest.ref, mode=virt.PowerOff.HARD, grace_seconds=0.0)
    assert ids_of(native, guest, 0) == ids[0]
    assert len(ports()) == len(before) + 2
    run(driver.power_off, guest.ref, mode=virt.PowerOff.HARD, grace_seconds=0.0)
    assert ports() == before
    run(driver.detach_interface, guest.ref, SECOND)
    assert len(driver.interfaces(guest.ref)) == 1
    run(driver.destroy, guest.ref)


def test_a_libvirt_network_may_be_one_of_open_vswitch(
    ovs_bridge: str, ports: Any, inside: Any, driver: Any, make_spec: Any, run: Any, native: Any
) -> None:
    before = ports()
    network = native.networkCreateXML(
        f"<network><name>nv-ovs</name><forward mode='bridge'/><bridge name='{ovs_bridge}'/>"
        "<virtualport type='openvswitch'/><vlan><tag id='9'/></vlan></network>"
    )
    try:
        guest = run(driver.spawn, make_spec(nics=[virt.Nic(network="nv-ovs", mac=MAC)], power_on=True))
        (port,) = set(ports()) - set(before)
        assert inside.run("ovs-vsctl", "get", "port", port, "tag").strip() == "9"
        assert [card.network for card in driver.interfaces(guest.ref)] == ["nv-ovs"]
        run(driver.destroy, guest.ref)
        assert ports() == before
    finally:
        network.destroy()


@pytest.mark.parametrize("binding", [virt.BridgePort(bridge="nvnone0"), virt.OvsPort(bridge="nvnone0")], ids=type)
def test_a_bridge_that_is_not_there_is_refused(
    binding: virt.NicBinding, driver: Any, make_spec: Any, run: Any, native: Any
) -> None:
    with pytest.raises(Unavailable, match="nvnone0"):
        run(driver.spawn, make_spec(nics=[virt.Nic(binding=binding)]))
    assert driver.leftovers() == []


def test_a_network_that_is_not_there_tells_of_bridges(
    linux_bridge: str, make_driver: Any, make_spec: Any, run: Any
) -> None:
    driver = make_driver(bridges=[linux_bridge])
    with pytest.raises(InvalidSpec, match=linux_bridge):
        run(driver.spawn, make_spec(nics=[virt.Nic(network="elsewhere")]))
    with pytest.raises(InvalidSpec, match=f"default, bridge:{linux_bridge}|bridge:{linux_bridge}, default"):
        run(driver.spawn, make_spec(nics=[virt.Nic()]))


def ids_of(native: Any, guest: Any, flags: int) -> list[UUID]:
    """What controllers know the guest's ports by."""
    definition = etree.fromstring(native.lookupByUUID(guest.uuid.bytes).XMLDesc(flags))
    return [UUID(str(one)) for one in definition.xpath("devices/interface/virtualport/parameters/@interfaceid")]

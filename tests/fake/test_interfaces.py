"""Network interfaces that come and go, and volumes that a guest is made with."""

from collections.abc import Callable
from typing import Any

import pytest

import nova_virt_api as virt
from nova_virt_api.fake.switches import Switches
from nova_virt_api.model.spec import MOST_DEVICES

Connect = Callable[..., virt.Compute]
MAC = "52:54:00:00:aa:01"


def test_an_interface_comes_and_goes(fake_compute: virt.Compute, fake_switches: Switches, web: virt.Instance) -> None:
    objects = fake_switches.outside.objects()
    (first,) = fake_compute.interfaces(web)
    assert first.mac == (web.addresses or ())[0].mac
    added = fake_compute.attach_interface(web, virt.Nic(mac=MAC, model=virt.NicModel.E1000))
    assert (added.mac, added.model, added.network) == (MAC, virt.NicModel.E1000, "default")
    assert fake_compute.interfaces(web) == [first, added]
    assert [address.mac for address in fake_compute.instance(web).addresses or ()] == [first.mac, MAC]
    fake_compute.reboot(web)
    assert fake_compute.interfaces(web) == [first, added]
    fake_compute.detach_interface(web, added)
    assert fake_compute.interfaces(web) == [first]
    assert fake_switches.outside.objects() == objects
    fake_compute.detach_interface(web, added.id)


@pytest.mark.parametrize("nic", [virt.Nic(mac=MAC), virt.Nic(vif_id="port-1"), virt.Nic(mac=MAC, vif_id="port-1")])
def test_what_is_named_is_attached_once(nic: virt.Nic, fake_compute: virt.Compute, web: virt.Instance) -> None:
    added = fake_compute.attach_interface(web, nic)
    assert fake_compute.attach_interface(web, nic) == added
    assert len(fake_compute.interfaces(web)) == 2


def test_without_a_name_each_call_adds_one_with_an_id_of_its_own(
    fake_compute: virt.Compute, web: virt.Instance
) -> None:
    first = fake_compute.attach_interface(web, virt.Nic())
    fake_compute.detach_interface(web, first)
    second = fake_compute.attach_interface(web, virt.Nic())
    assert first.id != second.id
    fake_compute.detach_interface(web, first)
    assert fake_compute.interfaces(web)[-1] == second


def test_a_vif_needs_no_network(connect: Connect, make_spec: Any) -> None:
    compute = connect(networks=["front", "back"])
    guest = compute.spawn(make_spec(nics=[virt.Nic(vif_id="port-1")]))
    assert [interface.vif_id for interface in compute.interfaces(guest)] == ["port-1"]
    with pytest.raises(virt.InvalidSpec, match=r"nic\.network"):
        compute.attach_interface(guest, virt.Nic())
    assert compute.attach_interface(guest, virt.Nic(network="back")).network == "back"


def test_a_full_guest_takes_no_more(fake_compute: virt.Compute, make_spec: Any) -> None:
    guest = fake_compute.spawn(make_spec(nics=[virt.Nic()] * MOST_DEVICES))
    with pytest.raises(virt.NoCapacity, match="no place for one more"):
        fake_compute.attach_interface(guest, virt.Nic())


def test_what_was_attached_goes_with_the_guest(
    fake_compute: virt.Compute, fake_switches: Switches, web: virt.Instance
) -> None:
    fake_compute.attach_interface(web, virt.Nic())
    fake_compute.destroy(web)
    assert fake_switches.outside.objects() == ()


def test_a_guest_of_another_is_looked_at_and_not_changed(fake_compute: virt.Compute, fake_switches: Switches) -> None:
    foreign = fake_switches.outside.add_guest("foreign")
    assert fake_compute.interfaces(foreign) == []
    with pytest.raises(virt.PermissionDenied):
        fake_compute.attach_interface(foreign, virt.Nic())


def test_volumes_of_a_storage_service(fake_compute: virt.Compute, fake_switches: Switches, make_spec: Any) -> None:
    secret = virt.Secret("PASSWORD-5aZ")
    data = virt.IscsiVolume(
        portal="192.0.2.7:3260", iqn="iqn.2001-04.com.example:data", chap_username="me", chap_password=secret
    )
    root = virt.OpaqueVolume("fibre_channel", virt.Secret('{"password": "PASSWORD-5aZ"}'))
    guest = fake_compute.spawn(
        make_spec(volumes=[virt.Volume(id="data", connection=data), virt.Volume(id="root", connection=root, boot=True)])
    )
    attached = fake_switches.outside.parts(guest).guest.attached
    assert [(volume.id, volume.boot, volume.kind) for volume in attached] == [
        ("root", True, "fibre_channel"),
        ("data", False, "iscsi"),
    ]
    assert "PASSWORD" not in repr(attached)
    assert b"volume0: root" in fake_compute.console_log(guest)
    fake_compute.destroy(guest)
    assert fake_switches.outside.objects() == ()


def test_each_host_has_its_name_in_storage(connect: Connect) -> None:
    compute = connect(nodes=["one", "two"])
    connectors = [compute.volume_connector(node) for node in ("one", "two")]
    assert [connector.node for connector in connectors] == ["one", "two"]
    assert len({connector.iscsi_initiator for connector in connectors}) == 2
    assert len({wwpn for connector in connectors for wwpn in connector.wwpns}) == 2
    for wrong in (None, "three"):
        with pytest.raises(virt.InvalidSpec, match="one, two"):
            compute.volume_connector(wrong)

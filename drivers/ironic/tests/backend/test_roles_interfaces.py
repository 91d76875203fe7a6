"""Network interfaces on a real Ironic beside a real Neutron, and on nodes whose cards nobody connects."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from nova_virt_api.capability import Capability
from nova_virt_api.errors import InvalidSpec, InvalidState, NetworkError, NoCapacity, NotSupported, PermissionDenied
from nova_virt_api.model.instance import Instance
from nova_virt_api.model.nic import Nic
from nova_virt_api.model.placement import Placement
from nova_virt_api.model.secret import Secret
from nova_virt_ironic.driver import IronicDriver
from tools.ironic import EnrolledNode, Ironic

MakeDriver = Callable[..., IronicDriver]


@pytest.fixture(scope="module")
def network(ironic_neutron: Ironic) -> str:
    """A network of Neutron's."""
    return ironic_neutron.neutron.create_network("interfaces", "192.0.2.0/24")


@pytest.fixture
def wired(make_driver: MakeDriver, ironic_neutron: Ironic) -> IronicDriver:
    """A driver for the Ironic that has a Neutron."""
    return make_driver(to=ironic_neutron)


@pytest.fixture
def node(ironic_neutron: Ironic) -> Iterator[EnrolledNode]:
    """A node with two network cards."""
    nodes = ironic_neutron.enroll(1)
    yield nodes[0]
    ironic_neutron.forget(nodes)


@pytest.fixture
def guest(wired: IronicDriver, node: EnrolledNode, make_spec: Callable[..., Any], op: Any) -> Instance:
    """A guest without interfaces."""
    return wired.spawn(make_spec(placement=Placement(node=node.name)), op)


def test_a_vif_is_attached_and_detached(
    wired: IronicDriver, ironic_neutron: Ironic, network: str, node: EnrolledNode, guest: Instance, op: Any
) -> None:
    assert wired.interfaces(guest.ref) == ()
    port = ironic_neutron.neutron.create_port(network)
    interface = wired.attach_interface(guest.ref, Nic(vif_id=port.id), op)
    assert (interface.id, interface.vif_id) == (port.id, port.id)
    assert interface.mac in node.addresses
    bound = ironic_neutron.neutron.port(port.id)
    assert (bound.mac_address, bound.host, bound.vif_type) == (interface.mac, node.uuid, "other")
    assert tuple(wired.interfaces(guest.ref)) == (interface,)
    wired.detach_interface(guest.ref, interface.id, op)
    assert wired.interfaces(guest.ref) == ()
    assert ironic_neutron.neutron.port(port.id).vif_type == "unbound"


def test_both_verbs_are_idempotent(
    wired: IronicDriver, ironic_neutron: Ironic, network: str, guest: Instance, op: Any
) -> None:
    port = ironic_neutron.neutron.create_port(network)
    first = wired.attach_interface(guest.ref, Nic(vif_id=port.id), op)
    assert wired.attach_interface(guest.ref, Nic(vif_id=port.id), op) == first
    assert len(wired.interfaces(guest.ref)) == 1
    for _ in range(2):
        wired.detach_interface(guest.ref, port.id, op)
    wired.detach_interface(guest.ref, "never/was there", op)


def test_a_third_vif_finds_no_card(
    wired: IronicDriver, ironic_neutron: Ironic, network: str, node: EnrolledNode, guest: Instance, op: Any
) -> None:
    ports = [ironic_neutron.neutron.create_port(network) for _ in range(3)]
    for port in ports[:2]:
        wired.attach_interface(guest.ref, Nic(vif_id=port.id), op)
    assert {one.mac for one in wired.interfaces(guest.ref)} == set(node.addresses)
    with pytest.raises(NoCapacity, match="no free network card"):
        wired.attach_interface(guest.ref, Nic(vif_id=ports[2].id), op)


def test_how_many_requests_a_listing_takes(
    wired: IronicDriver, ironic_neutron: Ironic, network: str, guest: Instance, op: Any
) -> None:
    wired.attach_interface(guest.ref, Nic(vif_id=ironic_neutron.neutron.create_port(network).id), op)
    before = wired.site.connection.request_count
    wired.interfaces(guest.ref)
    assert wired.site.connection.request_count - before == 3, "the guest, its VIFs, the cards that they are on"


def test_a_vif_that_neutron_does_not_have(wired: IronicDriver, guest: Instance, op: Any) -> None:
    with pytest.raises(NetworkError):
        wired.attach_interface(guest.ref, Nic(vif_id="2b9a5b56-9a8b-4d3b-a5b2-2f9f7c8f3f10"), op)
    assert wired.interfaces(guest.ref) == ()


def test_networks_by_name_are_refused(wired: IronicDriver, guest: Instance, op: Any) -> None:
    with pytest.raises(InvalidSpec, match="vif_id"):
        wired.attach_interface(guest.ref, Nic(network="interfaces"), op)


def test_states_and_owners(
    wired: IronicDriver, make_driver: MakeDriver, ironic_neutron: Ironic, network: str, guest: Instance, op: Any
) -> None:
    port = ironic_neutron.neutron.create_port(network)
    with pytest.raises(PermissionDenied):
        make_driver(to=ironic_neutron, owner="somebody-else").attach_interface(guest.ref, Nic(vif_id=port.id), op)
    wired.rescue(guest.ref, op, password=Secret("correct-horse"))
    for act in (
        lambda: wired.attach_interface(guest.ref, Nic(vif_id=port.id), op),
        lambda: wired.detach_interface(guest.ref, port.id, op),
    ):
        with pytest.raises(InvalidState):
            act()
    assert wired.interfaces(guest.ref) == ()


def test_a_node_that_nobody_connects_shows_its_cards(
    driver: IronicDriver, ironic: Ironic, deployed: Callable[..., Instance], op: Any
) -> None:
    guest = deployed()
    interfaces = driver.interfaces(guest.ref)
    ports = ironic.api.get("/v1/ports", node=guest.native_id)["ports"]
    assert [one.mac for one in interfaces] == [port["address"] for port in ports]
    assert {one.vif_id for one in interfaces} == {None}
    for act in (
        lambda: driver.attach_interface(guest.ref, Nic(vif_id="vif"), op),
        lambda: driver.detach_interface(guest.ref, interfaces[0].id, op),
    ):
        with pytest.raises(NotSupported, match="noop") as caught:
            act()
        assert caught.value.capability is Capability.INTERFACES
    driver.detach_interface(guest.ref, "vif", op)  # is not there, so there is nothing to do

"""Giving guests network interfaces, and taking them away."""

from collections.abc import Sequence
from dataclasses import replace

from nova_virt_api.capability import Capability
from nova_virt_api.driver.interfaces import Interfaces
from nova_virt_api.driver.operation import Operation
from nova_virt_api.errors import InvalidState, NoCapacity
from nova_virt_api.fake.connection import Connection
from nova_virt_api.fake.guest import Guest, Port, mac_of
from nova_virt_api.fake.listing import find
from nova_virt_api.fake.outside_port import outside_port
from nova_virt_api.fake.places import network_of
from nova_virt_api.fake.state import State
from nova_virt_api.fake.steps import Step
from nova_virt_api.fake.told import card_address
from nova_virt_api.model.identity import InstanceRef
from nova_virt_api.model.instance import PowerState
from nova_virt_api.model.interface import Interface
from nova_virt_api.model.nic import Nic, NicModel
from nova_virt_api.model.spec import MOST_DEVICES

PLUGGABLE = (PowerState.RUNNING, PowerState.PAUSED, PowerState.SHUTDOWN)


class FakeInterfaces(Interfaces):
    """The role ``Interfaces`` of the fake driver: an interface is a port, and the port's name is its id."""

    connection: Connection

    def interfaces(self, guest: InstanceRef) -> Sequence[Interface]:
        self.connection.require(Capability.INTERFACES)
        self.connection.switches.reach(Step.READ)
        with self.connection.world.reading() as state:
            found = find(guest, state.claimants(guest.uuid))
            return [shown(state.ports[name]) for name in found.ports if name in state.ports]

    def attach_interface(self, guest: InstanceRef, nic: Nic, op: Operation) -> Interface:
        connection = self.connection
        connection.require(Capability.INTERFACES)
        network = network_of(nic, "nic", connection.world.shape)
        with connection.hold(guest.uuid, "attach interface"):
            with connection.world.reading() as state:
                there = matching(state, self._pluggable(state, guest), nic)
                if there is not None:
                    return shown(there)
            connection.step(Step.ATTACH_INTERFACE, op)
            with connection.world.changing() as state:
                found = self._pluggable(state, guest)
                there = matching(state, found, nic)
                return shown(there or self._attached(state, found, nic, network))

    def detach_interface(self, guest: InstanceRef, interface_id: str, op: Operation) -> None:
        connection = self.connection
        connection.require(Capability.INTERFACES)
        with connection.hold(guest.uuid, "detach interface"):
            with connection.world.reading() as state:
                if interface_id not in self._pluggable(state, guest).ports:
                    return
            connection.step(Step.DETACH_INTERFACE, op)
            with connection.world.changing() as state:
                found = self._pluggable(state, guest)
                if interface_id in found.ports:
                    if interface_id in state.ports:
                        state.drop_port(interface_id)
                    state.put(replace(found, ports=tuple(name for name in found.ports if name != interface_id)))

    def _pluggable(self, state: State, guest: InstanceRef) -> Guest:
        found = self.connection.ready(state, guest)
        if found.power_state not in PLUGGABLE:
            raise InvalidState(found.power_state, PLUGGABLE)
        return found

    def _attached(self, state: State, guest: Guest, nic: Nic, network: str) -> Port:
        if len(guest.ports) >= MOST_DEVICES:
            raise NoCapacity("nics", f"the guest has {len(guest.ports)} interfaces, and no place for one more")
        number = state.new_port_index()
        port = Port(
            name=f"{guest.uuid}-port{number}",
            index=number,
            network=network,
            uuid=guest.uuid,
            owner=guest.owner,
            mac=nic.mac or mac_of(number),
            model=nic.model or NicModel.VIRTIO,
            vif_id=nic.vif_id,
            limits=nic.limits,
            queues=nic.queues or 1,
            mtu=nic.mtu,
            link_up=nic.link_up,
            tag=nic.tag,
            outside=outside_port(nic.binding),
        )
        state.put_port(port)
        state.put(replace(guest, ports=(*guest.ports, port.name)))
        return port


def matching(state: State, guest: Guest, nic: Nic) -> Port | None:
    """The guest's port that is the one asked for, where that is named in a way that only one can have."""
    for port in (state.ports[name] for name in guest.ports if name in state.ports):
        if nic.vif_id is not None and port.vif_id == nic.vif_id:
            return port
        if nic.vif_id is None and nic.mac is not None and port.mac == nic.mac:
            return port
    return None


def shown(port: Port) -> Interface:
    """A port as the API shows it."""
    return Interface(
        id=port.name,
        mac=port.mac,
        network=port.network if port.binding is None else None,
        vif_id=port.vif_id,
        model=port.model,
        binding=port.binding,
        tag=port.tag,
        address=card_address(port),
    )

"""Addresses of running guests, from networks' leases and from connected agents. Never waits for a guest."""

from collections.abc import Iterable
from uuid import UUID

from nova_virt_api.model.nic import Address
from nova_virt_libvirt.agent.addresses import AgentAddresses
from nova_virt_libvirt.connection import Connection
from nova_virt_libvirt.definition import Definition
from nova_virt_libvirt.network.leases import Leases


class Addresses:
    """Both sources together.

    Args:
        reading: the connection for reads; networks are asked over it.
        asking: the connection over which agents are asked.
    """

    def __init__(self, reading: Connection, asking: Connection) -> None:
        self._leases = Leases(reading)
        self._agents = AgentAddresses(asking)

    def refresh(self, definitions: Iterable[Definition], *, now: bool = False) -> None:
        """Ask the networks that these running guests are on, each at most once a second unless ``now``."""
        networks = {interface.network for definition in definitions for interface in definition.interfaces}
        self._leases.refresh((network for network in networks if network is not None), now=now)

    def forget(self, uuid: UUID) -> None:
        """The guest is off or gone; what it had, it need not get again."""
        self._agents.forget(uuid)

    def of(self, definition: Definition) -> tuple[Address, ...] | None:
        """A running guest's addresses as far as known; None if none is: it may have some of its own choice."""
        if not definition.interfaces:
            return ()
        if not definition.agent:
            self._agents.forget(definition.uuid)
        found = {address.ip: address for address in self._agents.latest(definition.uuid)} if definition.agent else {}
        found |= {address.ip: address for address in self._leases.addresses(definition.interfaces)}
        return tuple(found.values()) or None

"""The role Interfaces: VIFs, the network service's ports, on the network cards that a node has.

A node has the cards that it has. Where its network interface is ``noop`` nobody connects or disconnects them: they are
all shown, and nothing can be attached. Otherwise a guest has an interface for each VIF that is attached.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from nova_virt_api.capability import Capability
from nova_virt_api.driver.interfaces import Interfaces
from nova_virt_api.errors import (
    BackendError,
    InvalidSpec,
    InvalidState,
    NetworkError,
    NoCapacity,
    NotSupported,
)
from nova_virt_api.model.instance import Lifecycle
from nova_virt_api.model.interface import Interface
from nova_virt_ironic import vifs
from nova_virt_ironic.capabilities import UNCONNECTED
from nova_virt_ironic.ports import Port, Ports
from nova_virt_ironic.provision_states import meaning_of
from nova_virt_ironic.site import OnSite

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nova_virt_api.driver.operation import Operation
    from nova_virt_api.model.identity import InstanceRef
    from nova_virt_api.model.nic import Nic
    from nova_virt_ironic.instances import Guest
    from nova_virt_ironic.node import NodeRow

NO_CARD_LEFT: Final = re.compile(r"not enough free physical ports", re.IGNORECASE)


class IronicInterfaces(OnSite, Interfaces):
    """Attaches VIFs to nodes (API reference: "VIFs")."""

    def interfaces(self, guest: InstanceRef) -> Sequence[Interface]:
        return self._interfaces(self.site.guests.find(guest).row)

    def attach_interface(self, guest: InstanceRef, nic: Nic, op: Operation) -> Interface:
        found = self.site.guests.owned(guest, op)
        require_ready(found)
        require_managed(found.row)
        if nic.vif_id is None:
            raise InvalidSpec("vif_id", None, "the id of a VIF that a network service has made, e.g. a Neutron port")
        there = self._interface(found.row, nic.vif_id, op)
        if there is not None:
            return there
        self._attach_vif(found.row, nic.vif_id, op)
        attached = self._interface(found.row, nic.vif_id, op)
        if attached is None:
            raise NetworkError(f"VIF {nic.vif_id} was attached to node {found.row.label} and is not there any more")
        return attached

    def detach_interface(self, guest: InstanceRef, interface_id: str, op: Operation) -> None:
        found = self.site.guests.owned(guest, op)
        require_ready(found)
        if self._interface(found.row, interface_id, op) is None:
            return
        require_managed(found.row)
        try:
            vifs.detach(self.site.connection, found.row, interface_id, op)
        except BackendError as error:
            raise network_error(error) from error

    def _attach_vif(self, row: NodeRow, vif_id: str, op: Operation) -> None:
        try:
            vifs.attach(self.site.connection, row, vif_id, op)
        except NetworkError as error:
            if NO_CARD_LEFT.search(error.message):
                raise NoCapacity("network cards", f"node {row.label} has no free network card for it") from error
            raise
        except BackendError as error:
            raise network_error(error) from error

    def _interface(self, row: NodeRow, interface_id: str, op: Operation) -> Interface | None:
        return next((one for one in self._interfaces(row, op) if one.id == interface_id), None)

    def _interfaces(self, row: NodeRow, op: Operation | None = None) -> Sequence[Interface]:
        """What a node is connected by: three requests at most, whatever the number of interfaces."""
        ports = Ports(self.site.connection)
        cards = ports.of(row, op)
        if row.network_interface == UNCONNECTED:
            return tuple(Interface(id=card.uuid, mac=card.address) for card in cards)
        groups = ports.groups_of(row, op) if any(card.group for card in cards) else ()
        return joined(vifs.attached(self.site.connection, row, op), [*cards, *groups])


def joined(attached: Sequence[str], ports: Sequence[Port]) -> Sequence[Interface]:
    """The VIFs with the addresses of the cards that they are on, in the order of the cards."""
    addresses = {card.vif_id: card.address for card in ports if card.vif_id is not None}
    order = [vif for vif in addresses if vif in attached] + [vif for vif in attached if vif not in addresses]
    return tuple(Interface(id=vif, mac=addresses.get(vif), vif_id=vif) for vif in order)


def require_ready(guest: Guest) -> None:
    """Refuse a guest that is not up and about.

    Raises:
        InvalidState: it is rescued, unfinished, failed, or in the middle of something.
    """
    lifecycle = meaning_of(guest.row).lifecycle if guest.record is None else guest.lifecycle
    if lifecycle is not Lifecycle.READY:
        raise InvalidState(lifecycle, (Lifecycle.READY,), hint=f"its node is {guest.row.provision_state!r}")


def require_managed(row: NodeRow) -> None:
    """Refuse a node whose cards nobody connects: Ironic would take a VIF, and forget it.

    Raises:
        NotSupported: says so.
    """
    if row.network_interface == UNCONNECTED:
        reason = f"node {row.label} has the network interface {UNCONNECTED}: nobody would connect it"
        raise NotSupported(Capability.INTERFACES, reason=reason)


def network_error(error: BackendError) -> NetworkError:
    """The network service failed, or Ironic in its place."""
    return NetworkError(error.message, hint=error.hint, state_after=error.state_after)

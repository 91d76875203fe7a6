"""What a guest is given with another size: interfaces and volumes in place of those that it has."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from nova_virt_libvirt.devices.nic import nic_element
from nova_virt_libvirt.network.user_network import refuse_on_user_mode
from nova_virt_libvirt.resize.definition import set_interfaces
from nova_virt_libvirt.volumes.moved import let_open, set_volumes, volumes_to_be

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    import libvirt
    from lxml import etree

    from nova_virt_api.model.nic import Nic
    from nova_virt_api.model.volume import Volume
    from nova_virt_libvirt.devices.volume_disk import VolumeDisk
    from nova_virt_libvirt.network.wire import Wire
    from nova_virt_libvirt.places import Places
    from nova_virt_libvirt.site import Site


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What is asked for.

    Args:
        cards: its interfaces; None keeps those that it has.
        volumes: the volumes that it uses; None keeps those that it has.
        turn: of their passwords.
    """

    cards: Sequence[Card] | None = None
    volumes: Sequence[VolumeDisk] | None = None
    turn: str = ""

    def put_into(self, definition: Any, connection: libvirt.virConnect, uuid: UUID) -> None:
        """Put it into a guest's definition, and let libvirt know the passwords of its volumes."""
        if self.cards is not None:
            set_interfaces(definition, [card.element(uuid, index) for index, card in enumerate(self.cards)])
        if self.volumes is not None:
            let_open(connection, uuid, self.volumes, self.turn)
            set_volumes(definition, self.volumes)


def wanted_of(
    site: Site,
    places: Places,
    guest: UUID,
    nics: Sequence[Nic] | None,
    volumes: Sequence[Volume] | None,
    prefix: str = "",
    turn: str = "",
) -> Wanted:
    """What is asked for, looked up at an endpoint.

    Args:
        site: the endpoint.
        places: what names of places mean there.
        guest: for whom.
        nics: the interfaces.
        volumes: the volumes.
        prefix: of the fields that ask for it, for errors.
        turn: of the volumes' passwords.

    Raises:
        InvalidSpec: there is no such network, or the driver makes no such connection.
    """
    cards = cards_of(places, nics, f"{prefix}nics")
    return Wanted(cards=cards, volumes=volumes_to_be(site, guest, volumes, f"{prefix}volumes", turn), turn=turn)


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """A network interface to be.

    Args:
        nic: what was asked for.
        wire: what it is plugged into.
    """

    nic: Nic
    wire: Wire

    def element(self, uuid: UUID, index: int) -> etree._Element:
        """It in a definition."""
        return nic_element(self.nic, self.wire, uuid, index)


def cards_of(places: Places, nics: Sequence[Nic] | None, field: str) -> list[Card] | None:
    """The interfaces with their networks; None for None.

    Raises:
        InvalidSpec: there is no such network, or several and none was named; or an interface on it cannot be so.
    """
    if nics is None:
        return None
    cards = [Card(nic=nic, wire=places.wire(f"{field}[{index}]", nic)) for index, nic in enumerate(nics)]
    for index, card in enumerate(cards):
        refuse_on_user_mode(card.nic, card.wire.id, f"{field}[{index}]")
    return cards

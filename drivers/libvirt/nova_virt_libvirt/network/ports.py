"""What the interfaces of a spec are plugged into, those whose ports os-vif makes among them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from nova_virt_api.model.nic_binding import OpaquePort
from nova_virt_libvirt.network.user_network import refuse_on_user_mode
from nova_virt_libvirt.network.vif_note import VifNote

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nova_virt_api.model.nic import Nic
    from nova_virt_libvirt.network.wire import Wire
    from nova_virt_libvirt.places import Places
    from nova_virt_libvirt.site import Site


@dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    """The interfaces of a guest to be.

    Args:
        nics: what was asked for, each with the address that its port was made for.
        wires: what each is plugged into.
        note: the ports that os-vif makes.
    """

    nics: tuple[Nic, ...] = ()
    wires: tuple[Wire, ...] = ()
    note: VifNote = field(default_factory=VifNote)


def ports_of(site: Site, places: Places, nics: Sequence[Nic], field: str) -> Ports:
    """The ports of these interfaces.

    Args:
        site: the endpoint.
        places: what names of networks mean.
        nics: the interfaces.
        field: what errors call them.

    Raises:
        InvalidSpec: there is no such network, or several and none was named; or a port cannot be made, or not so.
        Unavailable: a network is not active, or the host has no such bridge.
    """
    found = [port_of(site, places, nic, f"{field}[{index}]") for index, nic in enumerate(nics)]
    opaque = {made.mac: properties for made, _, properties in found if made.mac and properties is not None}
    nics, wires = tuple(made for made, _, _ in found), tuple(wire for _, wire, _ in found)
    return Ports(nics=nics, wires=wires, note=VifNote(opaque))


def port_of(site: Site, places: Places, nic: Nic, field: str) -> tuple[Nic, Wire, str | None]:
    """The same of one interface, with the description that os-vif makes its port from, if it does.

    Raises:
        InvalidSpec: there is no such network, or several and none was named; or its port cannot be made, or not so.
        Unavailable: the network is not active, or the host has no such bridge.
    """
    if isinstance(nic.binding, OpaquePort):
        made, wire = site.vifs.described(field, nic, nic.binding)
        return made, wire, nic.binding.properties
    wire = places.wire(field, nic)
    refuse_on_user_mode(nic, wire.id, field)
    return nic, wire, None

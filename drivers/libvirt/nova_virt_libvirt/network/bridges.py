"""Bridges of the host that the driver's options name: networks that interfaces join without one of libvirt's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import libvirt
from lxml import etree

from nova_virt_api.errors import Unavailable
from nova_virt_api.model.place import Network
from nova_virt_libvirt.definition import PARSER
from nova_virt_libvirt.errors import translated
from nova_virt_libvirt.network.wire import Wire, WireKind

if TYPE_CHECKING:
    from collections.abc import Iterator

SILENT: Final = frozenset({libvirt.VIR_ERR_NO_SUPPORT, libvirt.VIR_ERR_NO_CONNECT})
"""Answers of a daemon that does not tell of the host's network devices."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bridges:
    """The bridges that count as networks of the endpoint.

    Args:
        linux: names of Linux bridges.
        ovs: names of bridges of Open vSwitch.
    """

    linux: tuple[str, ...] = ()
    ovs: tuple[str, ...] = ()

    @classmethod
    def of(cls, options: Any) -> Bridges:
        """Those of the driver's options."""
        return cls(linux=tuple(options.bridges), ovs=tuple(options.ovs_bridges))

    def __iter__(self) -> Iterator[Wire]:
        yield from (Wire(kind=WireKind.BRIDGE, name=name) for name in self.linux)
        yield from (Wire(kind=WireKind.OVS, name=name) for name in self.ovs)

    def find(self, wanted: str) -> Wire | None:
        """The one with this name or id."""
        return next((wire for wire in self if wanted in (wire.name, wire.id)), None)

    def networks(self, native: Any, node: str) -> list[Network]:
        """They as networks of the endpoint.

        Raises:
            libvirt.libvirtError: the connection broke.
        """
        return [
            Network(
                id=wire.id,
                name=wire.name,
                kind=wire.kind.value,
                nodes=(node,),
                available=is_there(native, wire),
            )
            for wire in self
        ]


NO_BRIDGES: Final = Bridges()


def require_bridge(native: Any, wire: Wire) -> Wire:
    """It, if the host has it.

    Raises:
        Unavailable: the host has no such bridge.
    """
    with translated("look at the host's bridges"):
        there = is_there(native, wire)
    if there:
        return wire
    if wire.kind is WireKind.BRIDGE:
        how = f"make it there: ip link add {wire.name} type bridge; or name another"
        raise Unavailable(f"the host has no Linux bridge {wire.name}", hint=how)
    how = f"make it there: ovs-vsctl add-br {wire.name}; or name another"
    raise Unavailable(f"the host has no Open vSwitch bridge {wire.name}", hint=how)


def is_there(native: Any, wire: Wire) -> bool:
    """Whether the host has the bridge; True if libvirt cannot tell. Of Open vSwitch, its own port shows it.

    Raises:
        libvirt.libvirtError: the connection broke.
    """
    try:
        found = etree.fromstring(native.interfaceLookupByName(wire.name).XMLDesc(0), PARSER)
    except libvirt.libvirtError as error:
        if error.get_error_code() == libvirt.VIR_ERR_NO_INTERFACE:
            return False
        if error.get_error_code() in SILENT:
            return True
        raise
    return (found.get("type") == "bridge") == (wire.kind is WireKind.BRIDGE)

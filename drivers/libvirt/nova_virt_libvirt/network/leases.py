"""Addresses that libvirt's networks have leased to guests, kept for a moment. Asks no guest."""

import threading
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Any, Final

import libvirt

from nova_virt_api.model.nic import Address
from nova_virt_libvirt.connection import Connection
from nova_virt_libvirt.definition import Interface

FRESH_SECONDS: Final = 1.0
"""For how long what a network said is good; also how old an address in a listing may be."""

Table = Mapping[str, tuple[IPv4Address | IPv6Address, ...]]


class Leases:
    """The leases of one endpoint's networks.

    Args:
        connection: the connection for reads.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._lock = threading.Lock()
        self._tables: dict[str, tuple[float, Table]] = {}

    def refresh(self, networks: Iterable[str], *, now: bool = False) -> None:
        """Ask those networks again that were not asked for a while.

        Args:
            networks: names.
            now: ask whatever was asked before.
        """
        for name in networks:
            begun = time.monotonic()
            with self._lock:
                known = self._tables.get(name)
                if known is not None and not now and begun - known[0] < FRESH_SECONDS:
                    continue
                self._tables[name] = (begun, known[1] if known else {})  # others need not ask as well
            table = leases_of(self._connection.native, name)
            with self._lock:
                self._tables[name] = (begun, table)

    def addresses(self, interfaces: Iterable[Interface]) -> tuple[Address, ...]:
        """What these interfaces were leased, as far as known."""
        tables = self._tables
        return tuple(
            Address(ip=ip, mac=interface.mac, network=interface.network)
            for interface in interfaces
            if interface.network in tables
            for ip in tables[interface.network][1].get(interface.mac, ())
        )


def leases_of(native: Any, network: str) -> Table:
    """Addresses by MAC address; empty for a network that is gone or has no DHCP of libvirt's."""
    table: dict[str, list[IPv4Address | IPv6Address]] = {}
    with suppress(libvirt.libvirtError):  # a network may be of a kind that keeps no leases
        for lease in native.networkLookupByName(network).DHCPLeases():
            mac, ip = lease.get("mac"), lease.get("ipaddr")
            if mac and ip:  # over DHCPv6 a lease need not tell the MAC address
                table.setdefault(mac.lower(), []).append(ip_address(ip))
    return {mac: tuple(sorted(ips, key=lambda ip: (ip.version, ip))) for mac, ips in table.items()}

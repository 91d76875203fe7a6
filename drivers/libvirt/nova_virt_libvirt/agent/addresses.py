"""Addresses that guests' agents tell. Agents are asked in the background, so no reader waits for a guest."""

import threading
import time
from ipaddress import ip_address
from typing import Any, Final
from uuid import UUID

import libvirt

from nova_virt_api.model.nic import Address
from nova_virt_libvirt.connection import Connection

FRESH_SECONDS: Final = 5.0
"""For how long an answer is good."""

MOST_AT_ONCE: Final = 4
"""Agents that may be asked at once; one that never answers keeps its place."""

LOOPBACK: Final = "00:00:00:00:00:00"


class AgentAddresses:
    """What agents said last.

    Args:
        connection: a connection of its own; a silent agent may hold requests up.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._lock = threading.Lock()
        self._asking: set[UUID] = set()
        self._answers: dict[UUID, tuple[float, tuple[Address, ...]]] = {}

    def latest(self, uuid: UUID) -> tuple[Address, ...]:
        """What the guest's agent said last; asks it again behind the scenes if that was a while ago."""
        with self._lock:
            told, addresses = self._answers.get(uuid, (0.0, ()))
            stale = time.monotonic() - told > FRESH_SECONDS
            if stale and uuid not in self._asking and len(self._asking) < MOST_AT_ONCE:
                self._asking.add(uuid)
                threading.Thread(target=self._ask, args=(uuid,), name="nova-virt-libvirt-agent", daemon=True).start()
            return addresses

    def forget(self, uuid: UUID) -> None:
        """The guest, or its agent, is gone."""
        with self._lock:
            self._answers.pop(uuid, None)

    def _ask(self, uuid: UUID) -> None:
        addresses: tuple[Address, ...] = ()
        try:
            domain = self._connection.native.lookupByUUID(uuid.bytes)
            addresses = addresses_in(domain.interfaceAddresses(libvirt.VIR_DOMAIN_INTERFACE_ADDRESSES_SRC_AGENT, 0))
        except Exception:  # noqa: BLE001, S110 - an agent that does not answer says nothing about the guest
            pass
        with self._lock:
            self._asking.discard(uuid)
            self._answers[uuid] = (time.monotonic(), addresses)


def addresses_in(interfaces: dict[str, Any]) -> tuple[Address, ...]:
    """The addresses in libvirt's answer, without the guest's own loopback."""
    return tuple(
        Address(ip=ip_address(entry["addr"].partition("%")[0]), mac=interface["hwaddr"].lower())
        for interface in interfaces.values()
        if interface.get("hwaddr") not in (None, LOOPBACK)
        for entry in interface.get("addrs") or ()
    )

"""What ``wait_for`` can wait for: conditions of a guest, made by small functions (``until.address(family=4)``)."""

from __future__ import annotations

import socket
from abc import ABC, abstractmethod
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import TYPE_CHECKING, Final

from nova_virt_api.errors import InvalidSpec
from nova_virt_api.model.check import check, check_integer
from nova_virt_api.model.instance import Instance, PowerState

if TYPE_CHECKING:
    from nova_virt_api.model.nic import Address

PORT_TIMEOUT: Final = 1.0


class Condition(ABC):
    """Something that holds for a guest or does not."""

    @abstractmethod
    def holds(self, instance: Instance | None) -> bool:
        """Whether it holds; ``instance`` is None for a guest that is not there. May take about a second."""

    @abstractmethod
    def __str__(self) -> str:
        """What is waited for, to be read after 'waiting for'."""

    def seen(self, instance: Instance) -> str:
        """What a guest that does not fulfil it looks like."""
        return instance.power_state.value


class GuestCondition(Condition):
    """A condition that only a guest which is there can fulfil."""


@dataclass(frozen=True, slots=True)
class StateIs(GuestCondition):
    """The guest is in this power state."""

    state: PowerState

    def holds(self, instance: Instance | None) -> bool:
        """See :class:`Condition`."""
        return instance is not None and instance.power_state is self.state

    def __str__(self) -> str:
        return f"state {self.state.value}"


@dataclass(frozen=True, slots=True)
class IsGone(Condition):
    """The guest is not there."""

    def holds(self, instance: Instance | None) -> bool:
        """See :class:`Condition`."""
        return instance is None

    def __str__(self) -> str:
        return "the guest to be gone"


@dataclass(frozen=True, slots=True)
class AgentConnected(GuestCondition):
    """The guest's agent is connected."""

    def holds(self, instance: Instance | None) -> bool:
        """See :class:`Condition`."""
        return instance is not None and instance.agent is True

    def __str__(self) -> str:
        return "the guest's agent"


@dataclass(frozen=True, slots=True)
class HasAddress(GuestCondition):
    """The guest has an address that matches. Link-local addresses match only if ``cidr`` says so."""

    cidr: IPv4Network | IPv6Network | None
    family: int | None

    def holds(self, instance: Instance | None) -> bool:
        """See :class:`Condition`."""
        return instance is not None and any(self.matches(address) for address in instance.addresses or ())

    def matches(self, address: Address) -> bool:
        """Whether one address is of the kind that is waited for."""
        if self.family is not None and address.ip.version != self.family:
            return False
        if self.cidr is not None:
            return address.ip.version == self.cidr.version and address.ip in self.cidr
        return not (address.ip.is_link_local or address.ip.is_loopback)

    def __str__(self) -> str:
        family = f"IPv{self.family} " if self.family else ""
        return f"an {family}address" + (f" in {self.cidr}" if self.cidr else "")

    def seen(self, instance: Instance) -> str:
        """See :class:`Condition`."""
        if instance.addresses is None:
            return f"{instance.power_state.value}, addresses not known"
        listed = ", ".join(str(address) for address in instance.addresses) or "no address"
        return f"{instance.power_state.value}, {listed}"


@dataclass(frozen=True, slots=True)
class PortOpen(GuestCondition):
    """A TCP port on one of the guest's addresses accepts a connection from here."""

    port: int

    def holds(self, instance: Instance | None) -> bool:
        """See :class:`Condition`."""
        addresses = () if instance is None else instance.addresses or ()
        return any(accepts(str(address.ip), self.port) for address in addresses if not address.ip.is_link_local)

    def __str__(self) -> str:
        return f"port {self.port}"

    def seen(self, instance: Instance) -> str:
        """See :class:`Condition`."""
        return HasAddress(None, None).seen(instance)


def state(wanted: PowerState) -> GuestCondition:
    """The guest is in this power state."""
    check(isinstance(wanted, PowerState), "state", wanted, "a PowerState")
    return StateIs(wanted)


def gone() -> IsGone:
    """The guest is not there any more."""
    return IsGone()


def agent() -> GuestCondition:
    """The guest's agent is connected."""
    return AgentConnected()


def address(*, cidr: str | None = None, family: int | None = None) -> GuestCondition:
    """The guest has an address; a link-local one counts only where ``cidr`` asks for it.

    Args:
        cidr: the address lies in this network, e.g. ``192.168.122.0/24``.
        family: 4 or 6.
    """
    check(family in (None, 4, 6), "family", family, "4 or 6")
    try:
        network = None if cidr is None else ip_network(cidr)
    except ValueError:
        raise InvalidSpec("cidr", cidr, "a network such as 192.168.122.0/24") from None
    return HasAddress(network, family)


def port(number: int) -> GuestCondition:
    """A TCP port on one of the guest's addresses accepts a connection from here."""
    check_integer("port", number, 1, 65535, "a TCP port")
    return PortOpen(number)


def accepts(host: str, port: int) -> bool:
    """Whether a TCP connection to this port is accepted within a second."""
    try:
        with socket.create_connection((host, port), timeout=PORT_TIMEOUT):
            return True
    except OSError:
        return False

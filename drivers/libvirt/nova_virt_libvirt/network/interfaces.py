"""Network interfaces of guests that exist: in the running machine and in the definition that it starts from next."""

from __future__ import annotations

import secrets
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import libvirt
from lxml import etree

from nova_virt_api.driver.interfaces import Interfaces
from nova_virt_api.driver.operation import CancelMode, Stage
from nova_virt_api.errors import BackendError, NetworkError, StateAfter, VirtError
from nova_virt_api.model.instance import PowerState
from nova_virt_api.model.interface import Interface
from nova_virt_api.model.nic import NicModel
from nova_virt_libvirt.claims.guest_claim import claimed
from nova_virt_libvirt.definition import PARSER, interface_of
from nova_virt_libvirt.devices.nic import nic_element
from nova_virt_libvirt.devices.tag import tag_of
from nova_virt_libvirt.errors import HINTS, translated
from nova_virt_libvirt.letting_go import LET_GO_SECONDS, is_asked, lets_go
from nova_virt_libvirt.machine.device_addresses import address_of
from nova_virt_libvirt.machine.told_devices import changing
from nova_virt_libvirt.metadata import read_mark
from nova_virt_libvirt.native_call import in_time, is_left_behind
from nova_virt_libvirt.network.ports import port_of
from nova_virt_libvirt.network.vif import Owner
from nova_virt_libvirt.network.vif_note import VifNote, forget, remember
from nova_virt_libvirt.network.wire import Wire
from nova_virt_libvirt.places import Places
from nova_virt_libvirt.verbs import OnDomains

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from nova_virt_api.driver.operation import Operation
    from nova_virt_api.model.identity import InstanceRef
    from nova_virt_api.model.nic import Nic
    from nova_virt_libvirt.domain import Domain
    from nova_virt_libvirt.network.bridges import Bridges
    from nova_virt_libvirt.site import Site

CHANGEABLE: Final = (PowerState.RUNNING, PowerState.PAUSED, PowerState.SHUTDOWN)
MODELS: Final = {model.value: model for model in NicModel}


class LibvirtInterfaces(OnDomains, Interfaces):
    """The role Interfaces. An interface's id is its MAC address."""

    site: Site

    def interfaces(self, guest: InstanceRef) -> Sequence[Interface]:
        cards = Cards(self.domains.find(guest))
        return tuple(shown(card, self.site.bridges) for card in cards.now())

    def attach_interface(self, guest: InstanceRef, nic: Nic, op: Operation) -> Interface:
        domain = self.domains.owned(guest)
        domain.require(*CHANGEABLE)
        places = Places(self.site.connection(), self.site.pool, self.site.bridges)
        asked, wire, properties = port_of(self.site, places, nic, "nic")
        op.stage(Stage.NETWORK_READY)
        op.stage("attach the interface", CancelMode.IMMEDIATE)
        wanted = replace(asked, mac=asked.mac or random_mac())
        cards, card = Cards(domain), nic_element(wanted, wire, guest.uuid, 0)
        plain = properties is None or nic.tag is not None
        with changing(self.site, domain, op, nic.tag) if plain else claimed(self.site, domain, op):
            self.domains.owned(guest).require(*CHANGEABLE)
            if properties is None:
                in_time(partial(cards.attach, card), op)
            else:
                self._attach_plugged(domain, card, properties, op)
        self.domains.forget(guest.uuid)
        return next(shown(card, self.site.bridges) for card in cards.now() if mac_of(card) == wanted.mac)

    def detach_interface(self, guest: InstanceRef, interface_id: str, op: Operation) -> None:
        domain = self.domains.owned(guest)
        state = domain.require(*CHANGEABLE)
        op.stage("detach the interface")
        cards = Cards(domain)
        tag = cards.tag(interface_id)
        try:
            if state is not PowerState.SHUTDOWN:
                unplug(cards, interface_id, op, paused=state is PowerState.PAUSED)
            with changing(self.site, domain, op, tag):
                self.domains.owned(guest).require(*CHANGEABLE)
                cards.detach(interface_id, libvirt.VIR_DOMAIN_AFFECT_CONFIG)  # last: till then a repeated call finds it
            if interface_id in VifNote.of(domain.mark).ports:
                with claimed(self.site, domain, op):
                    self._unplug(domain, interface_id)
        finally:
            self.domains.forget(guest.uuid)

    def _attach_plugged(self, domain: Domain, card: Any, properties: str, op: Operation) -> None:
        """Attach an interface whose port os-vif makes; the guest's mark tells of the port while it may be there."""
        mac = mac_of(card)
        with translated("look at the guest's ports"):
            known = VifNote.of(read_mark(domain.native)).ports.get(mac)
        if Cards(domain).is_anywhere(mac):  # whoever has the address is who was asked for
            if known is None:
                return
            properties = known
        elif known not in (None, properties):
            self._unplug(domain, mac)  # of a call that was killed
        with translated("mark the guest's port"):
            remember(domain.native, mac, properties)
        try:
            self.site.vifs.plug(Owner(domain.uuid, domain.name), properties)
            in_time(partial(Cards(domain).attach, card), op)
        except Exception as error:
            left_behind = isinstance(error, VirtError) and is_left_behind(error)  # and may still come to its end
            if not left_behind and not Cards(domain).is_anywhere(mac):
                with suppress(VirtError):  # the mark still tells of it: destroying the guest removes it
                    self._unplug(domain, mac)
            raise

    def _unplug(self, domain: Domain, mac: str) -> None:
        """Remove the port of an interface that the guest does not have any more."""
        with translated("look at the guest's ports"):
            properties = VifNote.of(read_mark(domain.native)).ports.get(mac)
        if properties is None:
            return
        self.site.vifs.unplug(Owner(domain.uuid, domain.name), properties)
        with translated("mark the guest's port as removed"):
            forget(domain.native, mac)


class Cards:
    """The network cards of one guest, each an ``<interface>``.

    Args:
        domain: the guest.
    """

    def __init__(self, domain: Domain) -> None:
        self._domain = domain

    def now(self) -> list[Any]:
        """Those that the guest has now, or would have if it were started."""
        return self._read(0)

    def attach(self, card: Any) -> None:
        """Give the guest a card wherever it has none of this address.

        Raises:
            NoCapacity: the guest has no free slot.
            NetworkError: it could not be connected.
            Busy: libvirt is doing something else with it.
        """
        mac = mac_of(card)
        missing = sum(part for part in self._parts() if not self.has(mac, part))
        if not missing:
            return
        with failing("attach the interface"):
            self._domain.native.attachDeviceFlags(etree.tostring(card, encoding="unicode"), missing)

    def detach(self, mac: str, part: int) -> None:
        """Take a card away from the running guest, which is thereby only asked to let go, or from its definition."""
        card = next((card for card in self._read_part(part) if mac_of(card) == mac), None)
        if card is None:
            return
        with failing("detach the interface"):
            try:
                self._domain.native.detachDeviceFlags(etree.tostring(card, encoding="unicode"), part)
            except libvirt.libvirtError as error:
                if error.get_error_code() != libvirt.VIR_ERR_DEVICE_MISSING and not is_asked(error):
                    raise

    def has(self, mac: str, part: int) -> bool:
        """Whether a card of this address is in that part."""
        return any(mac_of(card) == mac for card in self._read_part(part))

    def tag(self, mac: str) -> str | None:
        """The tag of the card of this address; None for none, and where there is no such card."""
        return next((tag for card in self._everywhere() if mac_of(card) == mac and (tag := tag_of(card))), None)

    def is_anywhere(self, mac: str) -> bool:
        """Whether a card of this address is in any part."""
        return any(mac_of(card) == mac for card in self._everywhere())

    def _everywhere(self) -> list[Any]:
        return [card for part in self._parts() for card in self._read_part(part)]

    def _parts(self) -> list[int]:
        """What the guest consists of now: the running machine, its definition, or both."""
        with translated("look at the guest"):
            native = self._domain.urgent
            parts = [libvirt.VIR_DOMAIN_AFFECT_LIVE] if native.isActive() else []
            return [*parts, libvirt.VIR_DOMAIN_AFFECT_CONFIG] if native.isPersistent() else parts

    def _read_part(self, part: int) -> list[Any]:
        if part not in self._parts():
            return []
        return self._read(libvirt.VIR_DOMAIN_XML_INACTIVE if part == libvirt.VIR_DOMAIN_AFFECT_CONFIG else 0)

    def _read(self, flags: int) -> list[Any]:
        with translated("look at the guest's interfaces"):
            return etree.fromstring(self._domain.urgent.XMLDesc(flags), PARSER).findall("devices/interface")


def unplug(cards: Cards, mac: str, op: Operation, *, paused: bool) -> None:
    """Let the running guest give a card back: a card is gone when its system says so, or at a reset.

    Each request waits for the guest itself, some seconds long.

    Args:
        cards: the guest's cards.
        mac: the card's address.
        op: the operation worked for.
        paused: whether the guest cannot do anything now.

    Raises:
        NetworkError: the guest does not let go.
        Cancelled: somebody asked to; the guest may still obey.
        Timeout: the deadline came first; the guest may still obey.
    """
    live = libvirt.VIR_DOMAIN_AFFECT_LIVE
    asking = partial(in_time, partial(cards.detach, mac, live), op)
    if not lets_go(lambda: cards.has(mac, live), asking, op, paused=paused):
        reason = "it is paused" if paused else f"its operating system did not answer within {LET_GO_SECONDS:g} s"
        how = "unpause it" if paused else "stop it, or let its system start"
        raise NetworkError(
            f"the guest does not let go of interface {mac}: {reason}",
            hint=f"{how} and detach again",
            state_after=StateAfter.UNKNOWN,
        )


@contextmanager
def failing(what: str) -> Iterator[None]:
    """Raise our errors for libvirt's; one of no other kind is about the network."""
    try:
        with translated(what):
            yield
    except BackendError as error:
        raise NetworkError(error.message, hint=HINTS[NetworkError]) from error.__cause__


def shown(card: Any, bridges: Bridges) -> Interface:
    """An ``<interface>`` as everybody sees it.

    Args:
        card: it.
        bridges: the host's bridges that count as networks.
    """
    found, model, wire = interface_of(card), card.find("model"), Wire.of_element(card)
    bridge = None if wire is None else bridges.find(wire.id)
    return Interface(
        id=found.mac,
        mac=found.mac,
        network=found.network if bridge is None else bridge.name,
        model=None if model is None else MODELS.get(model.get("type", "").removesuffix("-non-transitional")),
        binding=None if wire is None or bridge is not None else wire.binding,
        tag=tag_of(card),
        address=address_of(card),
    )


def mac_of(card: Any) -> str:
    """The address of an ``<interface>``."""
    return interface_of(card).mac


def random_mac() -> str:
    """An address for an interface that was asked for without one: ``52:54`` as QEMU's own, and 32 random bits."""
    return ":".join(("52", "54", *(f"{byte:02x}" for byte in secrets.token_bytes(4))))

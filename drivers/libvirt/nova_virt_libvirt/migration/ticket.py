"""What this driver writes into the ticket of a live migration: one part for each phase, none of them secret."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

import libvirt

from nova_virt_api.errors import Busy, MigrationError
from nova_virt_api.model.image import ImageFormat
from nova_virt_api.model.instance import Lifecycle
from nova_virt_api.model.ticket import Move, Ticket
from nova_virt_libvirt.errors import translated
from nova_virt_libvirt.machine.host_parts import HostParts
from nova_virt_libvirt.migration.host_parts import Asked
from nova_virt_libvirt.migration.whereabouts import WAITING
from nova_virt_libvirt.version import __version__

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nova_virt_libvirt.metadata import Mark

DRIVER: Final = "libvirt"
NOTE: Final = "live_migration"
"""Under this name a guest's mark keeps the ticket by which it leaves."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """What the destination says of itself.

    Args:
        host: uuid of its host.
        node: the host's name.
        uri: how the source's process reaches its daemon.
        address: where the source's host sends the guest's memory and disks; None leaves that to the daemon.
        tls: whether they must be encrypted.
        claim: token of the guest's claim as it is seen there; None if none is.
        arrived: whether the guest is there already, by a move that was not finished.
    """

    host: str
    node: str
    uri: str
    address: str | None
    tls: bool
    claim: str | None
    arrived: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """A volume that the guest has and nobody else: one of its disks, its first-boot data, or its console's log.

    Args:
        pool: name of its pool.
        name: its name.
        path: where the source's hypervisor has it.
        format: its format.
        size_bytes: its size as the guest sees it; of what is no disk, the length of its content.
        disk: name of the disk that it is, e.g. ``vda``; None for what the guest does not write to as a disk.
        base: the volume that it is an overlay of; None if it stands alone.
    """

    pool: str
    name: str
    path: str
    format: ImageFormat
    size_bytes: int
    disk: str | None = None
    base: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What the source decided.

    Args:
        host: uuid of the source's host.
        owner: whose guest it is.
        fingerprint: of the spec as first asked.
        name: the guest's name.
        paused: whether its CPUs were stopped.
        shared: whether both endpoints see the same storage; else the pieces are copied.
        pieces: the volumes that are the guest's alone.
        networks: id of what each of its interfaces is plugged into, by MAC address.
        volumes: name of the disk that each volume of a storage service is, by the volume's id.
        locked: ids of those whose passwords the source's libvirt alone knows.
        vifs: MAC addresses of the interfaces whose ports os-vif makes at the source.
        asked: what it asks of its host's processors and cells; None for nothing.
    """

    host: str
    owner: str
    fingerprint: str
    name: str
    paused: bool
    shared: bool
    pieces: tuple[Piece, ...]
    networks: Mapping[str, str]
    volumes: Mapping[str, str] = field(default_factory=dict)
    locked: tuple[str, ...] = ()
    vifs: tuple[str, ...] = ()
    asked: Asked | None = None

    @property
    def copied(self) -> tuple[str, ...]:
        """Names of the disks that libvirt copies."""
        return () if self.shared else tuple(piece.disk for piece in self.pieces if piece.disk is not None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """What the destination prepared.

    Args:
        paths: where the guest's volumes are there, by their path at the source.
        networks: id of what each interface is plugged into there, by MAC address.
        overlays: whether the disks there are overlays of the same images, so that only what differs is copied.
        volumes: disks in libvirt's XML, without passwords, which tell how volumes are reached there, by the disk's
            name; those that are not named are reached as at the source.
        ports: those that os-vif makes there, as its note in the guest's mark tells of them.
        parts: the processors and cells that the guest gets there; None lets it name the source's.
    """

    paths: Mapping[str, str]
    networks: Mapping[str, str]
    overlays: bool
    volumes: Mapping[str, str] = field(default_factory=dict)
    ports: Mapping[str, str] = field(default_factory=dict)
    parts: HostParts | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Journey:
    """All that is known of one live migration.

    Args:
        guest: the guest.
        offer: what the destination offered.
        plan: what the source decided; None before it has.
        room: what the destination prepared; None before it has.
    """

    guest: UUID
    offer: Offer
    plan: Plan | None = None
    room: Room | None = None

    def ticket(self) -> Ticket:
        """The journey as a ticket."""
        content = {
            "offer": asdict(self.offer),
            "plan": None if self.plan is None else plain_plan(self.plan),
            "room": None if self.room is None else asdict(self.room),
        }
        return Ticket(
            move=Move.LIVE, guest=self.guest, driver=DRIVER, driver_version=__version__, content=json.dumps(content)
        )

    def planned(self, phase: str) -> Plan:
        """What the source decided.

        Raises:
            MigrationError: it has not yet.
        """
        if self.plan is None:
            raise MigrationError(phase, "the source has not been asked yet", hint="call check_source with this ticket")
        return self.plan

    def prepared(self, phase: str) -> tuple[Plan, Room]:
        """What the source decided and the destination prepared.

        Raises:
            MigrationError: it has not yet.
        """
        if self.room is None:
            raise MigrationError(phase, "the destination was not prepared", hint="call prepare with this ticket")
        return self.planned(phase), self.room


def plain_plan(plan: Plan) -> dict[str, Any]:
    """A plan as JSON's own types."""
    return asdict(replace(plan, pieces=())) | {
        "pieces": [asdict(piece) | {"format": piece.format.value} for piece in plan.pieces]
    }


def read_ticket(ticket: Ticket, phase: str, guest: UUID | None = None) -> Journey:
    """What a ticket says; keys that a later version added are ignored.

    Args:
        ticket: the ticket.
        phase: what it was given to.
        guest: the guest that it must be for; None takes the ticket's.

    Raises:
        MigrationError: it is no ticket of a live migration by this driver, or another guest's.
    """
    if ticket.driver != DRIVER or ticket.move is not Move.LIVE:
        message = f"this ticket is for a {ticket.move.value} move by the driver {ticket.driver}"
        raise MigrationError(phase, message, hint="both endpoints must be of the same driver")
    if guest is not None and ticket.guest != guest:
        raise MigrationError(phase, f"this ticket is for guest {ticket.guest}", hint="give each guest a ticket")
    found = json.loads(ticket.content)
    try:
        return Journey(
            guest=ticket.guest,
            offer=made(Offer, found["offer"]),
            plan=None if found["plan"] is None else read_plan(found["plan"]),
            room=None if found["room"] is None else read_room(found["room"]),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        message = f"what version {ticket.driver_version} of the driver wrote into the ticket is not understood here"
        raise MigrationError(phase, message, hint=f"this is version {__version__}; install the same on both") from error


def read_plan(found: Mapping[str, Any]) -> Plan:
    """Read :func:`plain_plan`'s object back."""
    pieces = tuple(made(Piece, piece | {"format": ImageFormat(piece["format"])}) for piece in found["pieces"])
    lists = {name: tuple(found.get(name, ())) for name in ("locked", "vifs")}
    asked = found.get("asked")
    plan: Plan = made(
        Plan, {**found, "pieces": pieces, **lists, "asked": None if asked is None else made(Asked, asked)}
    )
    return plan


def read_room(found: Mapping[str, Any]) -> Room:
    """Read a room's object back."""
    parts = found.get("parts")
    room: Room = made(Room, {**found, "parts": None if parts is None else made(HostParts, parts)})
    return room


def made(kind: type[Any], found: Mapping[str, Any]) -> Any:
    """An object of this class, of the keys that it knows."""
    return kind(**{name: value for name, value in found.items() if name in kind.__dataclass_fields__})


def earlier_journey(mark: Mark | None) -> Journey | None:
    """The attempt to move a guest that nobody has finished or rolled back; None if there is none."""
    note = None if mark is None or mark.standing is not Lifecycle.MIGRATING else mark.notes.get(NOTE)
    return None if note is None else read_ticket(Ticket.decode(note), "migrate")


def refuse_departed(domain: libvirt.virDomain, mark: Mark) -> None:
    """Refuse to destroy what is left of a guest that may run elsewhere by now, from the disks that are seen here too.

    Raises:
        Busy: names where it may run.
    """
    journey = earlier_journey(mark)
    if journey is None or not journey.planned("destroy").shared:
        return
    with translated("look at the guest"):
        state, reason = domain.state()
    waits = state == libvirt.VIR_DOMAIN_PAUSED and reason in WAITING
    if waits or state == libvirt.VIR_DOMAIN_SHUTOFF:
        message = f"the guest may run at {journey.offer.node}, on the same disks"
        raise Busy(message, hint="repeat the live migration, which finds out; then destroy the guest where it is")

"""What the destination of a live migration makes ready for a guest, and removes again."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

import libvirt
from lxml import etree

from nova_virt_api.driver.operation import CancelMode, Stage
from nova_virt_api.errors import (
    InstanceExists,
    InvalidSpec,
    MigrationError,
    Unavailable,
    VirtError,
)
from nova_virt_api.model.record import Phase, Record
from nova_virt_libvirt.claims.records import Records
from nova_virt_libvirt.errors import translated
from nova_virt_libvirt.host.maintenance import Maintenance
from nova_virt_libvirt.migration.host_parts import PreparedParts
from nova_virt_libvirt.migration.ticket import Room
from nova_virt_libvirt.migration.whereabouts import Arrival, arrival, arrived_here
from nova_virt_libvirt.names import claim_key
from nova_virt_libvirt.network.ports import port_of
from nova_virt_libvirt.network.prepared_ports import PreparedPorts
from nova_virt_libvirt.network.vif_note import VifNote
from nova_virt_libvirt.places import Places
from nova_virt_libvirt.remains import find_domain, remove_volumes, stop
from nova_virt_libvirt.storage.pools import OVERLAY_KINDS, Backing, Pool
from nova_virt_libvirt.volumes.moved import let_open, refuse_locked, volumes_to_be
from nova_virt_libvirt.volumes.secrets import remove_secrets

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from uuid import UUID

    from nova_virt_api.driver.operation import Operation
    from nova_virt_api.model.nic import Nic
    from nova_virt_api.model.volume import Volume
    from nova_virt_libvirt.claims.claim import Chain
    from nova_virt_libvirt.claims.hold import Hold
    from nova_virt_libvirt.devices.volume_disk import VolumeDisk
    from nova_virt_libvirt.migration.ticket import Journey, Piece, Plan
    from nova_virt_libvirt.site import Site

PREPARE: Final = "prepare"
GRANULE: Final = 1024
"""Disks are whole kibibytes: libvirt hands their size to qemu-img so."""


class Arriving:
    """One guest that is to come here.

    Args:
        site: the endpoint.
        journey: what is known of its migration.
        op: the operation worked for.
    """

    def __init__(self, site: Site, journey: Journey, op: Operation) -> None:
        self._site = site
        self._uuid = journey.guest
        self._plan = journey.plan
        self._told = VifNote() if journey.room is None else VifNote(journey.room.ports)
        self._op = op
        self._connection = site.connection()
        self._places = Places(self._connection, site.pool, site.bridges)
        self._records = Records(self._places.records_pool(), site.host())
        self._ports = PreparedPorts(self._places, site.vifs, self._uuid, site.host())

    # --- making room ----------------------------------------------------------------------------------------------

    def prepare(self, plan: Plan, nics: Sequence[Nic] | None, volumes: Sequence[Volume] | None) -> Room:
        """Make what the guest is going to need here, or find it on the storage that both ends share."""
        self._refuse(plan)
        end_waiting(self._connection, self._uuid)
        networks, ports = self._networks(plan, nics)
        connected = self._connected(plan, volumes)
        disks = {one.volume.id: one.element(plan.volumes[one.volume.id]) for one in connected}
        reached = {plan.volumes[name]: etree.tostring(disk, encoding="unicode") for name, disk in disks.items()}
        if plan.shared:
            paths = self._shared_paths(plan)
            self._let_open(connected)
            self._make_ports(ports)
            return Room(paths=paths, networks=networks, overlays=False, volumes=reached, ports=ports.ports)
        self._op.stage(Stage.CLAIM)
        hold = self._take(plan)
        try:
            self._op.stage(Stage.DISKS)
            bases = {piece.name: self._base(piece) for piece in plan.pieces if piece.base is not None}
            overlays = bool(bases) and all(bases.values())
            usable = bases if overlays else {}
            paths = {piece.path: self._make(piece, usable.get(piece.name)) for piece in plan.pieces}
            self._let_open(connected)
            self._ports.make(ports)
            hold.release()
        except BaseException as error:
            self._undo(hold, error)
            raise
        return Room(paths=paths, networks=networks, overlays=overlays, volumes=reached, ports=ports.ports)

    def _refuse(self, plan: Plan) -> None:
        Maintenance(self._connection, self._site.pool, self._site.host()).refuse_new()
        if plan.owner != self._site.owner:
            message = f"the guest belongs to owner {plan.owner}, the destination was connected for {self._site.owner}"
            raise MigrationError(PREPARE, message, hint="connect to both with the same owner")
        with translated("look for guests of this name"):
            try:
                other = self._connection.lookupByName(plan.name)
            except libvirt.libvirtError as error:
                if error.get_error_code() != libvirt.VIR_ERR_NO_DOMAIN:
                    raise
            else:
                if other.UUIDString() != str(self._uuid):
                    raise InstanceExists(f"another guest here is called {plan.name!r}", hint="rename one of the two")

    def _networks(self, plan: Plan, nics: Sequence[Nic] | None) -> tuple[dict[str, str], VifNote]:
        """What each interface is plugged into here, by MAC address, and the ports that os-vif is to make."""
        found, ports = {}, {}
        try:
            for index, nic in enumerate(nics or ()):
                made, wire, properties = port_of(self._site, self._places, nic, f"nics[{index}]")
                mac = (made.mac or (list(plan.networks)[index] if index < len(plan.networks) else "")).lower()
                if mac not in plan.networks:
                    message = (
                        f"the guest has no interface {index} on a network, or none with the MAC address {made.mac}"
                    )
                    raise MigrationError(PREPARE, message, hint="name each interface as it is at the source")
                found[mac] = wire.port
                if properties is not None:
                    ports[mac] = properties
            refuse_unnamed_ports(plan, found)
            unnamed = {mac: known for mac, known in plan.networks.items() if mac not in found}
            found |= {mac: self._places.again("nics.network", known).port for mac, known in unnamed.items()}
        except (InvalidSpec, Unavailable) as error:
            hint = "make a network of this name here, or say with nics= which one to use"
            raise MigrationError(PREPARE, f"a network of the guest is not here: {error.message}", hint=hint) from error
        return found, VifNote(ports)

    def _make_ports(self, note: VifNote) -> None:
        """Make the ports that os-vif makes where nothing else was made for the guest."""
        try:
            self._ports.make(note)
        except BaseException:
            with suppress(VirtError):  # a repeated call or a rollback removes them
                self._ports.remove()
                remove_secrets(self._connection, self._uuid)
            raise

    def _connected(self, plan: Plan, volumes: Sequence[Volume] | None) -> list[VolumeDisk]:
        """The volumes that are named, as this host reaches them.

        Raises:
            MigrationError: the guest uses none of this id, or one is not named whose password is not here.
            InvalidSpec: the driver makes no such connection.
        """
        found = volumes_to_be(self._site, self._uuid, volumes or (), "volumes") or []
        named = {one.volume.id for one in found}
        refuse_locked([one for one in plan.locked if one not in named], PREPARE, "volumes")
        for unknown in sorted(named - set(plan.volumes)):
            hint = "name the volumes that it uses, as Volumes.volumes lists them at the source"
            raise MigrationError(PREPARE, f"the guest does not use volume {unknown}", hint=hint)
        return found

    def _let_open(self, volumes: Sequence[VolumeDisk]) -> None:
        try:
            let_open(self._connection, self._uuid, volumes)
        except BaseException:
            with suppress(VirtError):  # a repeated call, a rollback or a destroy removes them
                remove_secrets(self._connection, self._uuid)
            raise

    def _shared_paths(self, plan: Plan) -> dict[str, str]:
        paths = {}
        pool = self._records.pool
        for piece in plan.pieces:
            volume = pool.find(piece.name)
            if volume is None:
                pool.refresh()  # another host made it
                volume = pool.find(piece.name)
            if volume is None:
                raise MigrationError(PREPARE, f"volume {piece.name} is not in storage pool {pool.name} here")
            paths[piece.path] = volume.path()
            if piece.base is not None and paths[piece.path] != piece.path:
                message = f"storage pool {pool.name} lies elsewhere here, and disks name their image by its path"
                raise MigrationError(PREPARE, message, hint="mount shared storage at the same path on all hosts")
        return paths

    # --- the claim ------------------------------------------------------------------------------------------------

    def _take(self, plan: Plan) -> Hold:
        """The guest's claim here, with nothing of the guest made yet."""
        record = Record(uuid=self._uuid, owner=plan.owner, fingerprint=plan.fingerprint, native_id=str(self._uuid))
        key = claim_key(self._uuid)
        while True:
            chain = self._records.read(key)
            if chain is None:
                hold = self._records.create(key, record)
                if hold is not None:
                    hold.begin()
                    return hold
            elif (holder := self._records.holder(chain)) is not None:
                self._op.stage(f"wait for {holder}", CancelMode.IMMEDIATE)
                self._records.wait(key, self._op, f"guest {self._uuid}")
            else:
                self._refuse_claim(chain)
                hold = self._records.succeed(chain, record)
                if hold is not None:
                    self._clear(hold)
                    return hold

    def _refuse_claim(self, chain: Chain) -> None:
        claim = chain.claim
        left = claim is None or (claim.record.owner == self._site.owner and claim.record.phase is Phase.BUILDING)
        if not left:
            message = f"what is left of another guest with the uuid {self._uuid} is here"
            raise InstanceExists(message, hint="destroy it here first")

    def _clear(self, hold: Hold) -> None:
        """Remove what an earlier, interrupted call left."""
        try:
            hold.verify()  # else they may be somebody else's by now
            self._ports.remove()
            remove_volumes(self._uuid, self._places.active_pools(), keep_disks=False, spare=hold.names())
        except BaseException:
            with suppress(VirtError):
                hold.release()
            raise

    def _undo(self, hold: Hold, error: BaseException) -> None:
        self._op.stage(Stage.CLEAN_UP, CancelMode.NONE)
        try:
            hold.verify()  # else they may be somebody else's by now
            self._ports.remove()
            remove_secrets(self._connection, self._uuid)
            remove_volumes(self._uuid, self._places.active_pools(), keep_disks=False, spare=hold.names())
            hold.remove()
        except VirtError as second:
            hold.end()
            if isinstance(error, VirtError):
                error.leftovers = second.leftovers

    # --- volumes --------------------------------------------------------------------------------------------------

    def _pool(self, piece: Piece) -> Pool:
        """The pool of the same name, if there is one that can hold guests' disks, else the usual one."""
        for wanted in (piece.pool, None):
            with suppress(InvalidSpec):
                return self._places.pool("pool", wanted)
        kinds = ", ".join(sorted(OVERLAY_KINDS))
        raise MigrationError(PREPARE, "there is no storage pool for the guest here", hint=f"make one of kind {kinds}")

    def _base(self, piece: Piece) -> Backing | None:
        """The image that a disk is an overlay of, as it is here; None if it is not here, or not yet complete."""
        if not piece.base:
            return None
        pool = self._pool(piece)
        volume = pool.find(piece.base)
        claimed = Records(pool, self._site.host()).read(piece.base.rpartition(".")[0]) is not None
        if volume is None or claimed:
            return None
        suffix = piece.base.rpartition(".")[2]
        return Backing(path=volume.path(), format=type(piece.format)(suffix))

    def _make(self, piece: Piece, base: Backing | None) -> str:
        size = piece.size_bytes
        pool = self._pool(piece)
        self._op.checkpoint()
        if piece.disk is not None:
            size = -(-size // GRANULE) * GRANULE
        return pool.create(piece.name, size, piece.format, base=base).path()

    # --- taking it back -------------------------------------------------------------------------------------------

    def roll_back(self) -> None:
        """Remove what was prepared, and the domain that waits for the guest."""
        if arrived_here(self._connection, self._uuid) in (Arrival.ARRIVED, Arrival.SPLIT):
            message = "the guest has arrived here, or is about to"
            raise MigrationError("rollback_destination", message, hint="repeat migrate at the source, or finish here")
        self._op.stage(Stage.CLEAN_UP, CancelMode.NONE)
        end_waiting(self._connection, self._uuid)
        PreparedParts(self._site, self._places, self._uuid).forget()  # first: os-vif may fail again and again
        self._ports.remove(self._told)
        remove_secrets(self._connection, self._uuid)
        chain = self._records.read(claim_key(self._uuid))
        if chain is None or not self._is_prepared(chain):
            return
        record = Record(uuid=self._uuid, owner=self._site.owner, fingerprint="", phase=Phase.DELETING)
        hold = self._records.acquire(claim_key(self._uuid), record, self._op, f"guest {self._uuid}")
        try:
            hold.verify()  # else they may be somebody else's by now
            remove_volumes(self._uuid, self._places.active_pools(), keep_disks=False, spare=hold.names())
        except BaseException:
            with suppress(VirtError):
                hold.release()
            raise
        hold.remove()

    def _is_prepared(self, chain: Chain) -> bool:
        """Whether a claim is one of a guest that is to come here, and not of one that is somewhere."""
        claim = chain.claim
        if claim is None:
            return True
        here = claim.host == self._site.host() and claim.record.owner == self._site.owner
        return here and claim.record.phase is not Phase.READY


def refuse_unnamed_ports(plan: Plan, named: Mapping[str, str]) -> None:
    """Refuse a guest of whose ports nobody says what they are here.

    Raises:
        MigrationError: os-vif makes some for it at the source.
    """
    if unnamed := [mac for mac in plan.vifs if mac not in named]:
        message = f"os-vif makes the ports of the guest's interfaces {', '.join(unnamed)} at the source only"
        raise MigrationError(PREPARE, message, hint="say with nics= which ports these interfaces have here")


def end_waiting(connection: Any, uuid: UUID) -> None:
    """End the domain that waits for a guest whose mover is gone.

    Raises:
        InstanceExists: the guest is here.
    """
    with translated(f"look for guest {uuid}"):
        domain = find_domain(connection, uuid)
    if domain is None:
        return
    if arrival(domain) is not Arrival.COMING:
        raise InstanceExists("a guest with this uuid is here already", hint="it may have arrived: finish its migration")
    with translated("end what waits for the guest"):
        try:
            stop(domain)
        except libvirt.libvirtError as error:
            if error.get_error_code() != libvirt.VIR_ERR_NO_DOMAIN:  # it went by itself
                raise

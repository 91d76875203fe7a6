"""What the source decides about a live migration: whether the guest can go, and what of it must be copied."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import libvirt
from lxml import etree

from nova_virt_api.errors import Busy, MigrationError
from nova_virt_api.model.image import ImageFormat
from nova_virt_api.model.instance import PowerState
from nova_virt_libvirt.definition import PARSER
from nova_virt_libvirt.errors import translated
from nova_virt_libvirt.foreign import volume_at
from nova_virt_libvirt.host_connections.note import HostConnectionNote
from nova_virt_libvirt.migration.ticket import Piece, Plan, earlier_journey
from nova_virt_libvirt.migration.whereabouts import is_moving
from nova_virt_libvirt.names import BASE_PREFIX, claim_key, guest_of, snapshot_key
from nova_virt_libvirt.network.vif_note import VifNote
from nova_virt_libvirt.network.wire import Wire, WireKind
from nova_virt_libvirt.shares.filesystems import Filesystems
from nova_virt_libvirt.shares.ties import DETACH, named
from nova_virt_libvirt.volumes.disks import VolumeDisks
from nova_virt_libvirt.volumes.moved import locked_volumes

if TYPE_CHECKING:
    from collections.abc import Collection

    from nova_virt_api.model.record import Record
    from nova_virt_libvirt.claims.records import Records
    from nova_virt_libvirt.domain import Domain
    from nova_virt_libvirt.migration.ticket import Offer
    from nova_virt_libvirt.network.vif import Vifs

PHASE: Final = "check_source"
STAYING: Final = {
    "devices/hostdev": "devices of the host are passed through to it",
    "devices/filesystem": "directories of the host are shared with it",
    "devices/shmem": "it shares memory with the host",
}
"""What ties a guest to its host."""


def plan_of(connection: Any, domain: Domain, record: Record, records: Records, offer: Offer, host: str) -> Plan:
    """Decide how a guest goes there.

    Args:
        connection: the source's.
        domain: the guest.
        record: what its mark says of it.
        records: the claims of the source's pool.
        offer: what the destination said of itself.
        host: uuid of the source's host.

    Raises:
        InvalidState: it does not run.
        Busy: something else is being done with it.
        MigrationError: it cannot go there.
    """
    state = domain.require(PowerState.RUNNING, PowerState.PAUSED)
    with translated("look at the guest"):
        definition = etree.fromstring(domain.native.XMLDesc(0), PARSER)
    refuse_busy(domain, definition, records)
    refuse_tied(domain, definition)
    shared = sees_same_storage(records, domain, offer)
    pieces = tuple(pieces_of(connection, domain, definition))
    before = earlier_journey(domain.mark)  # which may have stopped it
    volumes = {held.id: held for held in VolumeDisks(domain).all()}
    elsewhere = {held.target for held in volumes.values()}
    refuse_scattered(connection, definition, pieces, records.pool.name, elsewhere, shared=shared)
    disks = {volume_id: held.disk for volume_id, held in volumes.items()}
    return Plan(
        host=host,
        owner=record.owner,
        fingerprint=record.fingerprint,
        name=domain.name,
        paused=state is PowerState.PAUSED if before is None else before.planned(PHASE).paused,
        shared=shared,
        pieces=pieces,
        networks=networks_of(definition),
        volumes={volume_id: held.target for volume_id, held in volumes.items()},
        locked=tuple(locked_volumes(connection, domain.uuid, disks)),
        vifs=tuple(VifNote.of(domain.mark).ports),
    )


def refuse_busy(domain: Domain, definition: etree._Element, records: Records) -> None:
    """Refuse a guest that something else is being done with, which would be lost on the way.

    Raises:
        Busy: a snapshot, a backup, or a copy of a disk is under way.
    """
    chain = records.read(snapshot_key(domain.uuid))
    holder = records.holder(chain) if chain is not None else None
    if holder is not None:
        raise Busy("a snapshot of the guest is being made", holder, hint="try again when it is done")
    if definition.find("devices/disk/mirror") is not None:
        raise Busy("one of the guest's disks is being copied", hint="try again when it is done")
    if is_moving(domain.native):
        raise Busy("the hypervisor is doing something else with the guest", hint="try again when it is done")


def refuse_tied(domain: Domain, definition: etree._Element) -> None:
    """Refuse a guest that cannot leave its host.

    Raises:
        MigrationError: it says why.
    """
    tags = [share.tag for share in Filesystems(domain).all()]  # of its next start, too
    if tags:
        raise MigrationError(PHASE, f"the guest cannot leave its host: it uses {named(tags)} of it", hint=DETACH)
    for path, why in STAYING.items():
        if definition.find(path) is not None:
            raise MigrationError(PHASE, f"the guest cannot leave its host: {why}", hint="take that away from it first")
    with translated("look at the guest's snapshots"):
        snapshots = domain.native.snapshotNum(0)
    if snapshots:
        message = f"the guest has {snapshots} checkpoints, which libvirt does not take along"
        raise MigrationError(PHASE, message, hint="delete them first")
    if connected := HostConnectionNote.of(domain.mark).volumes:
        message = f"the guest has volumes that its own host connects: {', '.join(connected)}"
        raise MigrationError(PHASE, message, hint="detach them first")
    if domain.mark is not None and "checkpoint" in domain.mark.notes:
        raise MigrationError(PHASE, "the guest has checkpoints, which stay with their host", hint="delete them first")


def refuse_fixed_ports(domain: Domain, vifs: Vifs) -> None:
    """Refuse a guest with ports that nobody could remove from here once it has gone.

    Raises:
        MigrationError: it has such ports.
    """
    if VifNote.of(domain.mark).ports and vifs.refusal:
        message = "the guest has ports of os-vif's, which cannot be removed from here"
        raise MigrationError(PHASE, message, hint=vifs.refusal)


def sees_same_storage(records: Records, domain: Domain, offer: Offer) -> bool:
    """Whether the destination sees the guest's claim itself: not one of the same name, but this very one."""
    chain = records.read(claim_key(domain.uuid))
    ours = None if chain is None or chain.claim is None else chain.claim.token
    return ours is not None and ours == offer.claim


def pieces_of(connection: Any, domain: Domain, definition: etree._Element) -> list[Piece]:
    """The volumes that are the guest's alone.

    Raises:
        MigrationError: one has a format that is not known here.
    """
    found = []
    for disk in definition.iterfind("devices/disk"):
        source, target = disk.find("source"), disk.find("target")
        path = None if source is None else source.get("file") or source.get("dev")
        volume = None if path is None else volume_at(connection, path)
        if volume is None or path is None or guest_of(volume.name()) != domain.uuid:
            continue
        written = disk.find("readonly") is None and disk.get("device", "disk") == "disk"
        name = target.get("dev", "") if target is not None else ""
        with translated("look at the guest's disk"):
            size = domain.native.blockInfo(name)[0] if written else volume.info()[1]
        found.append(piece(volume, path, size, name if written else None, base_of(volume) if written else None))
    for log in definition.iterfind("devices/serial/log"):
        path = log.get("file", "")
        volume = volume_at(connection, path)
        if volume is not None and guest_of(volume.name()) == domain.uuid:
            found.append(piece(volume, path, 0, None, None))
    return found


def piece(volume: Any, path: str, size: int, disk: str | None, base: str | None) -> Piece:
    """One volume of the guest's."""
    with translated("look at the guest's volume"):
        said = etree.fromstring(volume.XMLDesc(0), PARSER).find("target/format")
        pool = volume.storagePoolLookupByVolume().name()
    try:
        image_format = ImageFormat("raw" if said is None or said.get("type") == "iso" else said.get("type", "raw"))
    except ValueError:
        raise MigrationError(PHASE, f"volume {volume.name()} has a format that is not known here") from None
    return Piece(
        pool=pool,
        name=volume.name(),
        path=path,
        format=image_format if disk is not None else ImageFormat.RAW,
        size_bytes=int(size),
        disk=disk,
        base=base,
    )


def base_of(volume: Any) -> str | None:
    """The image that a disk is an overlay of; an empty text for one that this driver did not upload."""
    with translated("look at the guest's disk"):
        path = etree.fromstring(volume.XMLDesc(0), PARSER).findtext("backingStore/path")
    if not path:
        return None
    name = path.rpartition("/")[2]
    return name if name.startswith(BASE_PREFIX) else ""


def refuse_scattered(
    connection: Any,
    definition: etree._Element,
    pieces: tuple[Piece, ...],
    records_pool: str,
    elsewhere: Collection[str],
    *,
    shared: bool,
) -> None:
    """Refuse disks of which it cannot be told whether the destination has them already.

    Those that are volumes of a storage service are where they are, for both.

    Raises:
        MigrationError: names the disk.
    """
    own = {piece.path for piece in pieces}
    for piece in pieces if shared else ():
        if piece.pool != records_pool:
            message = f"volume {piece.name} is in storage pool {piece.pool} and the guest's record in {records_pool}"
            raise MigrationError(PHASE, message, hint="guests on shared storage need all of it in one pool")
    for disk in definition.iterfind("devices/disk"):
        source, target = disk.find("source"), disk.find("target")
        if source is None or (target is not None and target.get("dev") in elsewhere):
            continue
        path = source.get("file")
        if path is not None and path not in own and not shared and volume_at(connection, path) is not None:
            message = f"the guest uses {path}, which is not its own, and the endpoints share no storage"
            raise MigrationError(PHASE, message, hint="detach it first")


def networks_of(definition: etree._Element) -> dict[str, str]:
    """Id of what each interface is plugged into, by MAC address."""
    found = {}
    for interface in definition.iterfind("devices/interface"):
        mac, wire = interface.find("mac"), Wire.of_element(interface)
        if mac is not None and wire is not None and wire.kind is not WireKind.USER:
            found[mac.get("address", "").lower()] = wire.id
    return found


def refuse_there(there: Any, plan: Plan, definition: etree._Element) -> None:
    """Refuse what is seen beforehand that the destination's host cannot run.

    Raises:
        MigrationError: its processor lacks something, or the name is taken.
    """
    with translated("look at the destination"):
        names = {domain.name(): domain.UUIDString() for domain in there.listAllDomains(0)}
    uuid = definition.findtext("uuid")
    if names.get(plan.name, uuid) != uuid:  # its own may be there, of an attempt that was killed
        raise MigrationError(PHASE, f"another guest at the destination is called {plan.name!r}", hint="rename one")
    cpu = definition.find("cpu")
    if cpu is None or definition.get("type") != "kvm" or cpu.get("mode") in ("host-passthrough", "maximum"):
        return  # QEMU compares them itself, or emulates what is missing
    with translated("compare the processors"):
        fits = there.compareHypervisorCPU(None, None, None, "kvm", etree.tostring(cpu, encoding="unicode"), 0) not in (
            libvirt.VIR_CPU_COMPARE_INCOMPATIBLE,
            libvirt.VIR_CPU_COMPARE_ERROR,
        )
    if not fits:
        hint = "choose a destination of the same kind, or guests with an older CPU model"
        raise MigrationError(PHASE, "the destination's processor lacks what the guest was started with", hint=hint)

"""All that was made for a guest, found by the uuid in its name, and the removal of it."""

from collections.abc import Collection, Iterable
from typing import Final
from uuid import UUID

import libvirt

from nova_virt_api.errors import Ambiguous, StateAfter, StorageError, VirtError, VolumeError
from nova_virt_api.model.image import ImageFormat
from nova_virt_api.model.leftover import Leftover
from nova_virt_libvirt.checkpoint.joining_machine import end_joining_machine
from nova_virt_libvirt.claims.hold import Hold
from nova_virt_libvirt.errors import translated
from nova_virt_libvirt.host_connections.connected import ConnectedVolumes
from nova_virt_libvirt.host_connections.initiator import Initiator
from nova_virt_libvirt.host_connections.note import HostConnectionNote
from nova_virt_libvirt.kept_files import TPM, VARIABLES
from nova_virt_libvirt.metadata import Mark, read_mark
from nova_virt_libvirt.names import console_log_name, guest_of, is_disk
from nova_virt_libvirt.network.prepared_ports import PreparedPorts
from nova_virt_libvirt.network.vif import Owner, Vifs
from nova_virt_libvirt.network.vif_note import VifNote
from nova_virt_libvirt.places import Places
from nova_virt_libvirt.storage.opened_directory import close_directory
from nova_virt_libvirt.storage.pools import Pool, VolumeExists
from nova_virt_libvirt.volumes.secrets import remove_secrets

WITH_TPM: Final[int] = getattr(libvirt, "VIR_DOMAIN_UNDEFINE_TPM", 0)  # libvirt 8.9
WITH_CHECKPOINTS: Final[int] = libvirt.VIR_DOMAIN_UNDEFINE_CHECKPOINTS_METADATA  # of QEMU, libvirt 5.6
WITH_REST: Final[int] = (
    libvirt.VIR_DOMAIN_UNDEFINE_MANAGED_SAVE
    | libvirt.VIR_DOMAIN_UNDEFINE_SNAPSHOTS_METADATA
    | libvirt.VIR_DOMAIN_UNDEFINE_NVRAM
)
UNDEFINE: Final = (WITH_REST | WITH_CHECKPOINTS | WITH_TPM, WITH_REST | WITH_CHECKPOINTS, WITH_REST)
"""Flags for removing a definition with all that libvirt keeps for it; the next for a daemon that refuses the last."""

STATE: Final = {
    VARIABLES: (libvirt.VIR_DOMAIN_UNDEFINE_NVRAM, libvirt.VIR_DOMAIN_UNDEFINE_KEEP_NVRAM),
    TPM: (WITH_TPM, getattr(libvirt, "VIR_DOMAIN_UNDEFINE_KEEP_TPM", 0)),
}
"""Of these flags those that remove, and that keep, what has files of its own."""


def find_domain(connection: libvirt.virConnect, uuid: UUID) -> libvirt.virDomain | None:
    """The domain of this uuid; None if there is none."""
    try:
        return connection.lookupByUUID(uuid.bytes)
    except libvirt.libvirtError as error:
        if error.get_error_code() == libvirt.VIR_ERR_NO_DOMAIN:
            return None
        raise


def mark_of(domain: libvirt.virDomain) -> Mark | None:
    """Our mark on a domain; None for one of other making, or a copy that took another's mark along."""
    with translated("look at the guest"):
        return read_mark(domain)


def remove_guest(
    connection: libvirt.virConnect,
    places: Places,
    uuid: UUID,
    hold: Hold,
    *,
    keep_disks: bool,
    vifs: Vifs,
    initiator: Initiator,
) -> None:
    """Remove a guest that is claimed by us: its domain, then its volumes, but not the claim.

    Raises:
        Busy: somebody else took over while this process was silent; the guest may be another one by now.
        Ambiguous: a domain that does not bear our mark has its uuid.
        StorageError: some volumes could not be removed; it names them.
        NetworkError: a port of os-vif's could not be removed.
        VolumeError: a volume could not be disconnected from the host.
    """
    hold.verify(places.records_pool())
    with translated(f"look for guest {uuid}"):
        domain = find_domain(connection, uuid)
    if domain is not None:
        mark = mark_of(domain)
        if mark is None or mark.record.owner != hold.claim.record.owner:
            raise Ambiguous(f"two guests claim {uuid}", [domain.name(), hold.volume.name])
        if connected := HostConnectionNote.of(mark).volumes:
            refuse_connected(connected, initiator)
        if (note := VifNote.of(mark)).ports:
            with translated("stop the guest"):
                stop(domain)
            vifs.unplug_all(Owner(uuid, domain.name()), note)  # while the guest's mark still tells of them
        if connected:
            with translated("stop the guest"):
                stop(domain)
            ConnectedVolumes(connection, initiator, domain).release_all()  # likewise
        remove_domain(domain)
    PreparedPorts(places, vifs, uuid, hold.claim.host).remove()
    remove_secrets(connection, uuid)
    end_joining_machine(connection, uuid)
    close_directory(connection, uuid)
    remove_volumes(uuid, places.active_pools(), keep_disks=keep_disks, spare=hold.names())


def refuse_connected(volumes: Iterable[str], initiator: Initiator) -> None:
    """Refuse to stop a guest for nothing: it cannot be removed by those who cannot disconnect its volumes.

    Raises:
        VolumeError: names them.
    """
    if refusal := initiator.refusal:
        message = f"the host connects volumes for the guest that cannot be disconnected from here: {', '.join(volumes)}"
        raise VolumeError(message, hint=refusal)


def remove_domain(domain: libvirt.virDomain, *, spare: Collection[str] = ()) -> None:
    """Stop a guest hard and remove its definition with saved memory, snapshots' metadata, NVRAM and TPM state.

    Args:
        domain: the guest.
        spare: what of NVRAM (``VARIABLES``) and TPM state (``TPM``) is to stay.
    """
    with translated("remove the guest"):
        try:
            stop(domain)
            undefine(domain, spare)
        except libvirt.libvirtError as error:
            if error.get_error_code() != libvirt.VIR_ERR_NO_DOMAIN:  # a transient one is gone once it is stopped
                raise


def stop(domain: libvirt.virDomain) -> None:
    """Take a guest's power away; nothing happens to one that is off."""
    try:
        domain.destroy()
    except libvirt.libvirtError as error:
        if error.get_error_code() != libvirt.VIR_ERR_OPERATION_INVALID or domain.isActive():
            raise


def undefine(domain: libvirt.virDomain, spare: Collection[str]) -> None:
    """Remove a definition with all that libvirt keeps for it, but for what is to be spared."""
    for flags in UNDEFINE:
        try:
            domain.undefineFlags(sparing(flags, spare))
        except libvirt.libvirtError as error:
            if error.get_error_code() != libvirt.VIR_ERR_INVALID_ARG or flags == UNDEFINE[-1]:
                raise
        else:
            return


def sparing(flags: int, spare: Collection[str]) -> int:
    """Flags for removing a definition, of which those for what is to be spared let it stay."""
    for what, (remove, keep) in STATE.items():
        if what in spare:
            flags = flags & ~remove | keep
    return flags


def volumes_of(uuid: UUID, pools: Iterable[Pool]) -> list[tuple[Pool, str]]:
    """Every volume that carries the guest's uuid."""
    return [(pool, name) for pool in pools for name in pool.names() if guest_of(name) == uuid]


def remove_volumes(uuid: UUID, pools: Iterable[Pool], *, keep_disks: bool, spare: Collection[str]) -> None:
    """Remove the guest's volumes.

    Args:
        uuid: the guest.
        pools: where to look.
        keep_disks: leave its disks.
        spare: names of its claim's volumes, which are removed last.

    Raises:
        StorageError: some could not be removed; it names them.
    """
    pools = list(pools)
    for pool in pools:
        find_rotated_logs(uuid, pool)
    failed: list[tuple[Leftover, VirtError]] = []
    for pool, name in volumes_of(uuid, pools):
        if name in spare or (keep_disks and is_disk(name)):
            continue
        try:
            pool.remove(name)
        except VirtError as error:
            failed.append((Leftover(uuid=uuid, kind="volume", name=name, place=pool.name), error))
    if failed:
        leftovers = [leftover for leftover, _ in failed]
        message = f"could not remove {', '.join(map(str, leftovers))}: {failed[0][1].message}"
        hint = "destroy the guest again once the storage works; until then it is among the leftovers"
        raise StorageError(message, hint=hint, state_after=StateAfter.CHANGED, leftovers=leftovers) from failed[0][1]


def find_rotated_logs(uuid: UUID, pool: Pool) -> None:
    """Make libvirt aware of older parts of the console log, which virtlogd writes past the pool.

    Asking for a volume of such a part's name costs little and either makes one, which is removed with the others, or
    makes libvirt look at the pool again.
    """
    name = console_log_name(uuid)
    if pool.find(name) is None:
        return
    try:
        pool.create(f"{name}.0", 0, ImageFormat.RAW)
    except VolumeExists:
        return

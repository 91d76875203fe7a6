"""Guests without a mark: what is their own, and what they were made from, has to be found out."""

from uuid import UUID

import libvirt
from lxml import etree

from nova_virt_api.model.spec import InstanceSpec
from nova_virt_libvirt.definition import PARSER, parse_definition
from nova_virt_libvirt.devices.volume_disk import is_volume
from nova_virt_libvirt.errors import translated
from nova_virt_libvirt.names import ADOPTED, console_log_name, guest_of, is_disk, is_opened_directory
from nova_virt_libvirt.remains import find_rotated_logs, mark_of, remove_domain, stop
from nova_virt_libvirt.storage.pools import Pool
from nova_virt_libvirt.volumes.secrets import remove_secrets


def remove_foreign(connection: libvirt.virConnect, domain: libvirt.virDomain, *, keep_disks: bool) -> None:
    """Remove a guest of other making and, unless they are kept, the disks that only it uses.

    Its own are the writable, unshared disks that are volumes of an active pool, that no other guest names, and that no
    other volume of the pool is based on, and what ``manage="all"`` made for it beside them. Everything else stays.
    """
    with translated("look at the guest"):
        definition = etree.fromstring(domain.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE), PARSER)
        volumes = [] if keep_disks else own_volumes(connection, definition, domain.UUIDString())
        volumes += side_volumes(connection, definition, UUID(bytes=domain.UUID()))
    remove_domain(domain)
    remove_secrets(connection, UUID(bytes=domain.UUID()))
    for pool, name in volumes:
        pool.remove(name)


def remove_adopted_disks(connection: libvirt.virConnect, domain: libvirt.virDomain) -> None:
    """Stop a guest that was adopted and remove the disks that only it uses, as of one of other making.

    They do not bear its uuid, so they go before its definition: until they are gone, that tells which they are. Nothing
    happens to a guest that was made by this API, or whose disks bear its uuid.
    """
    mark = mark_of(domain)
    if mark is None or mark.record.fingerprint != ADOPTED:
        return
    with translated("look at the guest"):
        definition = etree.fromstring(domain.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE), PARSER)
        volumes = own_volumes(connection, definition, domain.UUIDString())
    with translated("stop the guest"):
        stop(domain)
    for pool, name in volumes:
        pool.remove(name)


def own_volumes(connection: libvirt.virConnect, definition: etree._Element, uuid: str) -> list[tuple[Pool, str]]:
    """The volumes that are this guest's alone."""
    others = paths_of_others(connection, uuid)
    found = [volume_of(connection, disk) for disk in definition.iterfind("devices/disk") if is_own(disk)]
    return [
        (Pool(connection, volume.storagePoolLookupByVolume()), volume.name())
        for volume in found
        if volume is not None and volume.path() not in others and not is_base(volume)
    ]


def side_volumes(connection: libvirt.virConnect, definition: etree._Element, uuid: UUID) -> list[tuple[Pool, str]]:
    """The volumes that it names and that bear its uuid, but are no disks: first-boot data and the console's log."""
    found: list[tuple[Pool, str]] = []
    for path in definition.xpath("devices/disk/source/@file | devices/serial/log/@file"):
        volume = volume_at(connection, str(path))
        if volume is None or guest_of(volume.name()) != uuid or is_disk(volume.name()):
            continue
        pool = Pool(connection, volume.storagePoolLookupByVolume())
        if volume.name() == console_log_name(uuid):
            find_rotated_logs(uuid, pool)
            found += [(pool, name) for name in pool.names() if name.startswith(volume.name())]
        else:
            found.append((pool, volume.name()))
    return found


def looks_like(domain: libvirt.virDomain, spec: InstanceSpec) -> bool:
    """Whether a guest has what the spec says, as far as a definition tells: without a mark nothing else is known."""
    with translated("look at the guest"):
        xml = domain.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE)
    there = parse_definition(xml, spec.uuid)
    disks = [disk for disk in etree.fromstring(xml, PARSER).iterfind("devices/disk") if is_own(disk)]
    memory = spec.memory_bytes // 1024 * 1024  # libvirt counts in KiB
    asked = (spec.name, spec.vcpus, memory, len(spec.disks), len(spec.nics))
    return asked == (there.name, there.vcpus, there.memory_bytes, len(disks), len(there.interfaces))


def is_own(disk: etree._Element) -> bool:
    """Whether a disk could be the guest's own."""
    shared = disk.find("shareable") is not None or disk.find("readonly") is not None
    return disk.get("device", "disk") == "disk" and not shared and not is_volume(disk)


def volume_of(connection: libvirt.virConnect, disk: etree._Element) -> libvirt.virStorageVol | None:
    """The volume that a disk is; None if it is none of an active pool."""
    source = disk.find("source")
    if source is None:
        return None
    path = source.get("file") or source.get("dev")
    if path is not None:
        return volume_at(connection, path)
    try:
        if source.get("pool") and source.get("volume"):
            return connection.storagePoolLookupByName(source.get("pool")).storageVolLookupByName(source.get("volume"))
    except libvirt.libvirtError as error:
        if error.get_error_code() not in (libvirt.VIR_ERR_NO_STORAGE_VOL, libvirt.VIR_ERR_NO_STORAGE_POOL):
            raise
    return None


def volume_at(connection: libvirt.virConnect, path: str) -> libvirt.virStorageVol | None:
    """The volume of this path; None if it is none of an active pool."""
    try:
        return connection.storageVolLookupByPath(path)
    except libvirt.libvirtError as error:
        if error.get_error_code() != libvirt.VIR_ERR_NO_STORAGE_VOL:
            raise
    return None


def paths_of_others(connection: libvirt.virConnect, uuid: str) -> set[str]:
    """Every path that another guest's definition names, itself or as a volume of a pool."""
    paths: set[str] = set()
    for other in connection.listAllDomains(0):
        if other.UUIDString() == uuid:
            continue
        try:
            definition = etree.fromstring(other.XMLDesc(0), PARSER)
        except libvirt.libvirtError as error:
            if error.get_error_code() != libvirt.VIR_ERR_NO_DOMAIN:  # removed meanwhile
                raise
        else:
            paths.update(str(path) for path in definition.xpath("//devices//@file | //devices//@dev"))
            by_name = [volume_of(connection, disk) for disk in definition.iterfind("devices/disk[@type='volume']")]
            paths.update(volume.path() for volume in by_name if volume is not None)
    return paths


def is_base(volume: libvirt.virStorageVol) -> bool:
    """Whether another volume, of any active pool, is an overlay of this one."""
    path = volume.path()
    active = volume.connect().listAllStoragePools(libvirt.VIR_CONNECT_LIST_STORAGE_POOLS_ACTIVE)
    pools = [pool for pool in active if not is_opened_directory(pool.name())]
    return any(base_path(other) == path for pool in pools for other in pool.listAllVolumes(0))


def base_path(volume: libvirt.virStorageVol) -> str | None:
    """Path of what a volume is an overlay of; None for one that stands alone, or is gone."""
    try:
        path: str | None = etree.fromstring(volume.XMLDesc(0)).findtext("backingStore/path")
    except libvirt.libvirtError as error:
        if error.get_error_code() == libvirt.VIR_ERR_NO_STORAGE_VOL:
            return None
        raise
    return path

"""Images of guests' boot disks."""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from lxml import etree

from nova_virt_api.driver.operation import CancelMode
from nova_virt_api.driver.snapshot import Snapshot
from nova_virt_api.errors import Busy, InvalidSpec, StorageError, VirtError
from nova_virt_api.images.inspect import inspect_image
from nova_virt_api.images.target import write_target
from nova_virt_api.model.image import ImageFormat, ImageInfo, LocalTarget, NativeTarget
from nova_virt_api.model.instance import PowerState
from nova_virt_api.model.quiesce import Quiesce
from nova_virt_api.model.record import Record
from nova_virt_libvirt.boot_disk import BootDisk, boot_disk_of
from nova_virt_libvirt.claims.records import Records
from nova_virt_libvirt.definition import PARSER
from nova_virt_libvirt.errors import translated
from nova_virt_libvirt.foreign import is_base, paths_of_others
from nova_virt_libvirt.images.misread import refuse_misread_disk
from nova_virt_libvirt.names import BASE_PREFIX, guest_of, live_name, snapshot_key
from nova_virt_libvirt.places import Places
from nova_virt_libvirt.snapshot.live import DiskCopy, LiveCopy
from nova_virt_libvirt.storage.pools import Pool, Volume
from nova_virt_libvirt.verbs import OnDomains

if TYPE_CHECKING:
    from collections.abc import Callable
    from uuid import UUID

    import libvirt

    from nova_virt_api.driver.operation import Operation
    from nova_virt_api.model.identity import InstanceRef
    from nova_virt_api.model.image import ImageTarget
    from nova_virt_libvirt.connection import Connection
    from nova_virt_libvirt.domain import Domain
    from nova_virt_libvirt.site import Site

LIVE: Final = (PowerState.RUNNING, PowerState.PAUSED)
WRITTEN: Final = (ImageFormat.QCOW2, ImageFormat.RAW)
PLAIN_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,200}")


class LibvirtSnapshot(OnDomains, Snapshot):
    """The role Snapshot, of guests that are off, run or are paused."""

    site: Site
    agents: Connection

    def snapshot(
        self, guest: InstanceRef, target: ImageTarget, op: Operation, *, quiesce: Quiesce = Quiesce.IF_POSSIBLE
    ) -> ImageInfo:
        domain = self.domains.owned(guest)
        domain.require(PowerState.SHUTDOWN, *LIVE)
        connection = self.site.connection()
        disk = boot_disk(connection, domain)
        pool = disk.volume.pool
        record = Record(uuid=domain.uuid, owner=self.site.owner, fingerprint="")
        records = Records(pool, self.site.host())
        hold = records.acquire(snapshot_key(domain.uuid), record, op, f"a snapshot of guest {domain.uuid}")
        try:
            live = live_name(domain.uuid)
            wanted = DiskCopy(element=disk.element, source=disk.volume, pool=pool, name=live)
            copying = LiveCopy(domain, [wanted], op)
            copying.clear()
            snapping = Snapping(domain, disk, hold.key, op, lambda: copying.make(self.agents, quiesce)[0])
            if isinstance(target, LocalTarget):
                return snapping.to_file(target)
            return snapping.to_pool(target, Places(connection, self.site.pool))
        finally:
            with suppress(VirtError):  # otherwise whoever wants it next sees that we are gone, and does it
                remove_copies(domain.uuid, pool)
                hold.remove()
            hold.end()


class Snapping:
    """One snapshot.

    Args:
        domain: the guest.
        disk: the disk that it boots from.
        key: what the copy is named after.
        op: the operation worked for.
        live: makes a copy in qcow2 while the guest runs.
    """

    def __init__(self, domain: Domain, disk: BootDisk, key: str, op: Operation, live: Callable[[], Volume]) -> None:
        self._domain = domain
        self._disk = disk.volume
        self._element = disk.element
        self._key = key
        self._op = op
        self._live = live

    def to_file(self, target: LocalTarget) -> ImageInfo:
        """Fetch a copy that stands alone."""
        op = self._op
        with write_target(target) as path:
            copy = self._copy(target.format)
            op.stage("fetch the image", CancelMode.IMMEDIATE)
            with path.open("wb") as file:
                copy.download(file, op)
            op.stage("check the image", CancelMode.IMMEDIATE)
            info = inspect_image(path, str(target.path), op, declared=target.format)
        return replace(info, ref=str(target.path))

    def to_pool(self, target: NativeTarget, places: Places) -> ImageInfo:
        """Make a copy of the target's name from one that is known to be good; only then an older image goes."""
        pool = self._disk.pool if target.pool is None else places.pool("target.pool", target.pool)
        older = replaceable(pool, target)
        copy = self._copy(ImageFormat.QCOW2)
        self._op.stage("store the image", CancelMode.NONE)
        if older is not None:
            older.remove()
        image = pool.create_standalone(target.name, ImageFormat.QCOW2, copy)
        return ImageInfo(
            ref=f"{pool.name}/{target.name}",
            format=ImageFormat.QCOW2,
            size_bytes=image.stored_bytes(),
            virtual_size_bytes=self._disk.capacity_bytes(),
        )

    def _copy(self, image_format: ImageFormat) -> Volume:
        """A copy of the disk beside it, independent of any base; made by the hypervisor's host."""
        if self._domain.require(PowerState.SHUTDOWN, *LIVE) in LIVE:
            live = self._live()
            return live if image_format is ImageFormat.QCOW2 else self._converted(live, image_format)
        refuse_misread_disk(self._element, self._disk)
        before = self._disk.changed_at()
        copy = self._converted(self._disk, image_format)
        self._domain.require(PowerState.SHUTDOWN)  # else it was started meanwhile and the copy is worth nothing
        if self._disk.changed_at() != before:
            raise Busy(f"guest {self._domain.uuid} wrote to its disk while it was copied", hint="try again")
        return copy

    def _converted(self, source: Volume, image_format: ImageFormat) -> Volume:
        self._op.stage("copy the disk")
        name = snapping_name(self._key, image_format)
        self._disk.pool.remove(name)  # of somebody who is gone
        return self._disk.pool.create_standalone(name, image_format, source)


def snapping_name(key: str, image_format: ImageFormat) -> str:
    """Volume that holds the copy while it is fetched."""
    return f"{key}.{image_format.value}"


def remove_copies(uuid: UUID, pool: Pool) -> None:
    """Remove what a snapshot of a guest makes beside its disk. Whoever calls holds the claim ``snapshot_key``."""
    for image_format in WRITTEN:
        pool.remove(snapping_name(snapshot_key(uuid), image_format))
    pool.remove(live_name(uuid))


def boot_disk(connection: libvirt.virConnect, domain: Domain) -> BootDisk:
    """The disk that the guest boots from, as it runs, or would run.

    Raises:
        StorageError: it has no disk, or none that is a volume.
    """
    with translated("look at the guest's disks"):
        definition = etree.fromstring(domain.urgent.XMLDesc(0), PARSER)
    found = boot_disk_of(connection, definition)
    if found is None:
        raise StorageError(
            f"guest {domain.uuid} has no disk that is a volume of an active storage pool",
            hint="start the pool of its disk (virsh pool-start), or define one where the disk is",
        )
    return found


def replaceable(pool: Pool, target: NativeTarget) -> Volume | None:
    """The older image of this name, if there is one.

    Raises:
        InvalidSpec: such a name cannot be given, or what bears it is in use.
    """
    name = target.name
    plain = PLAIN_NAME.fullmatch(name) is not None and guest_of(name) is None and not name.startswith(BASE_PREFIX)
    if not plain:
        raise InvalidSpec("target.name", name, "letters, digits, '.', '_' or '-', and not the name of a guest's volume")
    older = pool.find(name)
    if older is None:
        return None
    with translated(f"see whether volume {name} is in use"):
        if older.native.path() in paths_of_others(pool.connection, "") or is_base(older.native):
            raise InvalidSpec("target.name", name, "a name that no volume in use bears")
    return older

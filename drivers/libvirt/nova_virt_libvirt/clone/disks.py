"""A guest's own disks, copied to volumes that stand alone: while it is off, or all at one moment while it runs."""

from __future__ import annotations

from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from lxml import etree

from nova_virt_api.driver.operation import Stage
from nova_virt_api.errors import Busy, StorageError, VirtError
from nova_virt_api.model.image import ImageFormat
from nova_virt_api.model.instance import PowerState
from nova_virt_api.model.record import Record
from nova_virt_libvirt.boot_disk import boot_order
from nova_virt_libvirt.claims.records import Records
from nova_virt_libvirt.definition import PARSER
from nova_virt_libvirt.errors import translated
from nova_virt_libvirt.foreign import volume_of
from nova_virt_libvirt.images.misread import refuse_misread_disk
from nova_virt_libvirt.names import disk_name, snapshot_key
from nova_virt_libvirt.snapshot.live import DiskCopy, LiveCopy, target_of
from nova_virt_libvirt.snapshot.role import remove_copies
from nova_virt_libvirt.storage.pools import OVERLAY_KINDS, Pool, Volume

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from uuid import UUID

    import libvirt

    from nova_virt_api.driver.operation import Operation
    from nova_virt_api.model.quiesce import Quiesce
    from nova_virt_libvirt.connection import Connection
    from nova_virt_libvirt.domain import Domain
    from nova_virt_libvirt.places import Places
    from nova_virt_libvirt.site import Site


class CopiedDisks:
    """The disks of one copy.

    Args:
        site: the endpoint.
        connection: the connection to use throughout.
        places: what names of places mean.
        uuid: the copy.
        op: the operation worked for.
    """

    def __init__(self, site: Site, connection: libvirt.virConnect, places: Places, uuid: UUID, op: Operation) -> None:
        self._site = site
        self._connection = connection
        self._places = places
        self._uuid = uuid
        self._op = op

    def plan(self, elements: Sequence[Any]) -> list[DiskCopy]:
        """What is to be copied to where: a volume in the same pool, or in the usual one where that holds no files.

        Args:
            elements: the original's own disks.

        Raises:
            StorageError: a disk is no volume of an active pool.
            InvalidSpec: there are several pools that could be meant.
        """
        return [self._planned(index, element) for index, element in enumerate(elements)]

    def _planned(self, index: int, element: Any) -> DiskCopy:
        with translated("look at the guest's disks"):
            native = volume_of(self._connection, element)
            pool = None if native is None else Pool(self._connection, native.storagePoolLookupByVolume())
        if native is None or pool is None:
            raise StorageError(
                f"disk {target_of(element)} of the guest is no volume of an active storage pool",
                hint="start the pool of its disk (virsh pool-start), or define one where the disk is",
            )
        files = pool.kind() in OVERLAY_KINDS
        return DiskCopy(
            element=element,
            source=Volume(pool, native),
            pool=pool if files else self._places.pool("pool", None),
            name=disk_name(self._uuid, index, ImageFormat.QCOW2),
        )

    # --- while it is off ------------------------------------------------------------------------------------------

    def copy_at_rest(self, original: Domain, copies: Sequence[DiskCopy]) -> list[Volume]:
        """Copy the disks of a guest that is off; made by the hypervisor's host.

        Raises:
            InvalidState: the guest was started meanwhile.
            Busy: it was started and stopped meanwhile.
            NoCapacity: a pool is full.
            StorageError: a disk could not be read or written.
        """
        for copy in copies:
            refuse_misread_disk(copy.element, copy.source)
        total = sum(copy.source.capacity_bytes() for copy in copies)
        before = [copy.source.changed_at() for copy in copies]
        made: list[Volume] = []
        done = 0
        for copy in copies:
            self._op.stage(Stage.DISKS)
            self._op.progress(done, total)
            made.append(self._copied_at_rest(original, copy))
            done += copy.source.capacity_bytes()
            self._op.progress(done, total)
        original.require(PowerState.SHUTDOWN)  # else it was started meanwhile and the copies are worth nothing
        if before != [copy.source.changed_at() for copy in copies]:
            raise Busy(f"guest {original.uuid} wrote to its disks while they were copied", hint="try again")
        return made

    def _copied_at_rest(self, original: Domain, copy: DiskCopy) -> Volume:
        try:
            return copy.pool.create_standalone(copy.name, ImageFormat.QCOW2, copy.source)
        except (Busy, StorageError):
            original.require(PowerState.SHUTDOWN)  # QEMU lets nobody else read what a running guest writes to
            raise

    # --- while it runs --------------------------------------------------------------------------------------------

    def copy_running(
        self, original: Domain, copies: Sequence[DiskCopy], agents: Connection, quiesce: Quiesce
    ) -> list[Volume]:
        """Copy the disks of a guest that runs or is paused, as they are at one moment.

        Raises:
            GuestAgentUnavailable: the guest was to be brought to rest, and cannot be.
            InvalidState: it stopped meanwhile.
            Busy: another program copies its disks.
            NoCapacity: a pool is full.
            StorageError: a disk could not be read or written.
        """
        if not copies:
            return []
        boots = min(copies, key=lambda copy: boot_order(copy.element))
        with self._only_copier(original, boots.pool):
            return LiveCopy(original, copies, self._op).make(agents, quiesce)

    @contextmanager
    def _only_copier(self, original: Domain, pool: Pool) -> Iterator[None]:
        """Keep snapshots of the guest waiting: QEMU copies a guest's disks for one at a time."""
        record = Record(uuid=original.uuid, owner=self._site.owner, fingerprint="")
        records = Records(pool, self._site.host())
        key = snapshot_key(original.uuid)
        hold = records.acquire(key, record, self._op, f"a snapshot of guest {original.uuid}")
        try:
            yield
        finally:
            with suppress(VirtError):  # otherwise whoever wants it next sees that we are gone
                remove_copies(original.uuid, pool)  # of a snapshot whose maker is gone
                hold.remove()
            hold.end()


def own_disks_now(original: Domain, elements: Sequence[Any]) -> list[Any]:
    """The disks of these targets as the running guest has them.

    Raises:
        StorageError: it runs without one of them.
    """
    with translated("look at the guest's disks"):
        running = etree.fromstring(original.urgent.XMLDesc(0), PARSER)
    found = {target_of(disk): disk for disk in running.iterfind("devices/disk")}
    missing = [target_of(element) for element in elements if target_of(element) not in found]
    if missing:
        raise StorageError(
            f"the guest gets disk {', '.join(missing)} only when it is started next", hint="stop it, then copy it"
        )
    return [found[target_of(element)] for element in elements]

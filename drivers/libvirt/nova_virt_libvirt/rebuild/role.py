"""Rebuild: a guest's boot disk becomes a fresh overlay of an image."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import libvirt

from nova_virt_api.capability import Capability
from nova_virt_api.driver.operation import CancelMode, Stage
from nova_virt_api.driver.rebuild import Rebuild
from nova_virt_api.errors import InvalidSpec, InvalidState, NotSupported, StateAfter, StorageError, VirtError
from nova_virt_api.model.image import ImageFormat
from nova_virt_api.model.instance import Lifecycle, PowerState
from nova_virt_api.toolkit.seed import seed_image
from nova_virt_libvirt.boot_disk import boot_disk_of, boot_element_of
from nova_virt_libvirt.checkpoint.notes import tree_of
from nova_virt_libvirt.claims.guest_claim import claimed
from nova_virt_libvirt.devices.disk import seed_element
from nova_virt_libvirt.errors import translated
from nova_virt_libvirt.images.overlay import base_in_pool, fetched_image, new_overlay
from nova_virt_libvirt.machine.told_devices import tagged_devices
from nova_virt_libvirt.metadata import Mark, write_mark
from nova_virt_libvirt.names import seed_name
from nova_virt_libvirt.places import Places
from nova_virt_libvirt.power import connect_to_the_end, kill, plug_again
from nova_virt_libvirt.rebuild.note import ROLE, DiskPlace, RebuildNote, rebuild_note
from nova_virt_libvirt.redefinition import Redefinition
from nova_virt_libvirt.rescue.definition import disk_of, free_bus, free_target
from nova_virt_libvirt.verbs import OnDomains

if TYPE_CHECKING:
    from nova_virt_api.driver.operation import Operation
    from nova_virt_api.model.cloud_init import CloudInit
    from nova_virt_api.model.identity import InstanceRef
    from nova_virt_api.model.image import ImageSource
    from nova_virt_api.model.instance import Instance
    from nova_virt_libvirt.domain import Domain
    from nova_virt_libvirt.site import Site
    from nova_virt_libvirt.storage.pools import Backing

REBUILDABLE: Final = (PowerState.RUNNING, PowerState.PAUSED, PowerState.SHUTDOWN, PowerState.CRASHED)

RESETS_VARIABLES: Final = 8_001_000
"""The first version of libvirt that starts a guest with its firmware's variables as they come."""


class LibvirtRebuild(OnDomains, Rebuild):
    """The role Rebuild."""

    site: Site

    def rebuild(
        self,
        guest: InstanceRef,
        op: Operation,
        *,
        source: ImageSource | None = None,
        cloud_init: CloudInit | None = None,
    ) -> Instance:
        domain = self._rebuildable(guest)
        with claimed(self.site, domain, op):
            try:
                Rebuilding(self.site, self._rebuildable(guest), op).run(source, cloud_init)
            finally:
                self.domains.forget(guest.uuid)
        return self.site.instance(guest)

    def _rebuildable(self, guest: InstanceRef) -> Domain:
        domain = self.domains.owned(guest, Lifecycle.ERROR)
        state = domain.power_state
        if state not in REBUILDABLE:
            raise InvalidState(state, REBUILDABLE, hint="resume it first")
        return domain


class Rebuilding:
    """One rebuild. The guest's claim is held.

    Args:
        site: the endpoint.
        domain: the guest.
        op: the operation worked for.
    """

    def __init__(self, site: Site, domain: Domain, op: Operation) -> None:
        self._site = site
        self._connection = site.connection()
        self._places = Places(self._connection, site.pool)
        self._domain = domain
        self._op = op
        self._before = rebuild_note(domain.mark)

    def run(self, source: ImageSource | None, cloud_init: CloudInit | None) -> None:
        """Do it. From where the guest is stopped there is no way back, so neither a cancel nor a deadline stops it."""
        definition = Redefinition(self._connection, self._domain.uuid)
        self._refuse(definition, cloud_init)
        seed = None if cloud_init is None else self._seed(definition, cloud_init)
        note = self._plan(definition, source, cloud_init)
        self._op.stage(Stage.STOP, CancelMode.NONE)
        kill(self._domain)
        try:
            with translated("write the guest's mark"):
                write_mark(definition.native, self._marked(note))
            kill(self._domain)  # it may have been started once more before that
            self._write_disk(definition, note)
            if seed is not None:
                self._write_seed(definition, note, seed)
            definition.define(self._marked(note))
            self._op.stage(Stage.START, CancelMode.NONE)
            plug_again(self._site.vifs, self._domain)
            connect_to_the_end(self._site, self._domain)
            with translated("start the guest"):
                definition.native.createWithFlags(start_flags(self._connection, definition.root))
            with translated("write the guest's mark"):
                write_mark(definition.native, self._marked(None))
        except VirtError as error:
            error.state_after = StateAfter.CHANGED
            raise

    # --- what is to be done ---------------------------------------------------------------------------------------

    def _refuse(self, definition: Redefinition, cloud_init: CloudInit | None) -> None:
        with translated("look at the guest"):
            if not definition.native.isPersistent():
                reason = "a transient guest is gone when it stops; give it a definition first (virsh define)"
                raise NotSupported(Capability.REBUILD, reason=reason)
            if tree_of(self._domain.mark).infos() or definition.native.snapshotNum(0):
                raise StorageError(
                    "the guest's disk cannot be written anew while checkpoints rest on it", hint="delete them first"
                )
        if self._before is not None and self._before.seed_lost and cloud_init is None:
            allowed = "first-boot data: what the guest had was lost in a rebuild that was interrupted"
            raise InvalidSpec("cloud_init", None, allowed)

    def _plan(self, definition: Redefinition, source: ImageSource | None, cloud_init: CloudInit | None) -> RebuildNote:
        """What is going to be written; the image is in the disk's pool then."""
        disk, base = (self._before.disk, self._before.base) if self._before else self._found(definition)
        if source is not None:
            pool = self._places.pool("pool", disk.pool)
            with fetched_image(self._site, self._places, source, "source", self._op) as image:
                if (size := image.virtual_size_bytes) > disk.capacity_bytes:
                    allowed = f"an image of at most {disk.capacity_bytes} bytes, the disk's size"
                    raise InvalidSpec("source", f"{size} bytes", allowed)
                base = base_in_pool(self._site, pool, image, self._op)
        if base is None:
            raise InvalidSpec("source", None, "an image, since it is not known what the guest was made from")
        return RebuildNote(disk=disk, base=base, seed_lost=cloud_init is not None)

    def _found(self, definition: Redefinition) -> tuple[DiskPlace, Backing | None]:
        """The guest's boot disk, and the image that it is an overlay of."""
        boot = boot_disk_of(self._connection, definition.root)
        if boot is None or not boot.is_its_own(self._connection, str(self._domain.uuid)):
            allowed = "a guest whose boot disk is its own, and a plain volume of an active pool of files"
            raise InvalidSpec("guest", self._domain.name, allowed)
        volume = boot.volume
        place = DiskPlace(pool=volume.pool.name, volume=volume.name, capacity_bytes=volume.capacity_bytes())
        return place, boot.image()

    # --- the steps ------------------------------------------------------------------------------------------------

    def _write_disk(self, definition: Redefinition, note: RebuildNote) -> None:
        """Replace the disk by an overlay of the same name and size."""
        pool = self._places.pool("pool", note.disk.pool)
        pool.remove(note.disk.volume)
        new_overlay(pool, note.disk.volume, note.disk.capacity_bytes, note.base, self._op)
        element = boot_element_of(definition.root)
        element.find("driver").set("type", ImageFormat.QCOW2.value)
        for chain in element.findall("backingStore"):  # of an adopted guest's disk; the new one says itself what it is
            element.remove(chain)

    def _seed(self, definition: Redefinition, cloud_init: CloudInit) -> bytes:
        return seed_image(cloud_init, self._domain.uuid, self._domain.name, tagged_devices(definition.root))

    def _write_seed(self, definition: Redefinition, note: RebuildNote, content: bytes) -> None:
        pool, name = self._places.pool("pool", note.disk.pool), seed_name(self._domain.uuid)
        pool.remove(name)
        volume = pool.create(name, len(content), ImageFormat.RAW)
        volume.write(content)
        devices = definition.devices
        if disk_of(devices, name) is None:
            bus = free_bus(devices, boot_element_of(definition.root).find("target").get("bus", ""))
            devices.append(seed_element(volume.path(), bus, free_target(devices, bus)))

    def _marked(self, note: RebuildNote | None) -> Mark:
        """The guest's mark with this note; None for a guest that is complete."""
        mark = self._domain.mark
        assert mark is not None, "guests are rebuilt only where marks are written"  # noqa: S101 - see capabilities
        if note is None:
            return replace(mark.noting(ROLE, None), standing=None)
        return replace(mark.noting(ROLE, note.encode()), standing=Lifecycle.ERROR)


def start_flags(connection: libvirt.virConnect, root: Any) -> int:
    """How a definition is started with its firmware's variables as they come: the old ones name a system that is gone.

    Daemons older than libvirt 8.1 do not know how; there the variables stay.
    """
    uefi = root.find("os[@firmware='efi']") is not None or root.find("os/nvram") is not None
    with translated("look at the hypervisor"):
        known = connection.getLibVersion() >= RESETS_VARIABLES
    return libvirt.VIR_DOMAIN_START_RESET_NVRAM if uefi and known else 0

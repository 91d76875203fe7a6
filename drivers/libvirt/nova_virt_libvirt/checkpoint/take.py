"""Taking a checkpoint: from one moment on the guest's disks write to new overlays."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import libvirt
from lxml import etree
from lxml.builder import E

from nova_virt_api.capability import Feature
from nova_virt_api.driver.operation import CancelMode
from nova_virt_api.errors import Cancelled, InvalidSpec, Timeout, VirtError
from nova_virt_api.model.image import ImageFormat
from nova_virt_api.model.instance import PowerState
from nova_virt_libvirt.checkpoint.layers import Overlays, other_disks, put_disks, target_of
from nova_virt_libvirt.errors import translated
from nova_virt_libvirt.names import point_volume_name
from nova_virt_libvirt.shares.ties import refuse_shares
from nova_virt_libvirt.suspend import abort

if TYPE_CHECKING:
    from nova_virt_api.driver.operation import Operation
    from nova_virt_libvirt.checkpoint.guest import CheckpointGuest
    from nova_virt_libvirt.checkpoint.notes import Point, Tree
    from nova_virt_libvirt.storage.pools import Volume

ABORT_AGAIN_SECONDS: Final = 0.2


class Take:
    """One checkpoint in the making.

    Args:
        guest: the guest.
        point: what is known of the checkpoint before.
        op: the operation worked for.
    """

    def __init__(self, guest: CheckpointGuest, point: Point, op: Operation) -> None:
        self._guest = guest
        self._point = point
        self._op = op
        self._tops = guest.tops(running=point.power_state is not PowerState.SHUTDOWN)
        self._overlays = Overlays(guest.uuid, point.id)
        self._memory: Volume | None = None
        self._saved = 0

    def take(self, *, memory: bool) -> Tree:
        """Make it, and return the checkpoints that there are then.

        Raises:
            NotSupported: memory is wanted, and the guest shares directories with its host.
            InvalidSpec: memory is wanted, and the guest uses disks that cannot go back with it.
            NoCapacity: there is no room.
            StorageError: libvirt or QEMU could not.
        """
        if memory:
            self._refuse_others()
        try:
            self._op.stage("keep the disks")
            for top in self._tops:
                self._overlays.add(top.target, top.volume, top.path, top.format)
            if memory:
                self._memory = self._memory_volume()
            self._op.checkpoint()
            off = self._point.power_state is PowerState.SHUTDOWN
            return self._take_off() if off else self._take_live()
        except VirtError:
            with suppress(VirtError):  # else the next verb does it
                self._remove_made()
            raise

    def _take_off(self) -> Tree:
        guest = self._guest
        definition = guest.definition()
        put_disks(definition, self._overlays.made)
        tree = guest.tree.grown(self._finished())
        guest.domain.require(PowerState.SHUTDOWN)
        guest.define_at_rest(definition, tree)
        return tree

    def _take_live(self) -> Tree:
        if self._memory is not None:
            self._save_memory()
        elif self._tops:
            self._op.stage("keep the disks", CancelMode.NONE)
            self._switch(libvirt.VIR_DOMAIN_SNAPSHOT_CREATE_DISK_ONLY)
        tree = self._guest.tree.grown(self._finished())
        self._guest.save_tree(tree)
        return tree

    def _save_memory(self) -> None:
        """Do it on a thread, which can be watched and stopped; once the disks have switched it is too late for that."""
        self._op.stage("keep the memory", CancelMode.IMMEDIATE)
        with ThreadPoolExecutor(1, thread_name_prefix="nova-virt-libvirt-memory") as worker:
            saving = worker.submit(self._switch, libvirt.VIR_DOMAIN_SNAPSHOT_CREATE_LIVE)
            try:
                self._op.wait_until(lambda: self._is_saved(saving))
            except (Cancelled, Timeout):
                while not saving.done():
                    abort(self._guest.domain)  # more than once: perhaps it has not begun yet
                    wait([saving], ABORT_AGAIN_SECONDS)
                if saving.exception() is not None:
                    raise
            saving.result()

    def _is_saved(self, saving: Future[None]) -> bool:
        if saving.done():
            return True
        with suppress(libvirt.libvirtError):  # it stops just now
            stats = self._guest.domain.native.jobStats()
            total = stats.get("memory_total", 0)
            self._saved = max(self._saved, total - stats.get("memory_remaining", total))  # pages become dirty again
            self._op.progress(self._saved, total)
        return False

    def _switch(self, flags: int) -> None:
        """Let libvirt keep the memory, if that is wanted, and let all disks write to their overlays at one moment."""
        flags |= libvirt.VIR_DOMAIN_SNAPSHOT_CREATE_NO_METADATA | libvirt.VIR_DOMAIN_SNAPSHOT_CREATE_REUSE_EXT
        flags |= libvirt.VIR_DOMAIN_SNAPSHOT_CREATE_ATOMIC
        with translated("keep what the guest holds"):
            self._guest.domain.native.snapshotCreateXML(self._request(), flags)

    def _request(self) -> str:
        """What libvirt is to do with each disk of the running guest, and with its memory."""
        memory = E.memory(snapshot="no")
        if self._memory is not None:
            memory = E.memory(snapshot="external", file=self._memory.path())
        disks = E.disks()
        made = self._overlays.made
        for target in map(target_of, self._guest.definition(running=True).iterfind("devices/disk")):
            if target not in made:
                disks.append(E.disk(name=target, snapshot="no"))
                continue
            path, image_format = made[target]
            overlay = E.disk(E.driver(type=image_format.value), E.source(file=path), name=target)
            overlay.set("snapshot", "external")
            overlay.set("type", "file")
            disks.append(overlay)
        return etree.tostring(E.domainsnapshot(E.name(self._point.id), memory, disks), encoding="unicode")

    def _finished(self) -> Point:
        return replace(
            self._point,
            layers={top.target: top.path for top in self._tops},
            memory=None if self._memory is None else self._memory.path(),
        )

    def _memory_volume(self) -> Volume:
        """A volume that libvirt writes the memory to."""
        pool = self._tops[0].volume.pool if self._tops else self._guest.places.records_pool()
        name = point_volume_name(self._guest.uuid, "memory", self._point.id, ImageFormat.RAW)
        return pool.create(name, 0, ImageFormat.RAW)

    def _remove_made(self) -> None:
        """Remove what was made, unless the guest has come to use it."""
        if self._guest.top_paths() & {path for path, _ in self._overlays.made.values()}:
            return
        self._overlays.remove()
        if self._memory is not None:
            self._memory.remove()

    def _refuse_others(self) -> None:
        refuse_shares(self._guest.domain, Feature.CHECKPOINT_MEMORY)
        others = other_disks(self._guest.definition(running=True), self._tops)
        if others:
            allowed = f"False while the guest uses disks that are not its own: {', '.join(others)}"
            raise InvalidSpec("memory", True, allowed)

"""Copying a volume to another under a running guest; whoever comes after a dead caller can end it either way."""

from __future__ import annotations

from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, Final

import libvirt
from lxml import etree

from nova_virt_api.driver.operation import CancelMode
from nova_virt_api.errors import InvalidSpec, StateAfter, VirtError, VolumeError
from nova_virt_api.model.image import ImageFormat
from nova_virt_api.model.record import Record
from nova_virt_libvirt.claims.records import Records
from nova_virt_libvirt.devices.volume_disk import Label, digest_of, mirror_element, part_element
from nova_virt_libvirt.names import volumes_key
from nova_virt_libvirt.native_call import in_time
from nova_virt_libvirt.places import Places
from nova_virt_libvirt.stored_volumes.use import refuse_going
from nova_virt_libvirt.volumes.disks import VolumeDisks
from nova_virt_libvirt.volumes.errors import volume_errors
from nova_virt_libvirt.volumes.secrets import define_secrets, remove_passwords

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nova_virt_api.driver.operation import Operation
    from nova_virt_api.model.volume import AttachedVolume, Volume
    from nova_virt_libvirt.domain import Domain
    from nova_virt_libvirt.site import Site
    from nova_virt_libvirt.volumes.disks import Held

COPY: Final = libvirt.VIR_DOMAIN_BLOCK_COPY_REUSE_EXT | libvirt.VIR_DOMAIN_BLOCK_COPY_TRANSIENT_JOB
"""The other volume is there already; and libvirt demands to be told that the job does not outlive the guest's run."""

SPEED: Final[dict[str, int]] = {}
"""Parameters of a copy; it goes as fast as it can."""

SHORT: Final = "see that the new volume is as large as the old one, and look at the log of libvirt's daemon"


@contextmanager
def alone(site: Site, domain: Domain, op: Operation) -> Iterator[None]:
    """Be the only one who swaps volumes of a guest, or ends what somebody dead had begun.

    Raises:
        Busy: somebody else is at it, and went on until the deadline.
    """
    record = Record(uuid=domain.uuid, owner=site.owner, fingerprint="")
    records = Records(Places(site.connection(), site.pool).records_pool(), site.host())
    hold = records.acquire(volumes_key(domain.uuid), record, op, f"the volumes of guest {domain.uuid}")
    try:
        yield
    finally:
        with suppress(VirtError):  # otherwise whoever wants it next sees that we are gone
            hold.remove()
        hold.end()


def settle(site: Site, domain: Domain, disks: VolumeDisks, op: Operation) -> None:
    """End what somebody dead had begun: a copy under way is given up, one that was switched to is kept.

    Raises:
        Busy: he is not dead, and went on until the deadline.
    """
    if any(held.unsettled for held in disks.all()):
        with alone(site, domain, op):
            for held in disks.all():
                if held.unsettled:
                    end_swap(site, domain, disks, held.target)


def end_swap(site: Site, domain: Domain, disks: VolumeDisks, target: str) -> None:
    """Leave a disk with the volume that its guest reads and writes now."""
    held = disks.at(target)
    if held is not None and held.mirror is not None:
        stop_copy(domain, target)
        held = disks.at(target)
    if held is not None and held.label.into is not None:
        label, stays = held.label, held.id
        goes = label.id if stays == held.label.into else held.label.into
        remove_passwords(site.connection(), domain.uuid, goes)  # the host may need its own until it has left the volume
        settled = Label(id=stays, tag=label.tag)
        disks.relabel(held, settled)  # last: until then whoever comes next knows what is left to do


def stop_copy(domain: Domain, target: str) -> None:
    """Give a copy up; nothing happens if there is none any more."""
    with volume_errors(f"stop copying disk {target}"):
        try:
            domain.native.blockJobAbort(target, 0)
        except libvirt.libvirtError as error:
            if error.get_error_code() not in (libvirt.VIR_ERR_INVALID_ARG, libvirt.VIR_ERR_OPERATION_INVALID):
                raise


class Swap:
    """One swap.

    Args:
        site: the endpoint.
        domain: the guest.
        volume_id: the volume that it uses.
        volume: the one that it is to use.
        source: the ``<source>`` of that.
        op: the operation worked for.
    """

    def __init__(self, site: Site, domain: Domain, volume_id: str, volume: Volume, source: Any, op: Operation) -> None:
        self._site = site
        self._domain = domain
        self._from = volume_id
        self._volume = volume
        self._source = source
        self._op = op
        self._disks = VolumeDisks(domain)
        self._has_progress = False

    def run(self) -> AttachedVolume:
        """Return the volume that the guest uses then."""
        with alone(self._site, self._domain, self._op):
            for held in self._disks.all():
                if held.unsettled and not self._is_ours(held):
                    end_swap(self._site, self._domain, self._disks, held.target)
            old = self._disks.find(self._from)
            new = self._disks.find(self._volume.id)
            if old is not None and old.unsettled and old.mirror is None:
                end_swap(self._site, self._domain, self._disks, old.target)  # it had not begun to copy
                old = self._disks.find(self._from)
            if old is None or new is not None:
                return self._done(old, new)
            self._copy(old)
            return self._done(None, self._disks.find(self._volume.id))

    def _is_ours(self, held: Held) -> bool:
        """Whether somebody began what we want."""
        return held.label == self._label_of(held)

    def _label_of(self, held: Held) -> Label:
        """What a disk says while this swap goes on. Its tag is the guest's way to know it, and stays."""
        return Label(id=self._from, into=self._volume.id, at=digest_of(self._source), tag=held.label.tag)

    def _done(self, old: Held | None, new: Held | None) -> AttachedVolume:
        if old is not None:
            raise InvalidSpec("volume.id", self._volume.id, "a volume that the guest does not use yet")
        if new is None:
            raise InvalidSpec("volume_id", self._from, "the id of a volume that the guest uses")
        if new.unsettled:
            end_swap(self._site, self._domain, self._disks, new.target)
        return new.shown()

    def _copy(self, old: Held) -> None:
        op, target = self._op, old.target
        try:
            if old.mirror is None:
                self._label(old)
                self._begin(target, mirror_element(self._volume, self._source))
            refuse_going(self._site.connection(), self._volume)
            op.stage("copy the volume", CancelMode.IMMEDIATE)
            try:
                op.wait_until(lambda: self._is_ready(target))
            except VolumeError:  # QEMU copies to a disk of the same size only; that a part of a larger one can be
                if self._has_progress or not self._may_be_part():
                    raise
                self._begin(target, part_element(self._volume, self._source, self._size(target)))
                op.wait_until(lambda: self._is_ready(target))
            op.stage("switch to the new volume", CancelMode.NONE)
            with volume_errors(f"switch to volume {self._volume.id}"):
                self._domain.native.blockJobAbort(target, libvirt.VIR_DOMAIN_BLOCK_JOB_ABORT_PIVOT)
        except BaseException as error:
            self._undo(old, error)
            raise
        end_swap(self._site, self._domain, self._disks, target)

    def _label(self, old: Held) -> None:
        """Note what is begun."""
        self._op.stage("note the new volume", CancelMode.NONE)
        self._disks.relabel(old, self._label_of(old))
        define_secrets(self._site.connection(), self._domain.uuid, self._volume)

    def _begin(self, target: str, mirror: Any) -> None:
        """Begin to copy."""
        self._op.stage("open the new volume", CancelMode.IMMEDIATE)
        definition = etree.tostring(mirror, encoding="unicode")
        with volume_errors(f"copy volume {self._from} to volume {self._volume.id}"):
            in_time(lambda: self._domain.native.blockCopy(target, definition, SPEED, COPY), self._op)

    def _may_be_part(self) -> bool:
        """Whether the guest can use the beginning of the new volume: if nothing stands there but its own bytes."""
        shape = getattr(self._volume.connection, "format", ImageFormat.RAW)
        return shape is ImageFormat.RAW and self._volume.encryption is None

    def _size(self, target: str) -> int:
        """How large the guest sees the volume."""
        with volume_errors(f"look how large volume {self._from} is"):
            return int(self._domain.native.blockInfo(target)[0])

    def _is_ready(self, target: str) -> bool:
        held = self._disks.at(target)
        if held is None or held.mirror is None:
            raise VolumeError(f"copying volume {self._from} to volume {self._volume.id} failed", hint=SHORT)
        if held.mirror.get("ready") == "yes":
            return True
        with volume_errors(f"look how far the copy of volume {self._from} has got"):
            told = self._domain.native.blockJobInfo(target, 0)
        if told and told["end"]:
            self._has_progress |= bool(told["cur"])
            self._op.progress(min(told["cur"], told["end"]), told["end"])
        return False

    def _undo(self, old: Held, error: BaseException) -> None:
        """Let the guest stay on the old volume; where that cannot be done now, the next caller does it."""
        try:
            end_swap(self._site, self._domain, self._disks, old.target)
            stayed = self._disks.find(self._from) is not None
        except VirtError:
            stayed = False
        if not stayed and isinstance(error, VirtError):
            error.state_after = StateAfter.UNKNOWN

"""Copies of a running guest's disks as they are at one moment: QEMU saves what is overwritten until it has copied it.

That is a backup job in libvirt's words (``virDomainBackupBegin`` in push mode). The guest goes on writing to its own
disks all the time, so nothing is to be merged back afterwards, and a job that dies leaves nothing but the copies.
"""

from __future__ import annotations

from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import libvirt
from lxml import etree
from lxml.builder import E

from nova_virt_api.driver.operation import CancelMode
from nova_virt_api.errors import Busy, NoCapacity, StorageError, VirtError
from nova_virt_api.model.image import ImageFormat
from nova_virt_api.model.instance import PowerState
from nova_virt_api.toolkit.unstoppable import Unstoppable
from nova_virt_libvirt.agent.at_rest import at_rest
from nova_virt_libvirt.errors import FULL_TEXTS, HINTS, translated
from nova_virt_libvirt.names import guest_of, is_disk, live_name

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from nova_virt_api.driver.operation import Operation
    from nova_virt_api.model.quiesce import Quiesce
    from nova_virt_libvirt.connection import Connection
    from nova_virt_libvirt.domain import Domain
    from nova_virt_libvirt.storage.pools import Pool, Volume

ENDING_SECONDS: Final = 60.0
"""Within this time QEMU ends a job that is to end."""

COMPLETED: Final = libvirt.VIR_DOMAIN_JOB_STATS_COMPLETED | libvirt.VIR_DOMAIN_JOB_STATS_KEEP_COMPLETED


@dataclass(frozen=True, slots=True, kw_only=True)
class DiskCopy:
    """What is to become a copy of a disk.

    Args:
        element: the disk's ``<disk>``, as the running guest has it.
        source: the volume that it is.
        pool: where the copy is to be.
        name: what the copy is called; only we make volumes of this name.
    """

    element: Any
    source: Volume
    pool: Pool
    name: str


class LiveCopy:
    """Copies of disks of a running, or paused, guest. Whoever makes some holds the claim ``snapshot_key``.

    Args:
        domain: the guest.
        copies: what is to be made; at least one.
        op: the operation worked for.
    """

    def __init__(self, domain: Domain, copies: Sequence[DiskCopy], op: Operation) -> None:
        self._domain = domain
        self._copies = copies
        self._op = op

    def make(self, agents: Connection, quiesce: Quiesce) -> list[Volume]:
        """The copies, complete, in qcow2.

        Raises:
            Busy: another program copies the guest's disks.
            GuestAgentUnavailable: the guest was to be brought to rest, and cannot be.
            NoCapacity: a pool is full.
            StorageError: they could not be written.
        """
        self.clear()
        try:
            made = [
                copy.pool.create(copy.name, copy.source.capacity_bytes(), ImageFormat.QCOW2) for copy in self._copies
            ]
            self._op.stage("begin to copy the disk")
            with at_rest(agents, self._domain, quiesce):
                self._begin([volume.path() for volume in made])
            self._op.stage("copy the disk", CancelMode.IMMEDIATE)
            self._op.on_cancel(self._abort)
            self._op.wait_until(self._is_over)
            self._check()
            self._wait_until_closed()
        except BaseException:
            with suppress(VirtError):  # otherwise whoever wants the next snapshot does it
                self.clear()
            raise
        return made

    def clear(self) -> None:
        """End the job, ours or that of somebody who is gone, and remove what it wrote.

        Raises:
            Busy: another program copies the guest's disks.
        """
        target = self._target()
        if target is not None and not self._is_ours(target.rpartition("/")[2]):
            raise Busy("another program copies the guest's disks", hint="wait until it is done (virsh domjobinfo)")
        if target is not None:
            self._abort()
            Unstoppable(ENDING_SECONDS).wait_until(lambda: self._target() is None)
        for copy in self._copies:
            copy.pool.remove(copy.name)

    def _is_ours(self, name: str) -> bool:
        """Whether a volume is what we write to, or a disk of another guest: somebody made that, who is gone."""
        another = guest_of(name) not in (None, self._domain.uuid) and is_disk(name)
        return another or name == live_name(self._domain.uuid) or name in [copy.name for copy in self._copies]

    def _begin(self, paths: Sequence[str]) -> None:
        elements = [copy.element for copy in self._copies]
        definition = etree.tostring(backup_of(elements, paths), encoding="unicode")
        with self._explained("begin to copy the guest's disk"):
            # The volume is the storage API's, so that pools know it and destroy finds it.
            self._domain.native.backupBegin(definition, None, libvirt.VIR_DOMAIN_BACKUP_BEGIN_REUSE_EXTERNAL)

    def _is_over(self) -> bool:
        if self._target() is None:
            return True
        with self._explained("look how far the copy is"):
            stats = self._domain.native.jobStats()
        if "disk_total" in stats:
            self._op.progress(stats["disk_processed"], stats["disk_total"])
        return False

    def _check(self) -> None:
        """See how the job ended."""
        self._op.checkpoint()  # one that was aborted for us has failed for nobody else
        with self._explained("look how the copy ended"):
            stats: dict[str, Any] = self._domain.native.jobStats(COMPLETED)
        if not stats.get("success"):
            self._domain.require(PowerState.RUNNING, PowerState.PAUSED)  # it stopped in between
            reason = stats.get("errmsg") or "QEMU gave it up"
            message = f"the guest's disk could not be copied: {reason}"
            if any(full in reason for full in FULL_TEXTS):
                pools = ", ".join(dict.fromkeys(copy.pool.name for copy in self._copies))
                raise NoCapacity(pools, message, hint="free some space there")
            raise StorageError(message, hint=HINTS[StorageError])

    def _wait_until_closed(self) -> None:
        """Return once QEMU has let go of the copies: libvirt ends the job first, and then lets QEMU close its files.

        It does both in one job of its own on the domain, which any query waits for; this one asks QEMU nothing.
        """
        with translated("wait until QEMU has closed the copy"):
            try:
                self._domain.native.blockJobInfo(target_of(self._copies[0].element), 0)
            except libvirt.libvirtError as error:
                if not is_refusal(error):  # else the guest has stopped, and its QEMU has nothing open
                    raise

    def _target(self) -> str | None:
        """The first file that the guest's QEMU writes a backup to; None when it is at no backup, or off.

        libvirt knows this itself and asks no QEMU, so that it may go over the connection that none holds up.
        """
        with translated("see whether the guest's disk is being copied"):
            try:
                job = etree.fromstring(self._domain.urgent.backupGetXMLDesc(0))
            except libvirt.libvirtError as error:
                if error.get_error_code() in (libvirt.VIR_ERR_NO_DOMAIN_BACKUP, libvirt.VIR_ERR_OPERATION_INVALID):
                    return None
                raise
        target = job.find("disks/disk[@backup='yes']/target")
        return "" if target is None else target.get("file") or target.get("dev") or ""

    def _abort(self) -> None:
        with suppress(VirtError), translated("end the copy"):  # it had ended by itself
            self._domain.native.abortJob()

    @contextmanager
    def _explained(self, doing: str) -> Iterator[None]:
        """Let a refusal of a guest that has stopped meanwhile be told as such."""
        try:
            with translated(doing):
                yield
        except VirtError as error:
            if isinstance(error.__cause__, libvirt.libvirtError) and is_refusal(error.__cause__):
                self._domain.require(PowerState.RUNNING, PowerState.PAUSED)
            raise


def is_refusal(error: libvirt.libvirtError) -> bool:
    """Whether libvirt says that the guest is in no state for this."""
    return bool(error.get_error_code() == libvirt.VIR_ERR_OPERATION_INVALID)


def backup_of(disks: Sequence[Any], paths: Sequence[str]) -> Any:
    """The definition of a job that writes disks to qcow2 files that are there.

    Args:
        disks: the ``<disk>`` of each, all of one guest.
        paths: the file for each.
    """
    others = [other for other in disks[0].getparent().iterfind("disk") if other not in disks]
    return E.domainbackup(
        E.disks(
            *(
                E.disk(
                    E.driver(type=ImageFormat.QCOW2.value),
                    E.target(file=path),
                    name=target_of(disk),
                    backup="yes",
                    type="file",
                )
                for disk, path in zip(disks, paths, strict=True)
            ),
            *(E.disk(name=target_of(other), backup="no") for other in others),
        ),
        mode="push",
    )


def target_of(disk: Any) -> str:
    """What a ``<disk>`` is called in the guest, e.g. ``vda``."""
    return str(disk.find("target").get("dev"))

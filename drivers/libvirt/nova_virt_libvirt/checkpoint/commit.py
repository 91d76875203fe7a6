"""QEMU's job that moves a volume's content into the volume below it."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

import libvirt
from lxml import etree

from nova_virt_api.errors import Busy, StorageError
from nova_virt_libvirt.checkpoint.layers import target_of
from nova_virt_libvirt.definition import PARSER
from nova_virt_libvirt.errors import translated

if TYPE_CHECKING:
    from nova_virt_api.driver.operation import Operation
    from nova_virt_libvirt.checkpoint.guest import CheckpointGuest
    from nova_virt_libvirt.checkpoint.layers import Layer

COMMITS: Final = (libvirt.VIR_DOMAIN_BLOCK_JOB_TYPE_COMMIT, libvirt.VIR_DOMAIN_BLOCK_JOB_TYPE_ACTIVE_COMMIT)
NOT_READY: Final = frozenset({libvirt.VIR_ERR_BLOCK_COPY_ACTIVE, libvirt.VIR_ERR_OPERATION_INVALID})
"""Answers to a pivot that comes too early."""


class Commit:
    """One such job.

    Args:
        machine: the ``virDomain`` whose QEMU does it.
        target: the disk's target in it.
        lower: what is written to.
        upper: whose content goes there.
        active: whether the disk writes to the upper one itself, and has to go over to the lower one in the end.
        op: the operation worked for.
    """

    def __init__(self, machine: Any, target: str, lower: Layer, upper: Layer, active: bool, op: Operation) -> None:
        self._machine = machine
        self._target = target
        self._lower = lower
        self._upper = upper
        self._active = active
        self._op = op

    def run(self) -> None:
        """Do it to the end; what is begun is taken back when the operation is stopped.

        Raises:
            StorageError: QEMU could not.
        """
        flags = libvirt.VIR_DOMAIN_BLOCK_COMMIT_ACTIVE if self._active else 0
        try:
            with translated(f"join volume {self._upper.volume.name} to the one below it"):
                self._machine.blockCommit(self._target, self._lower.path, self._upper.path, 0, flags)
                self._op.wait_until(self._is_over)
                self._refuse_failed()
        except BaseException:
            with suppress(libvirt.libvirtError):
                self._machine.blockJobAbort(self._target, 0)
            raise

    def _is_over(self) -> bool:
        info = self._machine.blockJobInfo(self._target, 0)
        if not info:
            return True
        self._op.progress(info["cur"], info["end"])
        if not self._active or info["cur"] != info["end"]:
            return False
        try:
            self._machine.blockJobAbort(self._target, libvirt.VIR_DOMAIN_BLOCK_JOB_ABORT_PIVOT)
        except libvirt.libvirtError as error:
            if error.get_error_code() not in NOT_READY:
                raise
            return False
        return True

    def _refuse_failed(self) -> None:
        """A job that fails just ends; the disk tells whether it still has the upper volume."""
        definition = etree.fromstring(self._machine.XMLDesc(0), PARSER)
        disks = [disk for disk in definition.iterfind("devices/disk") if target_of(disk) == self._target]
        paths = {source.get("file") for disk in disks for source in disk.iter("source")}
        if self._upper.path in paths:
            raise StorageError(
                f"QEMU could not join volume {self._upper.volume.name} to the one below it",
                hint="look at the room in the storage pool (virsh pool-info) and at the guest's log on its host",
            )


def end_commits(guest: CheckpointGuest) -> None:
    """Take back the jobs that somebody who is gone has begun on the guest's disks.

    Raises:
        Busy: a job of somebody else's is at work on one.
    """
    if not guest.is_active():
        return
    native = guest.domain.native
    for top in guest.tops(running=True):
        with translated("look at the guest's disk jobs"):
            info = native.blockJobInfo(top.target, 0)
            if info and (info["type"] not in COMMITS or guest.tree.joining is None):
                raise Busy(f"disk {top.target} of guest {guest.uuid} is being copied or moved", hint="try again later")
            if info:
                native.blockJobAbort(top.target, 0)

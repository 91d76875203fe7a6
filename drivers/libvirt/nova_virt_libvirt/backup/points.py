"""A guest's backup points: libvirt's checkpoints of our making, and which of them count.

A checkpoint is made when a backup begins, and counts only when it is finished. Which ones do is written into a metadata
element of the guest's own, so that whatever interrupts a backup leaves a checkpoint that does not count, and nobody who
changes the guest's mark at the same time can lose one.
"""

import secrets
from typing import Any, Final
from uuid import UUID

import libvirt
from lxml import etree
from lxml.builder import E

from nova_virt_api.errors import BackupChainBroken
from nova_virt_api.model.backup import BackupPoint
from nova_virt_libvirt.definition import PARSER
from nova_virt_libvirt.errors import translated

NAMESPACE: Final = "https://nova-virt.org/libvirt/backup/1"
PREFIX: Final = "nvb"
CHECKPOINT: Final = "nova-virt-"
"""What the names of our checkpoints begin with."""

FULL_INSTEAD: Final = "make a full backup: it begins a new chain"


def new_name() -> str:
    """Name of a new checkpoint."""
    return CHECKPOINT + secrets.token_hex(8)


def point_of(guest: UUID, name: str) -> BackupPoint:
    """What users get of a checkpoint."""
    return BackupPoint(f"libvirt:{guest}:{name}")


def name_of(guest: UUID, point: BackupPoint) -> str:
    """The checkpoint that a point stands for.

    Raises:
        BackupChainBroken: the point is not of this guest.
    """
    begin = str(point_of(guest, CHECKPOINT))
    if not point.text.startswith(begin):
        raise BackupChainBroken(f"backup point {point} is none of guest {guest}", hint=FULL_INSTEAD)
    return CHECKPOINT + point.text.removeprefix(begin)


class Points:
    """The points of one guest.

    Args:
        domain: the ``virDomain``, just looked up.
    """

    def __init__(self, domain: Any) -> None:
        self._domain = domain

    def counting(self) -> list[str]:
        """Names of the checkpoints that count, the oldest first."""
        with translated("read the guest's backup points"):
            text = self._read()
        return [] if text is None else [str(name) for name in etree.fromstring(text, PARSER).xpath("point/@name")]

    def usable(self) -> list[str]:
        """Names of those that count and that libvirt still knows: it forgets them where a guest migrates to."""
        counting = self.counting()
        with translated("read the guest's backup points"):
            known = {checkpoint.getName() for checkpoint in self._domain.listAllCheckpoints(0)} if counting else set()
        return [name for name in counting if name in known]

    def add(self, name: str) -> None:
        """From now on this one counts. Idempotent."""
        counting = self.counting()
        if name not in counting:
            self._write([*counting, name])

    def discard(self, name: str) -> None:
        """From now on this one does not count. Idempotent."""
        counting = self.counting()
        if name in counting:
            self._write([other for other in counting if other != name])

    def checkpoint(self, name: str) -> Any:
        """The ``virDomainCheckpoint`` that counts and has this name.

        Raises:
            BackupChainBroken: there is none.
        """
        broken = BackupChainBroken(f"backup point {name} of the guest was forgotten, or is gone", hint=FULL_INSTEAD)
        if name not in self.counting():
            raise broken
        try:
            return self._domain.checkpointLookupByName(name, 0)
        except libvirt.libvirtError as error:
            if error.get_error_code() == libvirt.VIR_ERR_NO_DOMAIN_CHECKPOINT:
                raise broken from error
            with translated("look for the backup point"):
                raise

    def sweep(self) -> None:
        """Remove our checkpoints that do not count; a guest that is off keeps them until it runs at a later sweep.

        Points whose checkpoint is gone, e.g. since the guest has migrated, are forgotten.
        """
        counting = set(self.counting())
        with translated("remove backup points that do not count"):
            if not self._domain.isActive():  # only QEMU can take what was noted out of the disks
                return
            known = {checkpoint.getName(): checkpoint for checkpoint in self._domain.listAllCheckpoints(0)}
            for name, checkpoint in known.items():
                if name.startswith(CHECKPOINT) and name not in counting:
                    remove(checkpoint)
        if counting - known.keys():
            self._write([name for name in self.counting() if name in known])

    def forget_all(self) -> None:
        """Leave nothing of ours but, in the disks of a guest that is off, what was noted: only QEMU can remove that."""
        if self.counting():
            self._write([])
        self.sweep()
        with translated("remove the guest's backup points"):
            for checkpoint in self._domain.listAllCheckpoints(0):
                if checkpoint.getName().startswith(CHECKPOINT):
                    checkpoint.delete(libvirt.VIR_DOMAIN_CHECKPOINT_DELETE_METADATA_ONLY)

    def _read(self) -> str | None:
        try:
            text: str = self._domain.metadata(
                libvirt.VIR_DOMAIN_METADATA_ELEMENT, NAMESPACE, libvirt.VIR_DOMAIN_AFFECT_CURRENT
            )
        except libvirt.libvirtError as error:
            if error.get_error_code() == libvirt.VIR_ERR_NO_DOMAIN_METADATA:
                return None
            raise
        return text

    def _write(self, names: list[str]) -> None:
        element = E.points(*(E.point(name=name) for name in names))
        text = etree.tostring(element, encoding="unicode") if names else None
        with translated("write the guest's backup points"):
            flags = libvirt.VIR_DOMAIN_AFFECT_CONFIG if self._domain.isPersistent() else 0
            flags |= libvirt.VIR_DOMAIN_AFFECT_LIVE if self._domain.isActive() else 0
            self._domain.setMetadata(libvirt.VIR_DOMAIN_METADATA_ELEMENT, text, PREFIX, NAMESPACE, flags)


def remove(checkpoint: Any) -> None:
    """Remove a checkpoint with what was noted for it; if that is broken, at least libvirt's memory of it.

    Raises:
        libvirt.libvirtError: it cannot be removed.
    """
    try:
        checkpoint.delete(0)
    except libvirt.libvirtError as error:
        if error.get_error_code() == libvirt.VIR_ERR_NO_DOMAIN_CHECKPOINT:
            return
        checkpoint.delete(libvirt.VIR_DOMAIN_CHECKPOINT_DELETE_METADATA_ONLY)

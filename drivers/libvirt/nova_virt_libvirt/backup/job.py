"""The backup that a guest's QEMU is at, and what a backup leaves: both are found on the guest, whoever began it."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

import libvirt

from nova_virt_api.errors import Busy, VirtError
from nova_virt_api.toolkit.unstoppable import Unstoppable
from nova_virt_libvirt.agent.quiesced import is_meant
from nova_virt_libvirt.backup.points import Points
from nova_virt_libvirt.backup.xml import socket_of
from nova_virt_libvirt.errors import translated
from nova_virt_libvirt.names import is_scratch_of

if TYPE_CHECKING:
    from uuid import UUID

    from nova_virt_libvirt.agent.guest_agent import GuestAgent
    from nova_virt_libvirt.backup.socket import BackupSockets
    from nova_virt_libvirt.places import Places

NO_JOB: Final = frozenset({libvirt.VIR_ERR_NO_DOMAIN_BACKUP, libvirt.VIR_ERR_OPERATION_INVALID})
"""The second is said of a guest that is off."""

PATIENCE: Final = 60.0
"""Seconds within which QEMU ends a backup."""


def job_socket(domain: Any) -> str | None:
    """The socket of the backup that a ``virDomain`` is at; None if it is at none."""
    try:
        return socket_of(domain.backupGetXMLDesc(0))
    except libvirt.libvirtError as error:
        if error.get_error_code() in NO_JOB:
            return None
        with translated("look for a backup of the guest"):
            raise


def end_job(domain: Any, sockets: BackupSockets) -> None:
    """End the backup of our making that a ``virDomain`` is at; nothing happens without one.

    Raises:
        Timeout: its QEMU does not answer.
    """
    socket = job_socket(domain)
    if socket is None or not sockets.is_ours(socket):
        return
    try:
        domain.abortJob()  # virDomainAbortJob: the way to end a backup that is read
    except libvirt.libvirtError:
        if job_socket(domain) is not None:
            with translated("end the backup"):
                raise
    Unstoppable(PATIENCE).wait_until(lambda: job_socket(domain) is None)


def refuse_foreign(domain: Any, sockets: BackupSockets) -> None:
    """See that no other program backs the guest up.

    Raises:
        Busy: one does.
    """
    socket = job_socket(domain)
    if socket is not None and not sockets.is_ours(socket):
        raise Busy("another program backs the guest up", hint="wait until it is done (virsh domjobinfo)")


def clear_up(domain: Any, places: Places, sockets: BackupSockets, uuid: UUID, *, agent: GuestAgent | None) -> None:
    """Remove all that a backup made and that does not count; whoever calls holds the claim on backups of the guest.

    Args:
        domain: the ``virDomain``, just looked up.
        places: where to look for volumes.
        sockets: where QEMU may be read.
        uuid: the guest.
        agent: of a guest whose backup somebody died over, perhaps while its file systems were at rest.
    """
    end_job(domain, sockets)
    if agent is not None:
        thaw(domain, agent)
    Points(domain).sweep()
    remove_scratch(places, uuid)


def remove_scratch(places: Places, uuid: UUID) -> None:
    """Remove the volumes that took what was overwritten."""
    for pool in places.active_pools():
        for name in pool.names():
            if is_scratch_of(uuid, name):
                pool.remove(name)


def thaw(domain: Any, agent: GuestAgent) -> None:
    """Let the guest write to its file systems again, unless somebody wants them at rest, or no agent answers."""
    with suppress(libvirt.libvirtError, VirtError):
        if not is_meant(domain):
            agent.thaw()

"""Giving guests that exist volumes that their host connects first, and taking these off again."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from nova_virt_api.driver.operation import CancelMode
from nova_virt_api.errors import Cancelled, StateAfter, Timeout, VirtError
from nova_virt_libvirt.host_connections.connected import ConnectedVolumes, as_device
from nova_virt_libvirt.native_call import in_time
from nova_virt_libvirt.volumes.secrets import define_secrets, remove_secrets
from nova_virt_libvirt.volumes.source import described

if TYPE_CHECKING:
    from nova_virt_api.driver.operation import Operation
    from nova_virt_api.model.host_connection import HostConnection
    from nova_virt_api.model.volume import Volume
    from nova_virt_libvirt.domain import Domain
    from nova_virt_libvirt.host_connections.initiator import Device
    from nova_virt_libvirt.site import Site
    from nova_virt_libvirt.volumes.disks import VolumeDisks


def connected_of(site: Site, domain: Domain) -> ConnectedVolumes:
    """The volumes that the host connects for a guest."""
    return ConnectedVolumes(site.connection(), site.initiator, domain.native)


def attach_connected(
    site: Site, domain: Domain, disks: VolumeDisks, volume: Volume, connection: HostConnection, op: Operation
) -> None:
    """Let the host connect a volume and the guest have it, or leave nothing of it. The guest's claim must be held.

    Raises:
        VolumeError: the host cannot connect it, or QEMU cannot open it.
        Cancelled: somebody asked to; what was begun may still be done.
        Timeout: the deadline came first; likewise.
    """
    if disks.has(volume.id):
        return
    connected = connected_of(site, domain)
    release_unused(connected, disks, spare=volume.id)
    try:
        device = connect(connected, disks, volume, connection, op)
        wanted, source = described(site, domain.uuid, as_device(volume, device), "volume.connection")
        define_secrets(site.connection(), domain.uuid, wanted)
        in_time(lambda: disks.attach(wanted, source), op)
    except BaseException as error:
        if not goes_on(error) and disks.find(volume.id) is None:
            try:
                connected.release(volume.id)
                remove_secrets(site.connection(), domain.uuid, volume.id)
            except VirtError as left:  # a repeated call, a detach or a destroy takes it off
                if isinstance(error, VirtError):
                    error.state_after, error.leftovers = StateAfter.UNKNOWN, left.leftovers
        raise


def connect(
    connected: ConnectedVolumes, disks: VolumeDisks, volume: Volume, connection: HostConnection, op: Operation
) -> Device:
    """Write down that a volume is connected, and do it.

    Raises:
        VolumeError: the host cannot.
    """
    op.stage("connect the volume to the host", CancelMode.IMMEDIATE)
    if disks.find(volume.id) is None:
        connected.begin(volume, connection)
    return in_time(lambda: connected.connect(volume.id), op)


def release_unused(connected: ConnectedVolumes, disks: VolumeDisks, spare: str | None = None) -> None:
    """Disconnect what somebody dead has left: volumes that are no disk of the guest.

    Args:
        connected: what the host connects for it.
        disks: what it uses.
        spare: id of a volume to leave as it is; None for none.
    """
    used: set[str | None] = {spare}
    for held in disks.all():
        used |= {held.id, held.label.id, held.label.into or held.label.id}
    for volume_id in connected.note():
        if volume_id not in used:
            with suppress(VirtError):  # destroying the guest tries again
                connected.release(volume_id)


def release_loser(connected: ConnectedVolumes, disks: VolumeDisks, ids: tuple[str, str]) -> None:
    """Disconnect that of two swapped volumes which the guest does not use; if that fails, whoever comes next does it.

    Args:
        connected: what the host connects for the guest.
        disks: what it uses.
        ids: the volume that it used, and the one that it was to use.
    """
    with suppress(VirtError):
        if not any(held.unsettled for held in disks.all()):
            for volume_id in ids:
                if disks.find(volume_id) is None:
                    connected.release(volume_id)


def goes_on(error: BaseException) -> bool:
    """Whether what was begun may still be done by a call that was left behind."""
    return isinstance(error, Cancelled | Timeout) and error.state_after is StateAfter.UNKNOWN

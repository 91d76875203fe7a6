"""Volumes of storage services: who the host is to them, and guests that get, lose, grow and change them."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from nova_virt_api.driver.operation import CancelMode, Stage
from nova_virt_api.driver.volumes import Volumes
from nova_virt_api.errors import InvalidSpec, StateAfter, VirtError, VolumeError
from nova_virt_api.model.host_connection import HostConnection
from nova_virt_api.model.instance import PowerState
from nova_virt_libvirt.claims.guest_claim import claimed
from nova_virt_libvirt.host_connections.attachment import (
    attach_connected,
    connect,
    connected_of,
    goes_on,
    release_loser,
)
from nova_virt_libvirt.host_connections.connected import as_device
from nova_virt_libvirt.letting_go import lets_go
from nova_virt_libvirt.machine.told_devices import changing, note_news
from nova_virt_libvirt.native_call import in_time
from nova_virt_libvirt.stored_volumes.use import is_stored, refuse_going
from nova_virt_libvirt.verbs import OnDomains
from nova_virt_libvirt.volumes.connector import connector
from nova_virt_libvirt.volumes.disks import CONFIG, LIVE, VolumeDisks
from nova_virt_libvirt.volumes.opaque import hosted
from nova_virt_libvirt.volumes.secrets import define_secrets, remove_secrets
from nova_virt_libvirt.volumes.size import grow
from nova_virt_libvirt.volumes.source import described
from nova_virt_libvirt.volumes.swap import Swap, settle

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nova_virt_api.driver.operation import Operation
    from nova_virt_api.model.identity import InstanceRef
    from nova_virt_api.model.volume import AttachedVolume, Volume, VolumeConnector
    from nova_virt_libvirt.domain import Domain
    from nova_virt_libvirt.host.host import Host
    from nova_virt_libvirt.site import Site
    from nova_virt_libvirt.volumes.disks import Held

RUNNING: Final = (PowerState.RUNNING, PowerState.PAUSED)
CHANGEABLE: Final = (*RUNNING, PowerState.SHUTDOWN)


class LibvirtVolumes(OnDomains, Volumes):
    """The role Volumes. QEMU itself reaches what is behind a network; what it cannot reach the host connects."""

    site: Site
    host: Host

    def volume_connector(self, node: str | None = None) -> VolumeConnector:
        self.host.check_node(node)
        return connector(self.host.name, self.host.uuid, self.site.initiator.told())

    def volumes(self, guest: InstanceRef) -> Sequence[AttachedVolume]:
        return tuple(held.shown() for held in VolumeDisks(self.domains.find(guest)).all())

    def attach_volume(self, guest: InstanceRef, volume: Volume, op: Operation) -> AttachedVolume:
        domain = self._changeable(guest, *CHANGEABLE)
        if volume.boot:
            raise InvalidSpec("volume.boot", True, "False: a guest's system is chosen when the guest is made")
        volume = hosted(volume, "volume.connection", multipath=self.site.initiator.multipath)
        if isinstance(volume.connection, HostConnection):
            return self._attach_connected(guest, volume, volume.connection, op)
        wanted, source = described(self.site, guest.uuid, volume, "volume.connection")
        op.stage(Stage.DISKS_READY)
        try:
            with changing(self.site, domain, op, volume.tag):
                domain = self._changeable(guest, *CHANGEABLE)
                disks = VolumeDisks(domain)
                settle(self.site, domain, disks, op)
                op.stage("attach the volume", CancelMode.IMMEDIATE)
                self._attach(disks, guest, wanted, source, op)
                return found(disks, volume.id).shown()
        finally:
            self.domains.forget(guest.uuid)

    def detach_volume(self, guest: InstanceRef, volume_id: str, op: Operation) -> None:
        domain = self._changeable(guest, *CHANGEABLE)
        disks = VolumeDisks(domain)
        op.stage("detach the volume")
        settle(self.site, domain, disks, op)
        try:
            if (held := disks.find(volume_id)) is not None:
                if held.live is not None:
                    unplug(domain, disks, held.target, volume_id, op)
                with changing(self.site, domain, op, held.label.tag):
                    self._changeable(guest, *CHANGEABLE)
                    disks.detach(held.target, CONFIG)  # last: until then a repeated call finds it
            self._disconnect(domain, disks, volume_id, op)
            remove_secrets(self.site.connection(), guest.uuid, volume_id)
        finally:
            self.domains.forget(guest.uuid)

    def extend_volume(self, guest: InstanceRef, volume_id: str, size_bytes: int, op: Operation) -> None:
        domain = self._changeable(guest, *CHANGEABLE)
        disks = VolumeDisks(domain)
        op.stage("extend the volume")
        settle(self.site, domain, disks, op)
        held = found(disks, volume_id)
        connected = connected_of(self.site, domain)
        in_time(lambda: connected.extend(volume_id), op)
        if held.live is not None:
            op.stage("tell the guest", CancelMode.NONE)
            grow(domain, held, size_bytes)

    def swap_volume(self, guest: InstanceRef, volume_id: str, volume: Volume, op: Operation) -> AttachedVolume:
        domain = self._changeable(guest, *RUNNING)
        if volume.id == volume_id:
            raise InvalidSpec("volume.id", volume.id, "another volume than the one that is swapped")
        volume = hosted(volume, "volume.connection", multipath=self.site.initiator.multipath)
        try:
            if isinstance(volume.connection, HostConnection) or volume_id in connected_of(self.site, domain).note():
                return self._swap_connected(domain, volume_id, volume, op)
            wanted, source = described(self.site, guest.uuid, volume, "volume.connection")
            return Swap(self.site, domain, volume_id, wanted, source, op).run()
        finally:
            self.domains.forget(guest.uuid)

    # --- volumes that the host connects ---------------------------------------------------------------------------

    def _attach_connected(
        self, guest: InstanceRef, volume: Volume, connection: HostConnection, op: Operation
    ) -> AttachedVolume:
        self.site.initiator.check(connection, "volume.connection")
        op.stage(Stage.DISKS_READY)
        try:
            with claimed(self.site, self._changeable(guest, *CHANGEABLE), op):
                domain = self._changeable(guest, *CHANGEABLE)
                disks = VolumeDisks(domain)
                settle(self.site, domain, disks, op)
                if volume.tag is not None and not disks.has(volume.id):
                    note_news(domain)
                attach_connected(self.site, domain, disks, volume, connection, op)
                return found(disks, volume.id).shown()
        finally:
            self.domains.forget(guest.uuid)

    def _disconnect(self, domain: Domain, disks: VolumeDisks, volume_id: str, op: Operation) -> None:
        """Let the host disconnect a volume that the guest does not use any more, if it is one that the host connects.

        Raises:
            VolumeError: the host cannot.
        """
        connected = connected_of(self.site, domain)
        if volume_id not in connected.note():
            return
        op.stage("disconnect the volume from the host", CancelMode.NONE)
        with claimed(self.site, domain, op):
            if disks.find(volume_id) is None:  # nobody attached it again meanwhile
                connected.release(volume_id)

    def _swap_connected(self, domain: Domain, volume_id: str, volume: Volume, op: Operation) -> AttachedVolume:
        """Swap one or to one that the host connects; whoever else wants to change the guest waits."""
        with claimed(self.site, domain, op):
            disks, connected = VolumeDisks(domain), connected_of(self.site, domain)
            used = disks.find(volume_id) is not None and disks.find(volume.id) is None
            ids = (volume_id, volume.id)
            try:
                if used and isinstance(volume.connection, HostConnection):
                    self.site.initiator.check(volume.connection, "volume.connection")
                    volume = as_device(volume, connect(connected, disks, volume, volume.connection, op))
                wanted, source = described(self.site, domain.uuid, volume, "volume.connection")
                swapped = Swap(self.site, domain, volume_id, wanted, source, op).run()
            except BaseException as error:
                if not goes_on(error):
                    release_loser(connected, disks, ids)
                raise
            release_loser(connected, disks, ids)
            return swapped

    # --- what the verbs stand on ----------------------------------------------------------------------------------

    def _attach(self, disks: VolumeDisks, guest: InstanceRef, volume: Volume, source: Any, op: Operation) -> None:
        """Let the guest have a volume with a connection that this driver makes, or leave nothing of it."""
        if disks.has(volume.id):
            return
        connection, noted = self.site.connection(), False
        define_secrets(connection, guest.uuid, volume)
        try:
            if is_stored(volume):
                noted = disks.note(volume, source)
                refuse_going(connection, volume)
            in_time(lambda: disks.attach(volume, source), op)
        except BaseException as error:
            left_behind = isinstance(error, VirtError) and error.state_after is StateAfter.UNKNOWN
            with suppress(VirtError):  # a repeated call, a detach or a destroy removes them
                if noted and not left_behind:
                    disks.forget(volume.id)
                if not left_behind and disks.find(volume.id) is None:
                    remove_secrets(self.site.connection(), guest.uuid, volume.id)
            raise

    def _changeable(self, guest: InstanceRef, *states: PowerState) -> Domain:
        domain = self.domains.owned(guest)
        domain.require_ready()
        domain.require(*states)
        return domain


def found(disks: VolumeDisks, volume_id: str) -> Held:
    """The volume of this id.

    Raises:
        InvalidSpec: the guest uses none.
    """
    held = disks.find(volume_id)
    if held is None:
        raise InvalidSpec("volume_id", volume_id, "the id of a volume that the guest uses")
    return held


def unplug(domain: Domain, disks: VolumeDisks, target: str, volume_id: str, op: Operation) -> None:
    """Let the running guest give a volume back.

    Raises:
        VolumeError: the guest does not let go.
        Cancelled: somebody asked to; the guest may still obey.
        Timeout: the deadline came first; the guest may still obey.
    """
    paused = domain.power_state is PowerState.PAUSED
    gone = lets_go(lambda: disks.disk(target, LIVE) is not None, lambda: disks.detach(target, LIVE), op, paused=paused)
    if not gone:
        reason = "it is paused" if paused else "its operating system did not answer in time"
        how = "unpause it" if paused else "stop it, or let its system start"
        raise VolumeError(
            f"the guest does not let go of volume {volume_id}: {reason}",
            hint=f"{how} and detach again",
            state_after=StateAfter.UNKNOWN,
        )

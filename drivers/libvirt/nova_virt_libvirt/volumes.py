"""Volumes of storage services: who the host is to them, and guests that get, lose, grow and change them."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from nova_virt_api.driver.operation import CancelMode, Stage
from nova_virt_api.driver.volumes import Volumes
from nova_virt_api.errors import InvalidSpec, StateAfter, VirtError, VolumeError
from nova_virt_api.model.instance import PowerState
from nova_virt_api.model.volume import VolumeConnector
from nova_virt_libvirt.guest_claim import claimed_at_rest
from nova_virt_libvirt.letting_go import lets_go
from nova_virt_libvirt.native_call import in_time
from nova_virt_libvirt.verbs import OnDomains
from nova_virt_libvirt.volume_disks import CONFIG, LIVE, VolumeDisks
from nova_virt_libvirt.volume_secrets import define_secrets, remove_secrets
from nova_virt_libvirt.volume_size import grow
from nova_virt_libvirt.volume_source import described, initiator_of
from nova_virt_libvirt.volume_swap import Swap, settle

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nova_virt_api.driver.operation import Operation
    from nova_virt_api.model.identity import InstanceRef
    from nova_virt_api.model.volume import AttachedVolume, Volume
    from nova_virt_libvirt.domain import Domain
    from nova_virt_libvirt.host import Host
    from nova_virt_libvirt.site import Site
    from nova_virt_libvirt.volume_disks import Held

RUNNING: Final = (PowerState.RUNNING, PowerState.PAUSED)
CHANGEABLE: Final = (*RUNNING, PowerState.SHUTDOWN)


class LibvirtVolumes(OnDomains, Volumes):
    """The role Volumes. QEMU itself reaches what is behind a network; the host logs in nowhere."""

    site: Site
    host: Host

    def volume_connector(self, node: str | None = None) -> VolumeConnector:
        self.host.check_node(node)
        return VolumeConnector(node=self.host.name, iscsi_initiator=initiator_of(self.host.uuid))

    def volumes(self, guest: InstanceRef) -> Sequence[AttachedVolume]:
        return tuple(held.shown() for held in VolumeDisks(self.domains.find(guest)).all())

    def attach_volume(self, guest: InstanceRef, volume: Volume, op: Operation) -> AttachedVolume:
        domain = self._changeable(guest, *CHANGEABLE)
        if volume.boot:
            raise InvalidSpec("volume.boot", True, "False: a guest's system is chosen when the guest is made")
        wanted, source = described(self.site, guest.uuid, volume, "volume.connection")
        op.stage(Stage.DISKS_READY)
        try:
            with claimed_at_rest(self.site, domain, op):
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
                with claimed_at_rest(self.site, domain, op):
                    self._changeable(guest, *CHANGEABLE)
                    disks.detach(held.target, CONFIG)  # last: until then a repeated call finds it
            remove_secrets(self.site.connection(), guest.uuid, volume_id)
        finally:
            self.domains.forget(guest.uuid)

    def extend_volume(self, guest: InstanceRef, volume_id: str, size_bytes: int, op: Operation) -> None:
        domain = self._changeable(guest, *CHANGEABLE)
        disks = VolumeDisks(domain)
        op.stage("extend the volume")
        settle(self.site, domain, disks, op)
        held = found(disks, volume_id)
        if held.live is not None:
            op.stage("tell the guest", CancelMode.NONE)
            grow(domain, held, size_bytes)

    def swap_volume(self, guest: InstanceRef, volume_id: str, volume: Volume, op: Operation) -> AttachedVolume:
        domain = self._changeable(guest, *RUNNING)
        if volume.id == volume_id:
            raise InvalidSpec("volume.id", volume.id, "another volume than the one that is swapped")
        wanted, source = described(self.site, guest.uuid, volume, "volume.connection")
        try:
            return Swap(self.site, domain, volume_id, wanted, source, op).run()
        finally:
            self.domains.forget(guest.uuid)

    def _attach(self, disks: VolumeDisks, guest: InstanceRef, volume: Volume, source: Any, op: Operation) -> None:
        """Let the guest have a volume with a connection that this driver makes, or leave nothing of it."""
        if disks.has(volume.id):
            return
        define_secrets(self.site.connection(), guest.uuid, volume)
        try:
            in_time(lambda: disks.attach(volume, source), op)
        except BaseException as error:
            left_behind = isinstance(error, VirtError) and error.state_after is StateAfter.UNKNOWN
            with suppress(VirtError):  # a repeated call, a detach or a destroy removes them
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

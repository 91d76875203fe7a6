"""Adopt: our mark on a domain that was made by other means, and off again; nothing else of it is touched."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from nova_virt_api.capability import Capability
from nova_virt_api.driver.adopt import Adopt
from nova_virt_api.driver.operation import CancelMode, Stage
from nova_virt_api.errors import NotSupported, PermissionDenied, VirtError
from nova_virt_api.model.instance import Lifecycle
from nova_virt_api.model.record import Phase, Record
from nova_virt_libvirt.backup.points import Points
from nova_virt_libvirt.claims.guest_claim import claim_volumes, claimed, refuse_claimed, take_claim
from nova_virt_libvirt.errors import translated
from nova_virt_libvirt.host_connections.note import HostConnectionNote
from nova_virt_libvirt.metadata import Mark, erase_mark, write_mark
from nova_virt_libvirt.names import ADOPTED
from nova_virt_libvirt.network.vif_note import VifNote
from nova_virt_libvirt.verbs import OnDomains

if TYPE_CHECKING:
    from nova_virt_api.driver.operation import Operation
    from nova_virt_api.model.identity import InstanceRef
    from nova_virt_api.model.instance import Instance
    from nova_virt_libvirt.backup.sessions import BackupSessions
    from nova_virt_libvirt.domain import Domain
    from nova_virt_libvirt.site import Site


COMPLETE: Final = tuple(each for each in Lifecycle if each not in (Lifecycle.BUILDING, Lifecycle.DELETING))
"""Where in its life a guest of this owner may be to stay as it is."""


class LibvirtAdopt(OnDomains, Adopt):
    """The role Adopt."""

    site: Site
    backups: BackupSessions

    def check_adoptable(self, guest: InstanceRef) -> None:
        domain = self._free(guest)
        if domain.mark is None:
            refuse_transient(domain)
        refuse_claimed(self.site, domain)

    def adopt(self, guest: InstanceRef, op: Operation) -> Instance:
        domain = self._free(guest, *COMPLETE)
        if domain.mark is None:
            refuse_transient(domain)
            op.stage(Stage.CLAIM)
            with claimed(self.site, domain, op):
                domain = self._free(guest, *COMPLETE)
                if domain.mark is None:
                    op.stage("mark the guest", CancelMode.NONE)
                    self._mark(domain)
            self.domains.forget(guest.uuid)
        return self.domains.instance(guest, fresh=True)

    def release(self, guest: InstanceRef, op: Operation) -> None:
        domain = self._free(guest)
        if domain.mark is None and not claim_volumes(self.site, guest.uuid):
            return
        refuse_made_by_host(domain)
        op.stage(Stage.CLAIM)
        hold = take_claim(self.site, domain, op)
        try:
            domain = self._free(guest)
            refuse_made_by_host(domain)  # by an attachment that was faster
            op.stage("release the guest", CancelMode.NONE)
            if domain.mark is not None:
                with self.backups.alone(domain, op):
                    Points(domain.native).forget_all()
                with translated("take the mark off the guest"):
                    erase_mark(domain.native)
            hold.remove()
            for volume in claim_volumes(self.site, guest.uuid):  # of somebody who was killed while he did the same
                volume.remove()
        except BaseException:
            with suppress(VirtError):  # otherwise whoever wants it next sees that we are gone
                hold.settle(Phase.READY)
            raise
        finally:
            hold.end()
            self.domains.forget(guest.uuid)

    def _free(self, guest: InstanceRef, *also: Lifecycle) -> Domain:
        """The guest, which is nobody's or this owner's, and with which nothing is going on.

        Raises:
            PermissionDenied: it is another owner's.
            InvalidState: it is in the middle of something.
        """
        domain = self.domains.find(guest)
        if domain.owner not in {None, self.site.owner}:
            raise PermissionDenied(f"the guest belongs to {domain.owner!r}", hint="let its owner release it")
        domain.require_ready(*also)
        return domain

    def _mark(self, domain: Domain) -> None:
        record = Record(
            uuid=domain.uuid,
            owner=self.site.owner,
            fingerprint=ADOPTED,
            phase=Phase.READY,
            native_id=str(domain.uuid),
        )
        with translated("mark the guest"):
            write_mark(domain.native, Mark(record))


def refuse_made_by_host(domain: Domain) -> None:
    """Refuse to forget volumes and ports that the host connects and makes for a guest: nobody would ever undo that.

    Raises:
        NotSupported: it has such volumes or ports.
    """
    if volumes := HostConnectionNote.of(domain.mark).volumes:
        reason = f"its host connects volumes for the guest, which its mark tells of: detach {', '.join(volumes)} first"
        raise NotSupported(Capability.ADOPT, reason=reason)
    if ports := VifNote.of(domain.mark).ports:
        reason = f"os-vif makes ports for the guest, which its mark tells of: detach {', '.join(ports)} first"
        raise NotSupported(Capability.ADOPT, reason=reason)


def refuse_transient(domain: Domain) -> None:
    """Refuse a guest without a definition: it would be gone, and its mark with it, as soon as it stops.

    Raises:
        NotSupported: it is such a guest.
    """
    with translated("look at the guest"):
        native: Any = domain.urgent
        if not native.isPersistent():
            reason = "the guest is transient, it is gone when it stops; give it a definition first (virsh define)"
            raise NotSupported(Capability.ADOPT, reason=reason)

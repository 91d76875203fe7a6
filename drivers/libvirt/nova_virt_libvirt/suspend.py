"""Putting a guest's memory away in libvirt's managed save image, which is removed with the definition."""

from contextlib import suppress

import libvirt

from nova_virt_api.capability import Capability
from nova_virt_api.driver.operation import CancelMode, Operation, Stage
from nova_virt_api.driver.suspend import Suspend
from nova_virt_api.errors import BackendError, NoCapacity, StorageError, VirtError
from nova_virt_api.model.identity import InstanceRef
from nova_virt_api.model.instance import PowerState
from nova_virt_libvirt.domain import Domain
from nova_virt_libvirt.errors import translated
from nova_virt_libvirt.power import connect_claimed, plug_again
from nova_virt_libvirt.shares.ties import refuse_shares
from nova_virt_libvirt.site import Site
from nova_virt_libvirt.verbs import OnDomains


class LibvirtSuspend(OnDomains, Suspend):
    """The role Suspend."""

    site: Site

    def suspend(self, guest: InstanceRef, op: Operation) -> None:
        domain = self.domains.owned(guest)
        state = domain.require(PowerState.RUNNING, PowerState.PAUSED, PowerState.SUSPENDED)
        if state is PowerState.SUSPENDED:
            return
        refuse_shares(domain, Capability.SUSPEND)
        native = domain.native
        op.stage("save memory", CancelMode.IMMEDIATE)
        op.on_cancel(lambda: abort(domain))
        try:
            with translated("save the guest's memory"):
                # resuming is to let the guest run, also one that was paused before
                native.managedSave(libvirt.VIR_DOMAIN_SAVE_RUNNING)
        except (BackendError, NoCapacity) as error:
            op.checkpoint()  # says so if it was cancelled
            hint = "look at the disk space and the log of libvirt's daemon on the hypervisor"
            raise StorageError(error.message, hint=hint) from error.__cause__
        self.domains.forget(guest.uuid)

    def resume(self, guest: InstanceRef, op: Operation) -> None:
        domain = self.domains.owned(guest)
        if domain.require(PowerState.SUSPENDED, PowerState.RUNNING) is PowerState.RUNNING:
            return
        op.stage(Stage.BEFORE_START)
        op.stage("restore memory", CancelMode.NONE)
        plug_again(self.site.vifs, domain)
        connect_claimed(self.site, domain, op)
        with translated("restore the guest's memory"):
            domain.native.create()  # goes on from the managed save image
        self.domains.forget(guest.uuid)


def abort(domain: Domain) -> None:
    """End the saving; the guest runs on as before. Another job, e.g. a backup that it waits for, is somebody else's."""
    with suppress(libvirt.libvirtError, VirtError):
        native = domain.urgent
        if native.jobStats().get("operation") == libvirt.VIR_DOMAIN_JOB_OPERATION_SAVE:
            native.abortJob()

"""Changing a guest's name and labels: the virtual machine's name and its record, in one change."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from pyVmomi import vim

from nova_virt_api.capability import Feature
from nova_virt_api.driver.driver import Driver
from nova_virt_api.errors import InstanceExists, NotSupported
from nova_virt_api.model.labels import Labels
from nova_virt_vmware import switch
from nova_virt_vmware.errors import NameTaken
from nova_virt_vmware.guest_names import machine_name
from nova_virt_vmware.reconfigure import reconfigure, record_option
from nova_virt_vmware.site import OnSite

if TYPE_CHECKING:
    from uuid import UUID

    from nova_virt_api.driver.operation import Operation
    from nova_virt_api.model.identity import InstanceRef
    from nova_virt_api.model.instance import Instance
    from nova_virt_api.model.spec import InstanceUpdate
    from nova_virt_vmware.machine import Machine


class VmwareUpdate(OnSite, Driver):
    """The verb ``update``."""

    def update(self, guest: InstanceRef, update: InstanceUpdate, op: Operation) -> Instance:
        found = self.site.guests.owned(guest, op)
        switch.require_settled(found)
        doing = f"change guest {found.name}"
        try:
            reconfigure(self.site, found.row.moref, doing, lambda now: changes(now, guest.uuid, update), op)
        except NameTaken as error:
            hint = "names are unique in a folder of vCenter; use another"
            raise InstanceExists(error.message, hint=hint) from error
        return self.site.guests.instance(guest, fresh=True)


def changes(now: Machine, uuid: UUID, update: InstanceUpdate) -> vim.vm.ConfigSpec | None:
    """What has to be changed of a virtual machine; None when it is as wanted.

    Raises:
        NotSupported: labels were given, and there is no record to keep them in.
    """
    if update.labels is not None and now.record is None:
        raise NotSupported(Feature.UPDATE_LABELS, "labels", "the guest bears no record of this API")
    spec = vim.vm.ConfigSpec()
    if update.name is not None and (name := renamed(now.name, update.name, uuid)) != now.name:
        spec.name = name
    if now.record is not None:
        labels = now.record.labels if update.labels is None else Labels(update.labels)
        record = replace(now.record, name=update.name or now.record.name, labels=labels)
        if record != now.record:
            spec.extraConfig = [record_option(record)]
    return spec if spec.name or spec.extraConfig else None


def renamed(before: str, name: str, uuid: UUID) -> str:
    """What a guest's virtual machine is to be called: with the uuid if it was so before, e.g. as it was made by us."""
    return machine_name(name, uuid) if before.endswith(f"({uuid})") else name

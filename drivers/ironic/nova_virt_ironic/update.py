"""Changing a guest's name and labels: they are part of its record, so nothing happens to the machine."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from nova_virt_api.capability import Feature
from nova_virt_api.driver.driver import Driver
from nova_virt_api.errors import InvalidState, NotSupported
from nova_virt_api.model.instance import Lifecycle
from nova_virt_api.model.labels import Labels
from nova_virt_ironic.claim import Claims
from nova_virt_ironic.microversions import Call
from nova_virt_ironic.record import DISPLAY_NAME, PATH
from nova_virt_ironic.retry import Again
from nova_virt_ironic.site import OnSite

if TYPE_CHECKING:
    from nova_virt_api.driver.operation import Operation
    from nova_virt_api.model.identity import InstanceRef
    from nova_virt_api.model.instance import Instance
    from nova_virt_api.model.spec import InstanceUpdate
    from nova_virt_ironic.instances import Guest

CHANGEABLE: Final = (Lifecycle.READY, Lifecycle.ERROR)
"""In all others somebody is at work on the record, or the guest is not itself."""


class IronicUpdate(OnSite, Driver):
    """The verb ``update``."""

    def update(self, guest: InstanceRef, update: InstanceUpdate, op: Operation) -> Instance:
        found = self.site.guests.owned(guest, op)
        if found.lifecycle not in CHANGEABLE:
            raise InvalidState(found.lifecycle, CHANGEABLE, hint=f"its node is {found.row.provision_state!r}")
        if update.labels is not None and found.record is None:
            raise NotSupported(Feature.UPDATE_LABELS, "labels", "the guest bears no record of this API")
        patch = self._changes(found, update)
        if patch:
            Claims(self.site).patch(found.row, patch, f"change guest {guest}", op, again=Again.ALWAYS)
        return self.site.guests.instance(guest, fresh=True)

    def _changes(self, guest: Guest, update: InstanceUpdate) -> list[dict[str, Any]]:
        patch: list[dict[str, Any]] = []
        if guest.record is not None:
            labels = guest.record.labels if update.labels is None else Labels(update.labels)
            record = replace(guest.record, name=update.name or guest.record.name, labels=labels)
            if record != guest.record:
                patch.append({"op": "add", "path": PATH, "value": record.encode()})
        if update.name is not None and update.name != guest.row.instance_info.get(DISPLAY_NAME):
            patch.append({"op": "add", "path": f"/instance_info/{DISPLAY_NAME}", "value": update.name})
            if self.site.connection.serves(Call.INSTANCE_NAME):
                patch.append({"op": "add", "path": "/instance_name", "value": update.name})
        return patch

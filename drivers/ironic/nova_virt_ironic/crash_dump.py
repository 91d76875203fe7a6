"""The role CrashDump: a non-maskable interrupt by the management controller (API reference: "Inject NMI")."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from nova_virt_api.capability import Capability
from nova_virt_api.driver.crash_dump import CrashDump
from nova_virt_api.driver.operation import CancelMode
from nova_virt_api.errors import InvalidState, NotSupported
from nova_virt_api.model.instance import PowerState
from nova_virt_ironic.errors import Refused
from nova_virt_ironic.microversions import Call
from nova_virt_ironic.provision_states import power_state_of
from nova_virt_ironic.site import OnSite

if TYPE_CHECKING:
    from nova_virt_api.driver.operation import Operation
    from nova_virt_api.model.identity import InstanceRef

CANNOT: Final = re.compile(r"does not support inject_nmi")


class IronicCrashDump(OnSite, CrashDump):
    """Injects an NMI into a node that runs."""

    def trigger_crash_dump(self, guest: InstanceRef, op: Operation) -> None:
        row = self.site.guests.owned(guest, op).row
        if power_state_of(row) is not PowerState.RUNNING:
            raise InvalidState(power_state_of(row), (PowerState.RUNNING,))
        op.stage("interrupt", CancelMode.AT_NEXT_STEP)
        try:
            self.site.connection.change(
                f"interrupt node {row.label}", lambda client: client.node.inject_nmi(row.uuid), at=Call.NMI, op=op
            )
        except Refused as error:
            if CANNOT.search(error.message):
                reason = f"the management interface of node {row.label} cannot interrupt"
                raise NotSupported(Capability.CRASH_DUMP, reason=reason) from error
            raise

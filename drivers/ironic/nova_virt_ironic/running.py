"""Seeing to it that a machine runs at the end of a verb."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nova_virt_api.driver.operation import CancelMode, Stage
from nova_virt_api.errors import StateAfter, VirtError
from nova_virt_api.model.instance import PowerState
from nova_virt_api.toolkit.committed import Committed
from nova_virt_ironic.power import ON, settled, switch
from nova_virt_ironic.provision_states import power_state_of

if TYPE_CHECKING:
    from nova_virt_api.driver.operation import Operation
    from nova_virt_ironic.node import NodeRow
    from nova_virt_ironic.site import Site


def leave_running(site: Site, row: NodeRow, op: Operation) -> None:
    """Switch a node on unless it is, at the end of a verb that cannot be taken back.

    Ironic itself leaves a deployed, rescued or unrescued machine running, unless it has no say in its power.

    Raises:
        BackendError: it did not come on.
        Busy: somebody else switched it off meanwhile.
    """
    rest = Committed(op)
    try:
        now = settled(site, row, rest)
        if power_state_of(now) is not PowerState.RUNNING:
            op.stage(Stage.START, CancelMode.NONE)
            switch(site, now, ON, rest)
    except VirtError as error:
        error.state_after = StateAfter.CHANGED
        raise

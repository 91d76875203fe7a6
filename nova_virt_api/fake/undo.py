"""What becomes of a guest that could not be made: all of it is removed, and what cannot be is named."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nova_virt_api.driver.operation import CancelMode
from nova_virt_api.errors import StateAfter, VirtError
from nova_virt_api.fake import remains
from nova_virt_api.fake.steps import STAGES
from nova_virt_api.fake.switches import SimulatedCrash

if TYPE_CHECKING:
    from uuid import UUID

    from nova_virt_api.driver.operation import Operation
    from nova_virt_api.fake.connection import Connection
    from nova_virt_api.fake.steps import Step


def undo(connection: Connection, uuid: UUID, step: Step, op: Operation, error: BaseException) -> None:
    """Remove everything; what cannot be removed is named in the error that the making failed with."""
    try:
        op.stage(STAGES[step], CancelMode.NONE)
        connection.switches.reach(step)
        with connection.world.changing() as state:
            remains.remove_all(state, uuid)
    except SimulatedCrash:
        raise
    except VirtError as failure:
        error.add_note(f"what had been made could not be removed: {failure.message}")
        if isinstance(error, VirtError):
            with connection.world.reading() as state:
                error.leftovers = tuple(remains.of(state, uuid))
            error.state_after = StateAfter.CHANGED

"""A moment at which a fake guest's file systems are at rest, for whoever copies its disks."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from nova_virt_api.fake.guest_agent import answering, has_agent
from nova_virt_api.fake.switches import SimulatedCrash
from nova_virt_api.model.instance import PowerState
from nova_virt_api.model.quiesce import Quiesce

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nova_virt_api.capability import Feature
    from nova_virt_api.driver.operation import Operation
    from nova_virt_api.fake.connection import Connection
    from nova_virt_api.fake.steps import Step
    from nova_virt_api.model.identity import InstanceRef


@contextmanager
def resting(
    connection: Connection, ref: InstanceRef, quiesce: Quiesce, feature: Feature, step: Step, op: Operation
) -> Iterator[None]:
    """While the block lasts, the guest's file systems are at rest if that is wanted and possible.

    Args:
        connection: for whom.
        ref: the guest, which is held.
        quiesce: whether it is wanted.
        feature: what the endpoint must declare if it is required.
        step: the step that brings them to rest.
        op: the operation worked for.
    """
    if not comes_to_rest(connection, ref, quiesce, feature):
        yield
        return
    connection.step(step, op)
    put_at_rest(connection, ref, at_rest=True)
    try:
        yield
    except SimulatedCrash:
        raise  # who is dead lets nobody write again
    except BaseException:
        put_at_rest(connection, ref, at_rest=False)
        raise
    put_at_rest(connection, ref, at_rest=False)


def comes_to_rest(connection: Connection, ref: InstanceRef, quiesce: Quiesce, feature: Feature) -> bool:
    """Whether they are going to be.

    Raises:
        GuestAgentUnavailable: it is required, and the agent does not do it.
    """
    with connection.world.reading() as state:
        guest = connection.ready(state, ref)
        if guest.power_state is not PowerState.RUNNING or quiesce is Quiesce.NO:
            return False
        if quiesce is Quiesce.REQUIRED:
            connection.require(feature)
            answering(guest)
        return has_agent(guest)


def put_at_rest(connection: Connection, ref: InstanceRef, *, at_rest: bool) -> None:
    """Let them be at rest, or be written to again."""
    with connection.world.changing() as state:
        state.put(replace(connection.ready(state, ref), at_rest=at_rest))

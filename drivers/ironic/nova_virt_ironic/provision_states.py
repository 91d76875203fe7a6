"""Ironic's states as ours: what each provision state means for the guest on the node, and what its power is."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from nova_virt_api.model.instance import HEALTHY, Condition, Health, Lifecycle, PowerState
from nova_virt_ironic.errors import cleaned

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nova_virt_ironic.node import NodeRow


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a provision state means.

    Args:
        lifecycle: where a guest of ours on the node stands.
        deployed: whether there is a guest on the node, also where nobody's ``instance_uuid`` says so.
        stable: whether the node stays in it until somebody asks for something.
        failed: whether something went wrong on the way to another state.
    """

    lifecycle: Lifecycle
    deployed: bool = False
    stable: bool = False
    failed: bool = False


BUILDING, READY, RESCUED, DELETING, ERROR = (
    Lifecycle.BUILDING,
    Lifecycle.READY,
    Lifecycle.RESCUED,
    Lifecycle.DELETING,
    Lifecycle.ERROR,
)

PROVISION_STATES: Final[Mapping[str, Meaning]] = MappingProxyType(
    {
        # nobody's machine, or claimed and not yet begun
        "enroll": Meaning(BUILDING, stable=True),
        "verifying": Meaning(BUILDING),
        "manageable": Meaning(BUILDING, stable=True),
        "available": Meaning(BUILDING, stable=True),
        "inspecting": Meaning(BUILDING),
        "inspect wait": Meaning(BUILDING),
        "inspect failed": Meaning(ERROR, stable=True, failed=True),
        # on the way to a guest
        "deploying": Meaning(BUILDING, deployed=True),
        "wait call-back": Meaning(BUILDING, deployed=True),
        "deploy hold": Meaning(BUILDING, deployed=True, stable=True),
        "deploy complete": Meaning(BUILDING, deployed=True),
        "deploy failed": Meaning(ERROR, deployed=True, stable=True, failed=True),
        "adopting": Meaning(BUILDING, deployed=True),
        "adopt failed": Meaning(ERROR, deployed=True, stable=True, failed=True),
        # a guest
        "active": Meaning(READY, deployed=True, stable=True),
        "rescuing": Meaning(READY, deployed=True),
        "rescue wait": Meaning(READY, deployed=True),
        "rescue": Meaning(RESCUED, deployed=True, stable=True),
        "rescue failed": Meaning(ERROR, deployed=True, stable=True, failed=True),
        "unrescuing": Meaning(RESCUED, deployed=True),
        "unrescue failed": Meaning(ERROR, deployed=True, stable=True, failed=True),
        "servicing": Meaning(READY, deployed=True),
        "service wait": Meaning(READY, deployed=True),
        "service hold": Meaning(READY, deployed=True, stable=True),
        "service failed": Meaning(ERROR, deployed=True, stable=True, failed=True),
        # on the way out
        "deleting": Meaning(DELETING),  # while there is a guest, instance_uuid says so; it is cleared first
        "deleted": Meaning(DELETING),
        "error": Meaning(ERROR, deployed=True, stable=True, failed=True),
        "cleaning": Meaning(DELETING),
        "clean wait": Meaning(DELETING),
        "clean hold": Meaning(DELETING, stable=True),
        "clean failed": Meaning(ERROR, stable=True, failed=True),
    }
)
"""By the names that the API reference uses ("Bare Metal state machine")."""

UNKNOWN: Final = Meaning(ERROR)
"""For states that a later Ironic invents."""

POWER_STATES: Final[Mapping[str | None, PowerState]] = MappingProxyType(
    {"power on": PowerState.RUNNING, "power off": PowerState.SHUTDOWN}
)
"""``error`` and None are no news of the machine: NOSTATE, and never "off"."""

POWER_FAILURE: Final = "power failure"
AILING: Final = frozenset({"Warning", "Critical"})


def meaning_of(row: NodeRow) -> Meaning:
    """What the node's provision state means."""
    return PROVISION_STATES.get(row.provision_state, UNKNOWN)


def power_state_of(row: NodeRow) -> PowerState:
    """Whether the machine runs. While it is being switched (``target_power_state``), as it was last seen."""
    return POWER_STATES.get(row.power_state, PowerState.NOSTATE)


def power_settled(row: NodeRow) -> bool:
    """Whether no power action is under way."""
    return row.target_power_state is None


def health_of(row: NodeRow) -> Health:
    """How well Ironic gets on with the machine, worst first."""
    if row.fault == POWER_FAILURE:
        return Health(Condition.UNRESPONSIVE, "Ironic does not reach the machine's management controller")
    if row.maintenance:
        reason = row.maintenance_reason or row.fault
        return Health(Condition.DEGRADED, f"in maintenance: {cleaned(reason)}" if reason else "in maintenance")
    if meaning_of(row).failed:
        error = f": {cleaned(row.last_error)}" if row.last_error else ""
        return Health(Condition.DEGRADED, f"{row.provision_state}{error}")
    if row.health in AILING:
        return Health(Condition.DEGRADED, f"the machine's management controller says: {row.health}")
    return HEALTHY

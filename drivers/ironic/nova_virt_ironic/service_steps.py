"""A role of this driver alone: work on a machine that is deployed, by service steps or runbooks of Ironic's.

Reached by ``compute.role(ServiceSteps)`` (API reference: "Change Node Provision State", verb ``service``, microversion
1.87; without a ramdisk 1.108; runbooks 1.92).
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from nova_virt_api.driver.role import Role
from nova_virt_api.errors import InvalidSpec, InvalidState
from nova_virt_api.model.check import check, check_text, frozen_tuple
from nova_virt_api.model.instance import Lifecycle
from nova_virt_api.model.record import Phase
from nova_virt_ironic.errors import NotThere
from nova_virt_ironic.microversions import Call
from nova_virt_ironic.site import OnSite
from nova_virt_ironic.transition import Transition, Transitions

if TYPE_CHECKING:
    from nova_virt_api.driver.operation import Operation
    from nova_virt_api.model.identity import InstanceRef
    from nova_virt_ironic.instances import Guest


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceStep:
    """One step, which belongs to one of the node's interfaces.

    Args:
        interface: the kind of interface, e.g. ``bios``, ``firmware``, ``vendor``.
        step: its name there, e.g. ``apply_configuration``.
        arguments: what it takes, as JSON's own types. Not printed by ``repr``, as they may hold secrets.
    """

    interface: str
    step: str
    arguments: Mapping[str, Any] = field(default_factory=dict, repr=False, hash=False)

    def __post_init__(self) -> None:
        check_text("interface", self.interface, 255)
        check_text("step", self.step, 255)
        check(isinstance(self.arguments, Mapping), "arguments", type(self.arguments).__name__, "a mapping of names")
        object.__setattr__(self, "arguments", MappingProxyType(dict(self.arguments)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """Steps that are run one after the other.

    Args:
        steps: at least one.
        ramdisk: whether the machine is started from Ironic's ramdisk for it; False leaves it as it is, which only
            steps allow that say so (microversion 1.108).
    """

    steps: Sequence[ServiceStep]
    ramdisk: bool = True

    def __post_init__(self) -> None:
        steps = frozen_tuple(self, "steps", ServiceStep, "ServiceStep objects")
        check(bool(steps), "steps", steps, "at least one step")


@dataclass(frozen=True, slots=True, kw_only=True)
class Runbook:
    """Steps that an operator has written down at Ironic.

    Args:
        uuid: Ironic's.
        name: what people call it; before microversion 1.112, nodes that have it as a trait may be worked on by it.
        description: for people; empty when there is none.
        steps: what it does, in this order.
        ramdisk: as in :class:`Service`.
        traits: nodes that have one of these may be worked on by it (microversion 1.112).
    """

    uuid: str
    name: str
    description: str = ""
    steps: tuple[ServiceStep, ...] = ()
    ramdisk: bool = True
    traits: tuple[str, ...] = ()


class ServiceSteps(Role):
    """Work on a deployed machine, e.g. set its BIOS or write firmware, and give it back as it was. Experimental."""

    @abstractmethod
    def service(self, guest: InstanceRef, service: Service, op: Operation) -> None:
        """Run steps on the machine; returns when the last has been done and the guest is back.

        States: READY, or ERROR after a service that failed. With a ramdisk the guest is stopped for it and started
        again. Each call runs the steps. When a step fails the guest is left in ERROR, and Ironic puts the node in
        maintenance: see ``diagnostics``, mend it, ``leave_maintenance``, and run the service again, or abort it.

        Raises:
            InstanceNotFound: no such guest at this endpoint.
            PermissionDenied: the guest is not owned by this connection.
            InvalidState: the guest is in another state.
            BackendError: there is no such step, or it failed.
            Busy: Ironic is doing something else with the node.
        """

    @abstractmethod
    def run_runbook(self, guest: InstanceRef, runbook: str, op: Operation) -> None:
        """Run a runbook on the machine. States and failures are those of :meth:`service`.

        Args:
            guest: the guest.
            runbook: its name or uuid.
            op: the operation worked for.

        Raises:
            InstanceNotFound: no such guest at this endpoint.
            PermissionDenied: the guest is not owned by this connection.
            InvalidSpec: there is no such runbook.
            InvalidState: the guest is in another state.
            BackendError: the runbook is not meant for the node, or a step failed.
            Busy: Ironic is doing something else with the node.
        """

    @abstractmethod
    def abort_service(self, guest: InstanceRef, op: Operation) -> None:
        """Give up a service that failed: the guest is READY again. Idempotent. The node stays in maintenance.

        Raises:
            InstanceNotFound: no such guest at this endpoint.
            PermissionDenied: the guest is not owned by this connection.
            InvalidState: the guest is in the middle of something.
            Busy: Ironic is doing something else with the node.
        """

    @abstractmethod
    def runbooks(self) -> Sequence[Runbook]:
        """The runbooks that the account sees."""


SERVICEABLE: Final = frozenset({"active", "service failed"})
"""Provision states in which Ironic takes ``service``."""

WITH_RAMDISK: Final = Transition(
    target="service", call=Call.SERVICE, stage="service", arrives={"active"}, under_way=frozenset()
)
WITHOUT_RAMDISK: Final = Transition(
    target="service", call=Call.SERVICE_WITHOUT_RAMDISK, stage="service", arrives={"active"}, under_way=frozenset()
)
RUNBOOK_CALLS: Final = (Call.RUNBOOK_TRAITS, Call.SERVICE_WITHOUT_RAMDISK, Call.RUNBOOKS)
"""The newest that is served: how a runbook is matched, and whether it may go without a ramdisk, depends on it."""

ABORT: Final = Transition(
    target="abort", call=Call.SERVICE, stage="abort service", arrives={"active"}, under_way=frozenset()
)


class IronicServiceSteps(OnSite, ServiceSteps):
    """Ironic's verb ``service``, waited for."""

    def service(self, guest: InstanceRef, service: Service, op: Operation) -> None:
        found = self.site.guests.owned(guest, op)
        require_serviceable(found)
        steps = [said(step) for step in service.steps]
        if service.ramdisk:
            Transitions(self.site).make(found.row, WITH_RAMDISK, op, servicesteps=steps)
        else:
            Transitions(self.site).make(found.row, WITHOUT_RAMDISK, op, servicesteps=steps, disable_ramdisk=True)

    def run_runbook(self, guest: InstanceRef, runbook: str, op: Operation) -> None:
        check_text("runbook", runbook, 255)
        found = self.site.guests.owned(guest, op)
        require_serviceable(found)
        call = next((call for call in RUNBOOK_CALLS if self.site.connection.serves(call)), Call.RUNBOOKS)
        try:
            Transitions(self.site).make(found.row, replace(WITH_RAMDISK, call=call), op, runbook=runbook)
        except NotThere as error:
            names = ", ".join(sorted(one.name for one in self.runbooks()))
            raise InvalidSpec("runbook", runbook, f"one of: {names}" if names else "nothing: there is none") from error

    def abort_service(self, guest: InstanceRef, op: Operation) -> None:
        found = self.site.guests.owned(guest, op)
        require_serviceable(found)
        if found.row.provision_state in ABORT.arrives:
            return
        Transitions(self.site).make(found.row, ABORT, op)

    def runbooks(self) -> Sequence[Runbook]:
        connection = self.site.connection
        described = connection.serves(Call.RUNBOOK_TRAITS)
        found = connection.read(
            "list the runbooks",
            lambda client: client.runbook.list(limit=0, detail=True),
            at=Call.RUNBOOK_TRAITS if described else Call.RUNBOOKS,
        )
        return tuple(runbook_of(vars(one)) for one in found)


def require_serviceable(guest: Guest) -> None:
    """Refuse a guest that Ironic cannot work on now.

    Raises:
        InvalidState: it is unfinished, rescued, or in the middle of something.
    """
    finished = guest.record is None or guest.record.record.phase is Phase.READY
    if guest.row.provision_state not in SERVICEABLE or not finished:
        hint = f"its node is {guest.row.provision_state!r}"
        raise InvalidState(guest.lifecycle, (Lifecycle.READY, Lifecycle.ERROR), hint=hint)


def said(step: ServiceStep) -> dict[str, Any]:
    """A step as JSON."""
    return {"interface": step.interface, "step": step.step, "args": dict(step.arguments)}


def runbook_of(found: Mapping[str, Any]) -> Runbook:
    """A runbook from JSON."""
    steps = (
        ServiceStep(interface=str(one["interface"]), step=str(one["step"]), arguments=one.get("args") or {})
        for one in found.get("steps") or ()
    )
    return Runbook(
        uuid=str(found["uuid"]),
        name=str(found["name"]),
        description=str(found.get("description") or ""),
        steps=tuple(steps),
        ramdisk=not found.get("disable_ramdisk", False),
        traits=tuple(found.get("traits") or ()),
    )

"""One way to call a verb of the contract, as data: which states it allows, and what it leads to."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from nova_virt_api.capability import Capability, Feature
from nova_virt_api.compute.compute import Compute
from nova_virt_api.model.instance import Instance, PowerState
from nova_virt_conformance.aftermath import SHOWN
from nova_virt_conformance.covers import covers, needs
from nova_virt_conformance.lab import Lab
from nova_virt_conformance.promise import Promise

if TYPE_CHECKING:
    import pytest

    from nova_virt_conformance.covers import Subject

RUNNING: Final = PowerState.RUNNING
PAUSED: Final = PowerState.PAUSED
SHUTDOWN: Final = PowerState.SHUTDOWN
SUSPENDED: Final = PowerState.SUSPENDED
CRASHED: Final = PowerState.CRASHED

STATES: Final = (RUNNING, PAUSED, SHUTDOWN, SUSPENDED, CRASHED)
"""The states that a guest can be in for long; NOSTATE is the answer of a backend that does not know."""

Call: TypeAlias = Callable[[Compute, Instance, Lab], object]
"""Calls a verb for a guest."""


def nothing(_: Compute, __: Instance, ___: Lab) -> None:
    """Do nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verb:
    """One way to call one method of the contract, with what its docstring says about power states.

    Args:
        name: what test cases call it.
        method: the contract's method.
        subject: what its tests count for.
        call: calls it.
        becomes: the states that it allows, each with the state after it. In all others it is refused.
        only_with: states that it allows only where the endpoint declares this feature.
        may_refuse: states that it allows and a driver may refuse all the same.
        needs: what the endpoint must declare beside the subject.
        changes: what becomes of a guest beside its power state.
        first: what is done to a guest before, so that the verb has something to do.
        while_rescued: whether it works on a rescued guest, or is refused; None where the contract leaves it open.
    """

    name: str
    method: Callable[..., object]
    subject: Subject
    call: Call
    becomes: Mapping[PowerState, PowerState]
    only_with: Mapping[PowerState, Feature] = field(default_factory=dict)
    may_refuse: frozenset[PowerState] = frozenset()
    needs: tuple[Capability | Feature, ...] = ()
    changes: Callable[[Instance], Mapping[str, Any]] = lambda _: {}
    first: Call = nothing
    while_rescued: bool | None = None

    @property
    def marks(self) -> tuple[pytest.MarkDecorator, ...]:
        """The marks of a test that is about this verb."""
        return covers(self.subject, self.method), needs(*self.needs)

    def guest(self, lab: Lab, state: PowerState) -> Instance:
        """A new guest in this state, for which the verb has something to do."""
        guest = lab.guest(state)
        self.first(lab.compute, guest, lab)
        return guest

    @property
    def required(self) -> tuple[Capability | Feature, ...]:
        """What the endpoint must declare for it."""
        return (*((self.subject,) if not isinstance(self.subject, Promise) else ()), *self.needs)


def leads_to(to: PowerState, *states: PowerState) -> dict[PowerState, PowerState]:
    """Allowed in these states and in the one that it leads to."""
    return dict.fromkeys((*states, to), to)


def stays(*states: PowerState) -> dict[PowerState, PowerState]:
    """Allowed in these states, which it does not change."""
    return {state: state for state in states}


def shown(guest: Instance) -> dict[str, Any]:
    """What a verb may change of a guest, or must not; where it runs is the backend's choice at each start."""
    return {name: getattr(guest, name) for name in SHOWN if name != "node"}


def difference(wanted: Mapping[str, Any], found: Mapping[str, Any]) -> str:
    """What differs between two results of :func:`shown`, in words; empty if nothing does."""
    return "; ".join(
        f"{name} is {found[name]} and should be {wanted[name]}" for name in wanted if found[name] != wanted[name]
    )

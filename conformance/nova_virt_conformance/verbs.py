"""The contract's verbs as data: which states each allows, what it leads to, and how to call it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from nova_virt_api.capability import Capability, Feature
from nova_virt_api.compute.compute import Compute
from nova_virt_api.driver.console import Console
from nova_virt_api.driver.console_log import ConsoleLog
from nova_virt_api.driver.driver import Driver
from nova_virt_api.driver.pause import Pause
from nova_virt_api.driver.snapshot import Snapshot
from nova_virt_api.driver.suspend import Suspend
from nova_virt_api.errors import NotSupported
from nova_virt_api.model.console import ConsoleAddress, ConsoleKind
from nova_virt_api.model.image import LocalTarget
from nova_virt_api.model.instance import Instance, PowerOff, PowerState
from nova_virt_api.model.spec import InstanceUpdate
from nova_virt_conformance.aftermath import SHOWN
from nova_virt_conformance.covers import covers, needs
from nova_virt_conformance.lab import PATIENCE
from nova_virt_conformance.promise import Promise

if TYPE_CHECKING:
    import pytest

    from nova_virt_conformance.aftermath import SHOWN
from nova_virt_conformance.covers import Subject

RUNNING: Final = PowerState.RUNNING
PAUSED: Final = PowerState.PAUSED
SHUTDOWN: Final = PowerState.SHUTDOWN
SUSPENDED: Final = PowerState.SUSPENDED
CRASHED: Final = PowerState.CRASHED

STATES: Final = (RUNNING, PAUSED, SHUTDOWN, SUSPENDED, CRASHED)
"""The states that a guest can be in for long; NOSTATE is the answer of a backend that does not know."""

GRACE: Final = 0.2
"""Seconds; blank guests do not obey, so more would only be waited for."""

LABELS: Final = {"conformance": "changed"}

Call: TypeAlias = Callable[[Compute, Instance, Path], object]
"""Calls a verb for a guest; the path is a directory for what it writes."""


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

    @property
    def marks(self) -> tuple[pytest.MarkDecorator, ...]:
        """The marks of a test that is about this verb."""
        return covers(self.subject, self.method), needs(*self.needs)

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


# --- how each is called -----------------------------------------------------------------------------------------------


def power_on(compute: Compute, guest: Instance, _: Path) -> None:
    """Start it."""
    compute.power_on(guest, timeout=PATIENCE)


def power_off_hard(compute: Compute, guest: Instance, _: Path) -> None:
    """Cut its power."""
    compute.power_off(guest, mode=PowerOff.HARD, timeout=PATIENCE)


def power_off_graceful(compute: Compute, guest: Instance, _: Path) -> None:
    """Ask it to stop."""
    compute.power_off(guest, mode=PowerOff.GRACEFUL, grace_seconds=GRACE, timeout=PATIENCE)


def reboot_hard(compute: Compute, guest: Instance, _: Path) -> None:
    """Cut its power and start it."""
    compute.reboot(guest, mode=PowerOff.HARD, timeout=PATIENCE)


def reboot_graceful(compute: Compute, guest: Instance, _: Path) -> None:
    """Ask it to stop, and start it."""
    compute.reboot(guest, mode=PowerOff.GRACEFUL, grace_seconds=GRACE, timeout=PATIENCE)


def pause(compute: Compute, guest: Instance, _: Path) -> None:
    """Stop its CPUs."""
    compute.pause(guest, timeout=PATIENCE)


def unpause(compute: Compute, guest: Instance, _: Path) -> None:
    """Let its CPUs go on."""
    compute.unpause(guest, timeout=PATIENCE)


def suspend(compute: Compute, guest: Instance, _: Path) -> None:
    """Save its memory."""
    compute.suspend(guest, timeout=PATIENCE)


def resume(compute: Compute, guest: Instance, _: Path) -> None:
    """Restore its memory."""
    compute.resume(guest, timeout=PATIENCE)


def snapshot(compute: Compute, guest: Instance, directory: Path) -> None:
    """Write its disk to a file."""
    compute.snapshot(guest, LocalTarget(directory / f"{guest.uuid}.qcow2"), timeout=PATIENCE)


def rename(compute: Compute, guest: Instance, _: Path) -> None:
    """Give it another name."""
    compute.update(guest, InstanceUpdate(name=new_name(guest)), timeout=PATIENCE)


def relabel(compute: Compute, guest: Instance, _: Path) -> None:
    """Give it other labels."""
    compute.update(guest, InstanceUpdate(labels=LABELS), timeout=PATIENCE)


def console(compute: Compute, guest: Instance, _: Path) -> ConsoleAddress:
    """Ask for the first kind of console that it has."""
    for kind in ConsoleKind:
        try:
            return compute.console(guest, kind)
        except NotSupported as error:
            missing = error
    raise missing


def console_log(compute: Compute, guest: Instance, _: Path) -> bytes:
    """Read what it printed."""
    return compute.console_log(guest)


def shown(guest: Instance) -> dict[str, Any]:
    """What a verb may change of a guest, or must not; where it runs is the backend's choice at each start."""
    return {name: getattr(guest, name) for name in SHOWN if name != "node"}


def difference(wanted: Mapping[str, Any], found: Mapping[str, Any]) -> str:
    """What differs between two results of :func:`shown`, in words; empty if nothing does."""
    return "; ".join(
        f"{name} is {found[name]} and should be {wanted[name]}" for name in wanted if found[name] != wanted[name]
    )


def new_name(guest: Instance) -> str:
    """Another name for a guest; the same each time, whether it has it already or not."""
    return f"{guest.name.removesuffix('-renamed')}-renamed"


# --- the table --------------------------------------------------------------------------------------------------------

VERBS: Final = (
    Verb(
        name="power_on",
        method=Driver.power_on,
        subject=Promise.POWER,
        call=power_on,
        becomes=leads_to(RUNNING, SHUTDOWN, CRASHED),
    ),
    Verb(
        name="power_off_hard",
        method=Driver.power_off,
        subject=Promise.POWER,
        call=power_off_hard,
        becomes=leads_to(SHUTDOWN, RUNNING, PAUSED, CRASHED),
    ),
    Verb(
        name="power_off_graceful",
        method=Driver.power_off,
        subject=Feature.GRACEFUL_POWER_OFF,
        call=power_off_graceful,
        becomes=leads_to(SHUTDOWN, RUNNING, PAUSED, CRASHED),
    ),
    Verb(
        name="reboot_hard",
        method=Driver.reboot,
        subject=Promise.POWER,
        call=reboot_hard,
        becomes=leads_to(RUNNING, PAUSED, CRASHED, SHUTDOWN),
    ),
    Verb(
        name="reboot_graceful",
        method=Driver.reboot,
        subject=Feature.GRACEFUL_POWER_OFF,
        call=reboot_graceful,
        becomes=leads_to(RUNNING, PAUSED, CRASHED, SHUTDOWN),
    ),
    Verb(
        name="pause",
        method=Pause.pause,
        subject=Capability.PAUSE,
        call=pause,
        becomes=leads_to(PAUSED, RUNNING),
    ),
    Verb(
        name="unpause",
        method=Pause.unpause,
        subject=Capability.PAUSE,
        call=unpause,
        becomes=leads_to(RUNNING, PAUSED),
    ),
    Verb(
        name="suspend",
        method=Suspend.suspend,
        subject=Capability.SUSPEND,
        call=suspend,
        becomes=leads_to(SUSPENDED, RUNNING, PAUSED),
    ),
    Verb(
        name="resume",
        method=Suspend.resume,
        subject=Capability.SUSPEND,
        call=resume,
        becomes=leads_to(RUNNING, SUSPENDED),
    ),
    Verb(
        name="snapshot",
        method=Snapshot.snapshot,
        subject=Capability.SNAPSHOT,
        call=snapshot,
        becomes=stays(SHUTDOWN, RUNNING, PAUSED),
        only_with={RUNNING: Feature.SNAPSHOT_LIVE, PAUSED: Feature.SNAPSHOT_LIVE},
    ),
    Verb(
        name="rename",
        method=Driver.update,
        subject=Feature.UPDATE_NAME,
        call=rename,
        becomes=stays(*STATES),
        may_refuse=frozenset(STATES) - {SHUTDOWN},
        changes=lambda guest: {"name": new_name(guest)},
    ),
    Verb(
        name="relabel",
        method=Driver.update,
        subject=Feature.UPDATE_LABELS,
        call=relabel,
        becomes=stays(*STATES),
        changes=lambda _: {"labels": LABELS},
    ),
    Verb(
        name="console",
        method=Console.console,
        subject=Capability.CONSOLE,
        call=console,
        becomes=stays(RUNNING, PAUSED),
    ),
    Verb(
        name="console_log",
        method=ConsoleLog.console_log,
        subject=Capability.CONSOLE_LOG,
        call=console_log,
        becomes=stays(*STATES),
    ),
)
"""Every verb and read that is about one guest's state; ``spawn`` and ``destroy`` are described by their own tests."""

IDEMPOTENT: Final = tuple(verb for verb in VERBS if verb.method not in (Driver.reboot, Snapshot.snapshot))
"""Verbs that change nothing when they are called again."""

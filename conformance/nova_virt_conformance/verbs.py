"""The contract's verbs as data: which states each allows, what it leads to, and how to call it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from nova_virt_api.capability import Capability, Feature
from nova_virt_api.compute.compute import Compute
from nova_virt_api.driver.backup import Backup
from nova_virt_api.driver.checkpoint import Checkpoint
from nova_virt_api.driver.console import Console
from nova_virt_api.driver.console_log import ConsoleLog
from nova_virt_api.driver.crash_dump import CrashDump
from nova_virt_api.driver.diagnostics import Diagnostics
from nova_virt_api.driver.driver import Driver
from nova_virt_api.driver.interfaces import Interfaces
from nova_virt_api.driver.pause import Pause
from nova_virt_api.driver.rebuild import Rebuild
from nova_virt_api.driver.rescue import Rescue
from nova_virt_api.driver.resize import Resize
from nova_virt_api.driver.snapshot import Snapshot
from nova_virt_api.driver.suspend import Suspend
from nova_virt_api.driver.volumes import Volumes
from nova_virt_api.model.instance import Instance, Lifecycle, PowerState
from nova_virt_conformance import calls
from nova_virt_conformance.aftermath import SHOWN
from nova_virt_conformance.calls import LABELS, new_name
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


# --- the table --------------------------------------------------------------------------------------------------------

VERBS: Final = (
    Verb(
        name="power_on",
        method=Driver.power_on,
        subject=Promise.POWER,
        call=calls.power_on,
        becomes=leads_to(RUNNING, SHUTDOWN, CRASHED),
        while_rescued=True,
    ),
    Verb(
        name="power_off_hard",
        method=Driver.power_off,
        subject=Promise.POWER,
        call=calls.power_off_hard,
        becomes=leads_to(SHUTDOWN, RUNNING, PAUSED, CRASHED),
        while_rescued=True,
    ),
    Verb(
        name="power_off_graceful",
        method=Driver.power_off,
        subject=Feature.GRACEFUL_POWER_OFF,
        call=calls.power_off_graceful,
        becomes=leads_to(SHUTDOWN, RUNNING, PAUSED, CRASHED),
        while_rescued=True,
    ),
    Verb(
        name="reboot_hard",
        method=Driver.reboot,
        subject=Promise.POWER,
        call=calls.reboot_hard,
        becomes=leads_to(RUNNING, PAUSED, CRASHED, SHUTDOWN),
        while_rescued=True,
    ),
    Verb(
        name="reboot_graceful",
        method=Driver.reboot,
        subject=Feature.GRACEFUL_POWER_OFF,
        call=calls.reboot_graceful,
        becomes=leads_to(RUNNING, PAUSED, CRASHED, SHUTDOWN),
        while_rescued=True,
    ),
    Verb(
        name="pause",
        method=Pause.pause,
        subject=Capability.PAUSE,
        call=calls.pause,
        becomes=leads_to(PAUSED, RUNNING),
        while_rescued=False,
    ),
    Verb(
        name="unpause",
        method=Pause.unpause,
        subject=Capability.PAUSE,
        call=calls.unpause,
        becomes=leads_to(RUNNING, PAUSED),
    ),
    Verb(
        name="suspend",
        method=Suspend.suspend,
        subject=Capability.SUSPEND,
        call=calls.suspend,
        becomes=leads_to(SUSPENDED, RUNNING, PAUSED),
        while_rescued=False,
    ),
    Verb(
        name="resume",
        method=Suspend.resume,
        subject=Capability.SUSPEND,
        call=calls.resume,
        becomes=leads_to(RUNNING, SUSPENDED),
    ),
    Verb(
        name="snapshot",
        method=Snapshot.snapshot,
        subject=Capability.SNAPSHOT,
        call=calls.snapshot,
        becomes=stays(SHUTDOWN, RUNNING, PAUSED),
        only_with={RUNNING: Feature.SNAPSHOT_LIVE, PAUSED: Feature.SNAPSHOT_LIVE},
    ),
    Verb(
        name="back_up",
        method=Backup.begin_backup,
        subject=Capability.BACKUP,
        call=calls.back_up,
        becomes=stays(RUNNING, PAUSED, SHUTDOWN),
        only_with={SHUTDOWN: Feature.BACKUP_STOPPED},
        while_rescued=False,
    ),
    Verb(
        name="backup_points",
        method=Backup.backup_points,
        subject=Capability.BACKUP,
        call=calls.backup_points,
        becomes=stays(*STATES),
        while_rescued=True,
    ),
    Verb(
        name="forget_backup_point",
        method=Backup.forget_backup_point,
        subject=Capability.BACKUP,
        call=calls.forget_backup_point,
        becomes=stays(*STATES),
        while_rescued=True,
    ),
    Verb(
        name="checkpoints",
        method=Checkpoint.checkpoints,
        subject=Capability.CHECKPOINT,
        call=calls.checkpoints,
        becomes=stays(*STATES),
        while_rescued=True,
    ),
    Verb(
        name="create_checkpoint",
        method=Checkpoint.create_checkpoint,
        subject=Capability.CHECKPOINT,
        call=calls.create_checkpoint,
        becomes=stays(RUNNING, PAUSED, SHUTDOWN),
        while_rescued=False,
    ),
    Verb(
        name="revert_to_checkpoint",
        method=Checkpoint.revert_to_checkpoint,
        subject=Capability.CHECKPOINT,
        call=calls.revert_to_checkpoint,
        becomes=leads_to(SHUTDOWN, RUNNING, PAUSED),
        first=calls.create_checkpoint,
        while_rescued=False,
    ),
    Verb(
        name="delete_checkpoint",
        method=Checkpoint.delete_checkpoint,
        subject=Capability.CHECKPOINT,
        call=calls.delete_checkpoint,
        becomes=stays(RUNNING, PAUSED, SHUTDOWN),
        first=calls.create_checkpoint,
        while_rescued=False,
    ),
    Verb(
        name="rename",
        method=Driver.update,
        subject=Feature.UPDATE_NAME,
        call=calls.rename,
        becomes=stays(*STATES),
        may_refuse=frozenset(STATES) - {SHUTDOWN},
        changes=lambda guest: {"name": new_name(guest)},
        while_rescued=False,
    ),
    Verb(
        name="relabel",
        method=Driver.update,
        subject=Feature.UPDATE_LABELS,
        call=calls.relabel,
        becomes=stays(*STATES),
        changes=lambda _: {"labels": LABELS},
        while_rescued=False,
    ),
    Verb(
        name="console",
        method=Console.console,
        subject=Capability.CONSOLE,
        call=calls.console,
        becomes=stays(RUNNING, PAUSED),
    ),
    Verb(
        name="console_log",
        method=ConsoleLog.console_log,
        subject=Capability.CONSOLE_LOG,
        call=calls.console_log,
        becomes=stays(*STATES),
        while_rescued=True,
    ),
    Verb(
        name="rebuild",
        method=Rebuild.rebuild,
        subject=Capability.REBUILD,
        call=calls.rebuild,
        becomes=leads_to(RUNNING, SHUTDOWN, PAUSED, CRASHED),
        while_rescued=False,
    ),
    Verb(
        name="resize",
        method=Resize.resize,
        subject=Capability.RESIZE,
        call=calls.resize,
        becomes=stays(SHUTDOWN),
        changes=lambda _: {"lifecycle": Lifecycle.RESIZE_PENDING, "vcpus": calls.LARGER.vcpus},
        while_rescued=False,
    ),
    Verb(
        name="prepare_resize",
        method=Resize.prepare_resize,
        subject=Capability.RESIZE,
        call=calls.prepare_resize,
        becomes=stays(SHUTDOWN),
        changes=lambda _: {"lifecycle": Lifecycle.RESIZE_PENDING},
        while_rescued=False,
    ),
    Verb(
        name="confirm_resize",
        method=Resize.confirm_resize,
        subject=Capability.RESIZE,
        call=calls.confirm_resize,
        becomes=stays(SHUTDOWN, RUNNING, PAUSED, SUSPENDED, CRASHED),
        first=calls.resize,
        while_rescued=False,
    ),
    Verb(
        name="revert_resize",
        method=Resize.revert_resize,
        subject=Capability.RESIZE,
        call=calls.revert_resize,
        becomes=stays(SHUTDOWN, RUNNING, PAUSED, SUSPENDED, CRASHED),
        first=calls.resize,
        while_rescued=False,
    ),
    Verb(
        name="rescue",
        method=Rescue.rescue,
        subject=Capability.RESCUE,
        call=calls.rescue,
        becomes=leads_to(RUNNING, SHUTDOWN, PAUSED, CRASHED),
        changes=lambda _: {"lifecycle": Lifecycle.RESCUED},
        while_rescued=True,
    ),
    Verb(
        name="unrescue",
        method=Rescue.unrescue,
        subject=Capability.RESCUE,
        call=calls.unrescue,
        becomes=stays(*STATES),
        first=calls.rescue,
        while_rescued=True,
    ),
    Verb(
        name="interfaces",
        method=Interfaces.interfaces,
        subject=Capability.INTERFACES,
        call=calls.interfaces,
        becomes=stays(*STATES),
        while_rescued=True,
    ),
    Verb(
        name="attach_interface",
        method=Interfaces.attach_interface,
        subject=Capability.INTERFACES,
        call=calls.attach_interface,
        becomes=stays(RUNNING, PAUSED, SHUTDOWN),
        while_rescued=False,
    ),
    Verb(
        name="detach_interface",
        method=Interfaces.detach_interface,
        subject=Capability.INTERFACES,
        call=calls.detach_interface,
        becomes=stays(RUNNING, PAUSED, SHUTDOWN),
        first=calls.see_to_an_interface,
        while_rescued=False,
    ),
    Verb(
        name="volumes",
        method=Volumes.volumes,
        subject=Feature.ATTACH_VOLUMES,
        call=calls.volumes,
        becomes=stays(*STATES),
        while_rescued=True,
    ),
    Verb(
        name="attach_volume",
        method=Volumes.attach_volume,
        subject=Feature.ATTACH_VOLUMES,
        call=calls.attach_volume,
        becomes=stays(RUNNING, PAUSED, SHUTDOWN),
        while_rescued=False,
    ),
    Verb(
        name="detach_volume",
        method=Volumes.detach_volume,
        subject=Feature.ATTACH_VOLUMES,
        call=calls.detach_volume,
        becomes=stays(RUNNING, PAUSED, SHUTDOWN),
        first=calls.see_to_a_volume,
        while_rescued=False,
    ),
    Verb(
        name="extend_volume",
        method=Volumes.extend_volume,
        subject=Feature.EXTEND_VOLUME,
        call=calls.extend_volume,
        becomes=stays(RUNNING, PAUSED, SHUTDOWN),
        first=calls.see_to_a_volume,
        while_rescued=False,
    ),
    Verb(
        name="swap_volume",
        method=Volumes.swap_volume,
        subject=Feature.SWAP_VOLUME,
        call=calls.swap_volume,
        becomes=stays(RUNNING, PAUSED),
        first=calls.see_to_a_volume,
        while_rescued=False,
    ),
    Verb(
        name="crash_dump",
        method=CrashDump.trigger_crash_dump,
        subject=Capability.CRASH_DUMP,
        call=calls.trigger_crash_dump,
        becomes=stays(RUNNING),
    ),
    Verb(
        name="diagnostics",
        method=Diagnostics.diagnostics,
        subject=Capability.DIAGNOSTICS,
        call=calls.diagnostics,
        becomes=stays(*STATES),
        while_rescued=True,
    ),
)
"""Every verb and read that is about one guest's state; ``spawn`` and ``destroy`` are described by their own tests."""

EACH_CALL_COUNTS: Final = (
    Driver.reboot,
    Snapshot.snapshot,
    Backup.begin_backup,
    Checkpoint.revert_to_checkpoint,
    Rebuild.rebuild,
    Interfaces.attach_interface,
    Volumes.attach_volume,
    Volumes.swap_volume,
    CrashDump.trigger_crash_dump,
)
"""Verbs that do something each time that they are called."""

IDEMPOTENT: Final = tuple(verb for verb in VERBS if verb.method not in EACH_CALL_COUNTS)
"""Verbs that change nothing when they are called again."""

"""The contract's verbs as data: which states each allows, what it leads to, and how to call it."""

from __future__ import annotations

from typing import Final

from nova_virt_api.capability import Capability, Feature
from nova_virt_api.driver.backup import Backup
from nova_virt_api.driver.checkpoint import Checkpoint
from nova_virt_api.driver.clone import Clone
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
from nova_virt_api.driver.shares import Shares
from nova_virt_api.driver.snapshot import Snapshot
from nova_virt_api.driver.suspend import Suspend
from nova_virt_api.driver.volumes import Volumes
from nova_virt_api.model.instance import Lifecycle
from nova_virt_conformance import calls
from nova_virt_conformance.calls import LABELS, new_name
from nova_virt_conformance.promise import Promise
from nova_virt_conformance.verb import CRASHED, PAUSED, RUNNING, SHUTDOWN, STATES, SUSPENDED, Verb, leads_to, stays

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
        name="clone",
        method=Clone.clone,
        subject=Capability.CLONE,
        call=calls.clone,
        becomes=stays(SHUTDOWN, RUNNING, PAUSED),
        only_with={RUNNING: Feature.CLONE_LIVE, PAUSED: Feature.CLONE_LIVE},
        while_rescued=False,
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
        name="resize_live",
        method=Resize.resize_live,
        subject=Feature.LIVE_VCPUS,
        call=calls.resize_live,
        becomes=stays(RUNNING),
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
        name="shares",
        method=Shares.shares,
        subject=Capability.SHARES,
        call=calls.shares,
        becomes=stays(*STATES),
        while_rescued=True,
    ),
    Verb(
        name="attach_share",
        method=Shares.attach_share,
        subject=Capability.SHARES,
        call=calls.attach_share,
        becomes=stays(SHUTDOWN, RUNNING, PAUSED),
        only_with={RUNNING: Feature.ATTACH_SHARES, PAUSED: Feature.ATTACH_SHARES},
        may_refuse=frozenset({RUNNING, PAUSED}),  # a guest whose memory is its own
        while_rescued=False,
    ),
    Verb(
        name="detach_share",
        method=Shares.detach_share,
        subject=Capability.SHARES,
        call=calls.detach_share,
        becomes=stays(SHUTDOWN, RUNNING, PAUSED),
        only_with={RUNNING: Feature.ATTACH_SHARES, PAUSED: Feature.ATTACH_SHARES},
        first=calls.see_to_a_share,
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
    Shares.attach_share,
    CrashDump.trigger_crash_dump,
)
"""Verbs that do something each time that they are called."""

IDEMPOTENT: Final = tuple(verb for verb in VERBS if verb.method not in EACH_CALL_COUNTS)
"""Verbs that change nothing when they are called again."""

"""How often guests were started, from vCenter's events."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from pyVmomi import vim

if TYPE_CHECKING:
    from nova_virt_vmware.rig.native import Native

PAGE: Final = 1000

STARTS: Final = (vim.event.VmStartingEvent, vim.event.VmResettingEvent, vim.event.VmGuestRebootEvent)


def boots_of(native: Native, machine: Any) -> int:
    """How often a virtual machine was started from nothing since it was made; memory that was restored leaves it out.

    A resumed one is told of as resuming (``VmResumingEvent``), by simulators as starting.
    """
    by_entity = vim.event.EventFilterSpec.ByEntity(
        entity=machine, recursion=vim.event.EventFilterSpec.RecursionOption.self
    )
    history = native.content.eventManager.CreateCollectorForEvents(vim.event.EventFilterSpec(entity=by_entity))
    try:
        history.SetCollectorPageSize(PAGE)
        events = sorted(history.latestPage, key=lambda event: event.key)
    finally:
        history.DestroyCollector()
    count, suspended = 0, False
    for event in events:
        if isinstance(event, vim.event.VmSuspendedEvent):
            suspended = True
        elif isinstance(event, STARTS):
            count += not suspended
            suspended = False
    return count

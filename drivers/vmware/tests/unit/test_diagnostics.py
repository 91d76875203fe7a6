"""What vCenter finds wrong with a virtual machine, as incidents."""

from datetime import UTC, datetime

from pyVmomi import vim

from nova_virt_vmware.diagnostics import incidents


def test_latest_issue_comes_first() -> None:
    """Issues are told with their time, kind and text, in one line, the latest first."""
    early, late = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 2, tzinfo=UTC)
    issues = [
        vim.event.Event(createdTime=early, fullFormattedMessage="first"),
        vim.event.VmDiskFailedEvent(createdTime=late, fullFormattedMessage="second\nline"),
        vim.event.Event(createdTime=early),
    ]
    found = incidents(issues)
    assert [(each.at, each.kind, each.message) for each in found] == [
        (late.timestamp(), "VmDiskFailedEvent", "second line"),
        (early.timestamp(), "Event", "first"),
        (early.timestamp(), "Event", ""),
    ]
    assert all(each.error for each in found)

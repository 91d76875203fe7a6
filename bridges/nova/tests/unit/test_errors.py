"""The tables of errors, row by row: an error of ours, and what nova-compute has to see."""

import enum
from typing import Any

import pytest
from nova import exception

import nova_virt_api as virt
from nova_virt_api import errors
from nova_virt_bridge.errors import (
    ATTACH,
    BUILD,
    CONSOLE,
    DESTROY,
    DETACH,
    GUEST,
    HOST,
    RUNNING,
    START,
    STOP,
    Table,
    nova_errors,
)


class Off(enum.Enum):
    """A state."""

    OFF = "off"


def in_state() -> virt.InvalidState:
    return virt.InvalidState(Off.OFF, [virt.PowerState.RUNNING])


def no_pause() -> virt.NotSupported:
    return virt.NotSupported(virt.Capability.PAUSE, reason="no brakes")


ROWS = [
    (GUEST, no_pause(), NotImplementedError, "no brakes"),
    (GUEST, virt.InstanceNotFound("no guest"), exception.InstanceNotFound, "{uuid}"),
    (GUEST, virt.InstanceExists("another spec"), exception.InstanceExists, "{uuid}"),
    (GUEST, in_state(), exception.InstanceInvalidState, "off"),
    (GUEST, virt.InvalidSpec("name", "-", "letters"), exception.InvalidInput, "letters"),
    (GUEST, virt.InvalidSpec("disks[0].size_bytes", 1, "more"), exception.FlavorDiskTooSmall, "more"),
    (GUEST, virt.Busy("at work"), exception.InstanceNotReady, "at work"),
    (GUEST, virt.NoCapacity("memory_bytes"), exception.ComputeResourcesUnavailable, "memory_bytes"),
    (GUEST, virt.ImageNotFound("no image"), exception.ImageNotFound, "{image}"),
    (GUEST, virt.ImageRejected("x", "it lies"), exception.ImageUnacceptable, "it lies"),
    (GUEST, virt.NetworkError("no wire"), exception.VirtualInterfaceCreateException, "no wire"),
    (GUEST, virt.GuestAgentUnavailable("silent"), exception.InstanceAgentNotEnabled, "silent"),
    (GUEST, virt.PermissionDenied("not yours"), exception.Forbidden, "not yours"),
    (GUEST, virt.ConnectionLost("cut"), exception.HypervisorUnavailable, "cut"),
    (GUEST, virt.Unavailable("down"), exception.HypervisorUnavailable, "down"),
    (GUEST, virt.AuthenticationFailed("who"), exception.HypervisorUnavailable, "who"),
    (GUEST, virt.StorageError("on fire"), exception.NovaException, "on fire"),
    (GUEST, virt.Timeout("disks"), exception.NovaException, "disks"),
    (BUILD, no_pause(), exception.ComputeResourcesUnavailable, "no brakes"),
    (BUILD, virt.Cancelled("closing"), exception.NovaException, "closing"),
    (BUILD, virt.ImageRejected("x", "it lies"), exception.ImageUnacceptable, "it lies"),
    (STOP, virt.Timeout("stop"), exception.InstancePowerOffFailure, "stop"),
    (STOP, in_state(), exception.InstancePowerOffFailure, "off"),
    (STOP, virt.Busy("at work"), exception.InstancePowerOffFailure, "at work"),
    (STOP, virt.InstanceNotFound("no guest"), exception.InstanceNotFound, "{uuid}"),
    (DESTROY, no_pause(), NotImplementedError, "no brakes"),
    (DESTROY, virt.InstanceNotFound("no guest"), exception.InstanceNotFound, "{uuid}"),
    (DESTROY, virt.ConnectionLost("cut"), exception.InstancePowerOffFailure, "cut"),
    (DESTROY, virt.PermissionDenied("not yours"), exception.InstancePowerOffFailure, "not yours"),
    (DESTROY, virt.Unavailable("down"), exception.InstancePowerOffFailure, "down"),
    (RUNNING, in_state(), exception.InstanceNotRunning, "{uuid}"),
    (RUNNING, no_pause(), NotImplementedError, "no brakes"),
    (CONSOLE, in_state(), exception.InstanceNotReady, "{uuid}"),
    (CONSOLE, no_pause(), NotImplementedError, "no brakes"),
    (ATTACH, no_pause(), NotImplementedError, "no brakes"),
    (ATTACH, virt.InstanceNotFound("no guest"), exception.InstanceNotFound, "{uuid}"),
    (ATTACH, virt.NetworkError("no wire"), exception.InterfaceAttachFailed, "no wire"),
    (DETACH, virt.NetworkError("no wire"), exception.InterfaceDetachFailed, "no wire"),
    (HOST, no_pause(), NotImplementedError, "no brakes"),
    (HOST, virt.InvalidSpec("node", "x", "one of: y"), exception.InvalidInput, "one of: y"),
    (HOST, virt.ConnectionLost("cut"), exception.VirtDriverNotReady, "cut"),
    (HOST, virt.Unavailable("down"), exception.VirtDriverNotReady, "down"),
    (HOST, virt.AuthenticationFailed("who"), exception.VirtDriverNotReady, "who"),
    (HOST, virt.BackendError("odd"), exception.NovaException, "odd"),
    (START, errors.ConfigError("uri", "is wrong"), exception.InvalidConfiguration, "uri"),
    (START, errors.DriverNotFound("x", "not installed"), exception.InvalidConfiguration, "not installed"),
    (START, virt.AuthenticationFailed("who"), exception.InvalidConfiguration, "who"),
    (START, virt.Unavailable("down"), exception.HypervisorUnavailable, "down"),
]


@pytest.mark.parametrize(
    ("table", "error", "kind", "text"), ROWS, ids=[f"{type(row[1]).__name__}-{row[2].__name__}" for row in ROWS]
)
def test_row(instance: Any, table: Table, error: virt.VirtError, kind: type[Exception], text: str) -> None:
    with pytest.raises(kind) as caught, nova_errors(table, instance):
        raise error
    assert type(caught.value) is kind
    assert caught.value.__cause__ is error
    assert text.format(uuid=instance.uuid, image=instance.image_ref) in str(caught.value)


def test_every_row_is_tested() -> None:
    def shadowed(table: Table, row: int) -> bool:
        return any(issubclass(table[row][0], kind) for kind, _ in table[:row])

    tables = (GUEST, BUILD, STOP, DESTROY, RUNNING, CONSOLE, ATTACH, DETACH, HOST, START)
    makers = {make for table in tables for row, (_, make) in enumerate(table) if not shadowed(table, row)}
    used = {next(make for kind, make in table if isinstance(error, kind)) for table, error, _, _ in ROWS}
    hook = next(make for kind, make in GUEST if kind is virt.HookFailed)
    last = {table[-1][1] for table in tables}
    assert makers - used - last == {hook}


def test_what_a_hook_raised_comes_out_as_it_was(instance: Any) -> None:
    cause = exception.VirtualInterfaceCreateException()
    cause.__cause__ = exception.InstanceEventTimeout()
    failed = virt.HookFailed("before start", "no network")
    failed.__cause__ = cause
    with pytest.raises(exception.VirtualInterfaceCreateException) as caught, nova_errors(BUILD, instance):
        raise failed
    assert caught.value is cause
    assert isinstance(cause.__cause__, exception.InstanceEventTimeout)


def test_other_exceptions_pass() -> None:
    with pytest.raises(ZeroDivisionError), nova_errors():
        raise ZeroDivisionError

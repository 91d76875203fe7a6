"""What becomes of the server's faults, and of what happens on the way."""

import ssl
from typing import Any

import pytest
from pyVmomi import vim, vmodl
from urllib3 import HTTPSConnectionPool, exceptions as transport
from urllib3.connection import HTTPSConnection

from nova_virt_api.errors import (
    AuthenticationFailed,
    BackendError,
    Busy,
    ConnectionLost,
    GuestAgentUnavailable,
    NoCapacity,
    PermissionDenied,
    StateAfter,
    StorageError,
    Unavailable,
    VirtError,
)
from nova_virt_vmware.errors import (
    BadAnswer,
    ChangedMeanwhile,
    Closed,
    NameTaken,
    NotThere,
    Refused,
    SessionExpired,
    TaskStopped,
    Untrusted,
    WrongPowerState,
    text_of,
    translate,
    translated,
)

TRANSIENT: dict[type[Any], type[VirtError]] = {
    vim.fault.TaskInProgress: Busy,
    vim.fault.VAppTaskInProgress: Busy,
    vim.fault.ConcurrentAccess: ChangedMeanwhile,
    vim.fault.FailToLockFaultToleranceVMs: Busy,
    vmodl.fault.HostCommunication: Unavailable,
    vim.fault.NetworkDisruptedAndConfigRolledBack: Unavailable,
}
"""govmomi's list (fault.IsTransientError), whole."""

FAULTS: dict[type[Any], type[VirtError]] = {
    vim.fault.InvalidLogin: AuthenticationFailed,
    vim.fault.PasswordExpired: AuthenticationFailed,
    vim.fault.NotAuthenticated: SessionExpired,
    vim.fault.RestrictedVersion: PermissionDenied,
    vmodl.fault.HostNotConnected: Unavailable,
    vmodl.fault.HostNotReachable: Unavailable,
    vim.fault.ToolsUnavailable: GuestAgentUnavailable,
    vim.fault.InsufficientMemoryResourcesFault: NoCapacity,
    vim.fault.InsufficientFailoverResourcesFault: NoCapacity,
    vim.fault.InsufficientHostCapacityFault: NoCapacity,
    vmodl.fault.NotEnoughLicenses: NoCapacity,
    vim.fault.FileNotFound: StorageError,
    vim.fault.FileLocked: StorageError,
    vim.fault.InaccessibleDatastore: StorageError,
    vmodl.fault.RequestCanceled: TaskStopped,
    vmodl.fault.InvalidArgument: Refused,
    vmodl.fault.MethodNotFound: Refused,
    vmodl.fault.NotSupported: Refused,
    vim.fault.MethodDisabled: Refused,
    vim.fault.CpuHotPlugNotSupported: Refused,
    vim.fault.InvalidName: Refused,
    vmodl.fault.SystemError: BackendError,
}


@pytest.mark.parametrize(("native", "kind"), [*TRANSIENT.items(), *FAULTS.items()], ids=lambda value: value.__name__)
def test_a_fault_becomes_this_and_keeps_its_text(native: type[Any], kind: type[VirtError]) -> None:
    error = translate(native(msg="the server's own words"), "do this")
    assert type(error) is kind
    assert error.message.startswith("do this: ")
    assert "the server's own words" in error.message


@pytest.mark.parametrize(("native", "kind"), TRANSIENT.items(), ids=lambda value: value.__name__)
def test_what_passes_may_be_tried_again_and_did_nothing(native: type[Any], kind: type[VirtError]) -> None:
    error = translate(native(), "do this")
    assert error.retryable
    assert error.state_after is StateAfter.UNCHANGED


def test_a_failure_without_a_class_leaves_open_what_was_done() -> None:
    assert translate(vmodl.fault.SystemError(reason="x"), "do this").state_after is StateAfter.UNKNOWN


# --- the object that is named -----------------------------------------------------------------------------------------


def test_a_name_that_is_taken_names_who_has_it() -> None:
    error = translate(vim.fault.DuplicateName(name="web", object=vim.VirtualMachine("vm-7")), "make a guest")
    assert isinstance(error, NameTaken)
    assert (error.name, error.moref) == ("web", "vm-7")
    assert "vm-7" in error.message


def test_an_object_that_is_gone_is_named() -> None:
    error = translate(vmodl.fault.ManagedObjectNotFound(obj=vim.VirtualMachine("vm-7"), msg="deleted"), "look")
    assert isinstance(error, NotThere)
    assert error.moref == "vm-7"


def test_a_task_that_is_in_the_way_is_named() -> None:
    error = translate(vim.fault.TaskInProgress(task=vim.Task("task-9")), "switch on vm-7")
    assert isinstance(error, Busy)
    assert error.holder == "task-9"


def test_a_missing_privilege_is_named() -> None:
    fault = vim.fault.NoPermission(object=vim.Folder("group-v3"), privilegeId="VirtualMachine.Inventory.Create")
    error = translate(fault, "make a guest")
    assert type(error) is PermissionDenied
    assert "VirtualMachine.Inventory.Create on group-v3" in error.message
    assert "account in vCenter" in error.hint


def test_a_state_that_changed_is_named() -> None:
    error = translate(vim.fault.InvalidPowerState(existingState="poweredOff", requestedState="poweredOn"), "suspend")
    assert isinstance(error, WrongPowerState)
    assert error.existing == "poweredOff"


def test_a_full_datastore_is_named() -> None:
    error = translate(vim.fault.NoDiskSpace(file="[ds1] a.vmdk", datastore="ds1"), "clone")
    assert isinstance(error, NoCapacity)
    assert error.resource == "ds1"


def test_text_tells_messages_and_causes_once_and_in_bounds() -> None:
    cause = vim.fault.FileLocked(msg="locked", file="x")
    fault = vim.fault.GenericVmConfigFault(
        msg="cannot open",
        reason="r",
        faultMessage=[vmodl.LocalizableMessage(key="k", message="cannot open")],
        faultCause=cause,
    )
    assert text_of(fault) == "cannot open (GenericVmConfigFault); locked (FileLocked)"
    assert text_of(vim.fault.InvalidLogin()) == "InvalidLogin"
    assert len(text_of(vmodl.fault.SystemError(msg="x\ny" * 5000, reason=""))) == 500
    assert "\n" not in text_of(vmodl.fault.SystemError(msg="x\ny", reason=""))


# --- on the way -------------------------------------------------------------------------------------------------------

POOL = HTTPSConnectionPool("vc.example.org", 443)
LINE = HTTPSConnection("vc.example.org", 443)

WAYS: list[tuple[Exception, type[VirtError], StateAfter]] = [
    (transport.NewConnectionError(LINE, "refused"), Unavailable, StateAfter.UNCHANGED),
    (transport.ConnectTimeoutError(LINE, "timed out"), Unavailable, StateAfter.UNCHANGED),
    (transport.SSLError(ssl.SSLCertVerificationError("unknown")), Untrusted, StateAfter.UNCHANGED),
    (transport.SSLError("Fingerprints did not match"), Untrusted, StateAfter.UNCHANGED),
    (transport.SSLError(ssl.SSLEOFError("EOF")), ConnectionLost, StateAfter.UNKNOWN),
    (transport.ReadTimeoutError(POOL, "/sdk", "timed out"), ConnectionLost, StateAfter.UNKNOWN),
    (transport.ProtocolError("aborted"), ConnectionLost, StateAfter.UNKNOWN),
    (transport.IncompleteRead(1, 2), ConnectionLost, StateAfter.UNKNOWN),
    (transport.EmptyPoolError(POOL, "no free one"), Busy, StateAfter.UNCHANGED),
    (transport.ClosedPoolError(POOL, "closed"), Closed, StateAfter.UNCHANGED),
    (BadAnswer("503 Service Unavailable", 503), Unavailable, StateAfter.UNCHANGED),
    (BadAnswer("502 Bad Gateway", 502), ConnectionLost, StateAfter.UNKNOWN),
    (BadAnswer("404 Not Found", 404), Unavailable, StateAfter.UNCHANGED),
    (BadAnswer("the answer is not XML", 200), BackendError, StateAfter.UNKNOWN),
]


@pytest.mark.parametrize(("native", "kind", "after"), WAYS, ids=lambda value: str(value)[:30])
def test_what_happens_on_the_way_says_whether_it_was_heard(
    native: Exception, kind: type[VirtError], after: StateAfter
) -> None:
    with pytest.raises(kind) as caught, translated("do this"):
        raise native
    assert type(caught.value) is kind
    assert caught.value.state_after is after
    assert caught.value.__cause__ is native
    assert "(host=" not in caught.value.message
    assert caught.value.hint

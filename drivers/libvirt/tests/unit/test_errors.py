"""libvirt's errors as ours: the table, and what only the text tells."""

import errno
from typing import Any

import libvirt
import pytest

from nova_virt_api import errors
from nova_virt_libvirt.errors import message_of, translate, translated
from nova_virt_libvirt.host.unreachable import unreachable, without_password

QEMU, RPC, REMOTE, STORAGE = (
    libvirt.VIR_FROM_QEMU,
    libvirt.VIR_FROM_RPC,
    libvirt.VIR_FROM_REMOTE,
    libvirt.VIR_FROM_STORAGE,
)


def native(code: int, text: str = "it failed", part: int = QEMU, system: int = -1) -> libvirt.libvirtError:
    """An error as the binding raises it."""
    error = libvirt.libvirtError("call() failed")
    error.err = (code, part, text, 2, text, None, None, system, -1)
    return error


CASES: list[tuple[libvirt.libvirtError, type[errors.VirtError]]] = [
    (native(libvirt.VIR_ERR_NO_DOMAIN), errors.InstanceNotFound),
    (native(libvirt.VIR_ERR_DOM_EXIST), errors.InstanceExists),
    (native(libvirt.VIR_ERR_AUTH_FAILED), errors.AuthenticationFailed),
    (native(libvirt.VIR_ERR_AUTH_UNAVAILABLE), errors.AuthenticationFailed),
    (native(libvirt.VIR_ERR_ACCESS_DENIED), errors.PermissionDenied),
    (native(libvirt.VIR_ERR_OPERATION_DENIED), errors.PermissionDenied),
    (native(libvirt.VIR_ERR_INVALID_CONN), errors.ConnectionLost),
    (native(libvirt.VIR_ERR_INTERNAL_ERROR, "client socket is closed", RPC), errors.ConnectionLost),
    (native(libvirt.VIR_ERR_SYSTEM_ERROR, "Cannot recv data: Connection reset by peer", RPC), errors.ConnectionLost),
    (native(libvirt.VIR_ERR_RPC, "unexpected end of file", REMOTE), errors.ConnectionLost),
    (native(libvirt.VIR_ERR_NO_MEMORY), errors.NoCapacity),
    (native(libvirt.VIR_ERR_INTERNAL_ERROR, "qemu: cannot set up guest memory 'pc.ram'"), errors.NoCapacity),
    (native(libvirt.VIR_ERR_SYSTEM_ERROR, "cannot write", STORAGE, errno.ENOSPC), errors.NoCapacity),
    (native(libvirt.VIR_ERR_OPERATION_FAILED, "write: No space left on device"), errors.NoCapacity),
    (native(libvirt.VIR_ERR_RESOURCE_BUSY), errors.Busy),
    (native(libvirt.VIR_ERR_INTERNAL_ERROR, "pool 'p' has asynchronous jobs running.", STORAGE), errors.Busy),
    (native(libvirt.VIR_ERR_OPERATION_INVALID, "domain is not running"), errors.Busy),
    (native(libvirt.VIR_ERR_OPERATION_TIMEOUT, "Timed out during operation: waiting"), errors.Timeout),
    (native(libvirt.VIR_ERR_AGENT_UNRESPONSIVE), errors.GuestAgentUnavailable),
    (native(libvirt.VIR_ERR_NO_STORAGE_POOL, part=STORAGE), errors.StorageError),
    (native(libvirt.VIR_ERR_INTERNAL_ERROR, part=STORAGE), errors.StorageError),
    (native(libvirt.VIR_ERR_NO_NETWORK, part=libvirt.VIR_FROM_NETWORK), errors.NetworkError),
    (native(libvirt.VIR_ERR_OPERATION_INVALID, "no", libvirt.VIR_FROM_NETWORK), errors.NetworkError),
    (native(libvirt.VIR_ERR_INTERNAL_ERROR, "Child process (tc qdisc add dev vnet0) failed"), errors.NetworkError),
    (native(libvirt.VIR_ERR_INTERNAL_ERROR, "cannot limit locked memory of process 7"), errors.PermissionDenied),
    (native(libvirt.VIR_ERR_INTERNAL_ERROR, "the virtiofs export directory '/x' does not exist"), errors.StorageError),
    (native(libvirt.VIR_ERR_INTERNAL_ERROR, "virtiofsd died unexpectedly"), errors.StorageError),
    (native(libvirt.VIR_ERR_INTERNAL_ERROR, "something else"), errors.BackendError),
    (native(libvirt.VIR_ERR_SYSTEM_ERROR, "cannot open: Permission denied", QEMU, errno.EACCES), errors.BackendError),
]


@pytest.mark.parametrize(("error", "kind"), CASES, ids=[f"{e.err[2]}-{e.err[0]}" for e, _ in CASES])
def test_each_error_has_its_class(error: libvirt.libvirtError, kind: type[errors.VirtError]) -> None:
    found = translate(error, "stop guest web")
    assert type(found) is kind
    assert found.message.startswith("stop guest web: ")


def test_a_lock_names_its_holder() -> None:
    text = "Timed out during operation: cannot acquire state change lock (held by monitor=remoteDispatchDomainSuspend)"
    found = translate(native(libvirt.VIR_ERR_OPERATION_TIMEOUT, text))
    assert isinstance(found, errors.Busy)
    assert found.holder == "monitor=remoteDispatchDomainSuspend"
    assert found.message.count("held by") == 1


def test_after_a_lost_connection_the_outcome_is_unknown() -> None:
    found = translate(native(libvirt.VIR_ERR_INTERNAL_ERROR, "client socket is closed", RPC))
    assert found.state_after is errors.StateAfter.UNKNOWN
    assert found.retryable


def test_the_native_error_is_the_cause_and_ours_pass() -> None:
    error = native(libvirt.VIR_ERR_NO_DOMAIN)
    with pytest.raises(errors.InstanceNotFound) as caught, translated("look"):
        raise error
    assert caught.value.__cause__ is error
    ours = errors.Cancelled("enough")
    with pytest.raises(errors.Cancelled) as passed, translated("look"):
        raise ours
    assert passed.value is ours


def test_a_message_is_one_line_of_bounded_length() -> None:
    text = message_of(native(libvirt.VIR_ERR_INTERNAL_ERROR, "one\ntwo\t" + "x" * 10_000))
    assert text.startswith("one two x")
    assert len(text) == 500


LOCAL = "qemu:///system"
ENDPOINTS: list[tuple[str, libvirt.libvirtError, type[errors.VirtError], str]] = [
    (
        LOCAL,
        native(libvirt.VIR_ERR_SYSTEM_ERROR, "Failed to connect socket to '/run/x': No such file", RPC, errno.ENOENT),
        errors.Unavailable,
        "systemctl start libvirtd",
    ),
    (
        LOCAL,
        native(libvirt.VIR_ERR_SYSTEM_ERROR, "Failed to connect socket to '/run/x': Refused", RPC, errno.ECONNREFUSED),
        errors.Unavailable,
        "systemctl start libvirtd",
    ),
    (
        LOCAL,
        native(libvirt.VIR_ERR_SYSTEM_ERROR, "Failed to connect socket to '/run/x': denied", RPC, errno.EACCES),
        errors.PermissionDenied,
        "group 'libvirt'",
    ),
    (LOCAL, native(libvirt.VIR_ERR_AUTH_UNAVAILABLE, "no polkit agent"), errors.AuthenticationFailed, "libvirt"),
    (
        "qemu+tcp://box/system",
        native(libvirt.VIR_ERR_AUTH_FAILED, "authentication failed"),
        errors.AuthenticationFailed,
        "username and password",
    ),
    (
        "qemu+tls://box/system",
        native(libvirt.VIR_ERR_SYSTEM_ERROR, "Cannot read CA certificate '/etc/pki/CA/cacert.pem': No", RPC, 2),
        errors.Unavailable,
        "/etc/pki/CA/cacert.pem",
    ),
    (
        "qemu+ssh://root@box/system",
        native(libvirt.VIR_ERR_SYSTEM_ERROR, "Cannot recv data: Host key verification failed.", RPC, 104),
        errors.Unavailable,
        "ssh box true",
    ),
    ("nonsense:///", native(libvirt.VIR_ERR_NO_CONNECT, "no connection driver"), errors.ConfigError, "qemu:///system"),
]


@pytest.mark.parametrize(("uri", "error", "kind", "hint"), ENDPOINTS)
def test_an_endpoint_that_cannot_be_opened_says_what_helps(
    uri: str, error: libvirt.libvirtError, kind: type[errors.VirtError], hint: str
) -> None:
    found = unreachable(uri, error)
    assert type(found) is kind
    assert hint in found.hint
    assert uri in found.message


def test_a_password_in_a_uri_is_not_shown() -> None:
    uri = "qemu+ssh://root:geheim@box:22/system?socket=/run/x"
    assert without_password(uri) == "qemu+ssh://root:***@box:22/system?socket=/run/x"
    assert "geheim" not in str(unreachable(uri, native(libvirt.VIR_ERR_INTERNAL_ERROR)))


def test_a_text_that_is_missing_does_not_break_the_translation() -> None:
    libvirt.virResetLastError()  # the binding takes its text from the last one of this thread
    error: Any = libvirt.libvirtError("call() failed")
    error.err = None
    assert isinstance(translate(error), errors.BackendError)

"""Every error that crosses the API: what happened, to what, what to do, and what it left behind.

All of them derive from :class:`VirtError`. A native exception is only ever found as ``__cause__``. Texts never contain
secrets. ``code`` is stable and meant for programs; ``public_message`` may be shown to anyone.
"""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from collections.abc import Iterable

    from nova_virt_api.capability import Capability, Feature
    from nova_virt_api.model.leftover import Leftover


class StateAfter(enum.Enum):
    """What a failed verb did to the guest."""

    UNCHANGED = "unchanged"
    CHANGED = "changed"
    UNKNOWN = "unknown"


class VirtError(Exception):
    """Base of all errors of this API.

    Args:
        message: what happened and to what, one line, without secrets.
        hint: what to do about it, one line.
        state_after: what the failed verb did to the guest.
        leftovers: objects that the failed verb could not remove.
    """

    code: ClassVar[str] = "error"
    retryable: ClassVar[bool] = False

    def __init__(
        self,
        message: str,
        *,
        hint: str = "",
        state_after: StateAfter = StateAfter.UNCHANGED,
        leftovers: Iterable[Leftover] = (),
    ) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.state_after = state_after
        self.leftovers = tuple(leftovers)
        self.guest = ""
        self.node = ""
        self.verb = ""

    @property
    def public_message(self) -> str:
        """The message and the hint in one line, free of native detail."""
        where = f"{self.verb} {self.guest or self.node}".strip()
        return (f"{where}: " if where else "") + self.message + (f"; {self.hint}" if self.hint else "")

    def __str__(self) -> str:
        return self.public_message

    def __reduce__(self) -> tuple[Any, ...]:
        return restored, (type(self), self.args, self.__dict__)  # constructors take more than ``args``


# --- the caller's request ---------------------------------------------------------------------------------------------


class InvalidSpec(VirtError, ValueError):
    """A request has a value that is not allowed.

    Args:
        field: path of the field, e.g. ``disks[0].size_bytes``.
        value: what came; shortened and never a secret.
        allowed: what would be allowed.
    """

    code = "invalid-spec"

    def __init__(self, field: str, value: object, allowed: str, **more: Any) -> None:
        super().__init__(f"{field}: got {shorten(value)}, allowed is {allowed}", **more)
        self.field = field
        self.value = value
        self.allowed = allowed

    def under(self, prefix: str) -> InvalidSpec:
        """The same error for a field that lies inside ``prefix``."""
        return InvalidSpec(f"{prefix}.{self.field}", self.value, self.allowed, hint=self.hint)


class NotSupported(VirtError):
    """The endpoint does not do this; nothing was changed.

    Args:
        capability: the role or feature that is missing.
        field: the field of the request that asked for it, if one did.
        reason: why it is missing here, in a few words.
    """

    code = "not-supported"

    def __init__(self, capability: Capability | Feature, field: str = "", reason: str = "", **more: Any) -> None:
        what = f"{field} needs {capability.value}" if field else capability.value
        super().__init__(f"{what}: not supported" + (f" ({reason})" if reason else ""), **more)
        self.capability = capability
        self.field = field
        self.reason = reason


class InstanceNotFound(VirtError, LookupError):
    """No such guest at this endpoint."""

    code = "instance-not-found"


class InstanceExists(VirtError):
    """A guest with this uuid exists and was asked for with another spec."""

    code = "instance-exists"


class Ambiguous(VirtError, LookupError):
    """More than one object answers to what was named; nothing was touched.

    Args:
        candidates: names or ids to choose from.
    """

    code = "ambiguous"

    def __init__(self, message: str, candidates: Iterable[str], **more: Any) -> None:
        self.candidates = tuple(candidates)
        super().__init__(f"{message}: {', '.join(self.candidates)}", **more)


class InvalidState(VirtError):
    """The guest's state does not allow the verb.

    Args:
        current: the state found.
        required: the states in which the verb works.
    """

    code = "invalid-state"

    def __init__(self, current: enum.Enum, required: Iterable[enum.Enum], **more: Any) -> None:
        self.current = current
        self.required = tuple(required)
        names = " or ".join(str(state.value) for state in self.required)
        super().__init__(f"the guest is {current.value}, the verb needs {names}", **more)


class Busy(VirtError):
    """Somebody else is changing the guest or the endpoint has no room for more work; try again.

    Args:
        holder: who holds it, as far as known.
    """

    code = "busy"
    retryable = True

    def __init__(self, message: str, holder: str = "", **more: Any) -> None:
        super().__init__(message + (f" (held by {holder})" if holder else ""), **more)
        self.holder = holder


class NoCapacity(VirtError):
    """The endpoint has not enough of a resource.

    Args:
        resource: what is short, e.g. ``memory_bytes`` or the name of a storage pool.
    """

    code = "no-capacity"

    def __init__(self, resource: str, message: str = "", **more: Any) -> None:
        super().__init__(message or f"not enough {resource}", **more)
        self.resource = resource


# --- images, storage, network, guest ----------------------------------------------------------------------------------


class ImageNotFound(VirtError, LookupError):
    """The image's source has no such image."""

    code = "image-not-found"


class ImageRejected(VirtError):
    """The image's bytes are not what was promised, or not safe to use.

    Args:
        why: the check that failed, in a few words.
    """

    code = "image-rejected"

    def __init__(self, image: str, why: str, **more: Any) -> None:
        super().__init__(f"image {image} rejected: {why}", **more)
        self.why = why


class StorageError(VirtError):
    """A storage pool or a guest's disk failed."""

    code = "storage"


class VolumeError(StorageError):
    """A storage service's volume could not be reached, attached, detached, resized or swapped."""

    code = "volume"


class VolumeNotFound(VirtError, LookupError):
    """No such volume in the endpoint's pools."""

    code = "volume-not-found"


class VolumeExists(VirtError):
    """A volume with this id exists and was asked for in another way."""

    code = "volume-exists"


class NetworkError(VirtError):
    """A network or a guest's NIC failed."""

    code = "network"


class GuestAgentUnavailable(VirtError):
    """The verb needs the guest's agent, which does not answer; the guest itself may be fine."""

    code = "guest-agent-unavailable"


class BackupChainBroken(VirtError):
    """What changed since a backup's point is not known, or not any more; a full backup begins a new chain."""

    code = "backup-chain-broken"


class MigrationError(VirtError):
    """A move of a guest, live or not, failed; the hint says where the guest is now and what to do.

    Args:
        phase: what was being done, in the name of the contract's verb, e.g. ``prepare`` or ``migrate``.
    """

    code = "migration"

    def __init__(self, phase: str, message: str, **more: Any) -> None:
        super().__init__(message, **more)
        self.phase = phase


# --- time, connection, backend ----------------------------------------------------------------------------------------


class Timeout(VirtError, TimeoutError):
    """The deadline passed; what was under way may still finish.

    Args:
        stage: what was going on when time ran out.
    """

    code = "timeout"

    def __init__(self, stage: str, message: str = "", **more: Any) -> None:
        more.setdefault("state_after", StateAfter.UNKNOWN)
        super().__init__(message or f"time ran out while: {stage}", **more)
        self.stage = stage


class Cancelled(VirtError):
    """The operation was cancelled; unless ``state_after`` says otherwise, all is as before and nothing was left."""

    code = "cancelled"


class HookFailed(VirtError):
    """The caller's own hook raised; its exception is the ``__cause__``.

    Args:
        stage: the stage at which the hook was run.
    """

    code = "hook-failed"

    def __init__(self, stage: str, message: str, **more: Any) -> None:
        super().__init__(f"the hook at stage '{stage}' failed: {message}", **more)
        self.stage = stage


class AuthenticationFailed(VirtError):
    """The endpoint does not accept the credentials."""

    code = "authentication-failed"


class PermissionDenied(VirtError):
    """The account may not do this, or the guest belongs to somebody else."""

    code = "permission-denied"


class ConnectionLost(VirtError):
    """The connection broke during the call; for a mutation the outcome is unknown."""

    code = "connection-lost"
    retryable = True


class Unavailable(VirtError):
    """The endpoint cannot be reached or cannot serve now."""

    code = "unavailable"
    retryable = True


class BackendError(VirtError):
    """The hypervisor refused or failed for a reason that has no finer class here."""

    code = "backend"


class DriverBug(VirtError):
    """A driver broke the contract, e.g. let a native exception escape. Please report it to the driver's authors."""

    code = "driver-bug"


# --- configuration and loading ----------------------------------------------------------------------------------------


class ConfigError(VirtError, ValueError):
    """A profile, an option or a secret's reference is wrong.

    Args:
        field: the option or key at fault.
    """

    code = "config"

    def __init__(self, field: str, message: str, **more: Any) -> None:
        super().__init__(f"{field}: {message}", **more)
        self.field = field


class DriverLoadError(VirtError):
    """Base of what can go wrong before a driver is opened.

    Args:
        driver: name of the driver that was asked for.
    """

    code = "driver-load"

    def __init__(self, driver: str, message: str, **more: Any) -> None:
        super().__init__(message, **more)
        self.driver = driver


class DriverNotFound(DriverLoadError, LookupError):
    """No installed distribution offers a driver of this name."""

    code = "driver-not-found"


class DuplicateDriver(DriverLoadError):
    """More than one installed distribution offers a driver of this name."""

    code = "duplicate-driver"


class DriverImportError(DriverLoadError):
    """The driver's distribution is installed but its code cannot be imported."""

    code = "driver-import"


class DriverVersionError(DriverLoadError):
    """The driver was made for another version of this API."""

    code = "driver-version"


def restored(kind: type[VirtError], arguments: tuple[Any, ...], attributes: dict[str, Any]) -> VirtError:
    """An error as it was before it was copied or sent to another process."""
    error = kind.__new__(kind, *arguments)
    error.__dict__.update(attributes)
    return error


def shorten(value: object, limit: int = 80) -> str:
    """``repr`` of a value, cut so that a hostile value cannot flood an error or a log."""
    text = repr(value)
    return text if len(text) <= limit else f"{text[: limit - 1]}…"

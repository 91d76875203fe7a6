"""Our errors as the exceptions that nova-compute tells apart. The tables are the whole truth."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from nova import exception

from nova_virt_api import errors

if TYPE_CHECKING:
    from collections.abc import Iterable

Make: TypeAlias = Callable[[Any, Any], Exception]
"""Nova's exception for an error of ours and Nova's instance, which is None where none is concerned."""

Table: TypeAlias = Sequence[tuple[type[errors.VirtError], Make]]
"""What becomes of which error; the first row that fits counts."""

TOO_SMALL: Final = ".size_bytes"


def uuid_of(instance: Any) -> str:
    """The uuid that Nova's messages name."""
    return "" if instance is None else str(instance.uuid)


def image_of(instance: Any) -> str:
    """The image that Nova's messages name."""
    return "" if instance is None else str(instance.image_ref)


def cause_of(error: errors.HookFailed, instance: Any) -> Exception:
    """What our own hook raised, which is Nova's already."""
    cause = error.__cause__
    if isinstance(cause, Exception):
        return cause
    failed: Exception = exception.NovaException(str(error))
    return failed


def bad_state(error: errors.InvalidState, instance: Any) -> Exception:
    """The guest's state does not allow it."""
    refused: Exception = exception.InstanceInvalidState(
        attr="power_state", instance_uuid=uuid_of(instance), state=error.current.value, method=error.verb
    )
    return refused


def bad_spec(error: errors.InvalidSpec, instance: Any) -> Exception:
    """A flavor that does not fit the image is told apart from all else that is wrong with a request."""
    too_small = error.field.startswith("disks[") and error.field.endswith(TOO_SMALL)
    refused: Exception = exception.InvalidInput(reason=str(error))
    return exception.FlavorDiskTooSmall(str(error)) if too_small else refused


GUEST: Final[Table] = (
    (errors.HookFailed, cause_of),
    (errors.NotSupported, lambda error, instance: NotImplementedError(str(error))),
    (errors.InstanceNotFound, lambda error, instance: exception.InstanceNotFound(instance_id=uuid_of(instance))),
    (errors.InstanceExists, lambda error, instance: exception.InstanceExists(name=uuid_of(instance))),
    (errors.InvalidState, bad_state),
    (errors.InvalidSpec, bad_spec),
    (errors.Busy, lambda error, instance: exception.InstanceNotReady(str(error))),
    (errors.NoCapacity, lambda error, instance: exception.ComputeResourcesUnavailable(reason=str(error))),
    (errors.ImageNotFound, lambda error, instance: exception.ImageNotFound(image_id=image_of(instance))),
    (
        errors.ImageRejected,
        lambda error, instance: exception.ImageUnacceptable(image_id=image_of(instance), reason=str(error)),
    ),
    (errors.NetworkError, lambda error, instance: exception.VirtualInterfaceCreateException(str(error))),
    (errors.GuestAgentUnavailable, lambda error, instance: exception.InstanceAgentNotEnabled(str(error))),
    (errors.PermissionDenied, lambda error, instance: exception.Forbidden(str(error))),
    (errors.ConnectionLost, lambda error, instance: exception.HypervisorUnavailable(str(error))),
    (errors.Unavailable, lambda error, instance: exception.HypervisorUnavailable(str(error))),
    (errors.AuthenticationFailed, lambda error, instance: exception.HypervisorUnavailable(str(error))),
    (errors.VirtError, lambda error, instance: exception.NovaException(str(error))),
)
"""A verb or read that concerns one guest."""

BUILD: Final[Table] = (
    (errors.NotSupported, lambda error, instance: exception.ComputeResourcesUnavailable(reason=str(error))),
    *GUEST,
)
"""Making a guest. What only this host cannot do lets Nova try another."""

STOP: Final[Table] = (
    (errors.Timeout, lambda error, instance: exception.InstancePowerOffFailure(reason=str(error))),
    (errors.InvalidState, lambda error, instance: exception.InstancePowerOffFailure(reason=str(error))),
    (errors.Busy, lambda error, instance: exception.InstancePowerOffFailure(reason=str(error))),
    *GUEST,
)
"""Stopping a guest."""

DESTROY: Final[Table] = (
    (errors.NotSupported, lambda error, instance: NotImplementedError(str(error))),
    (errors.InstanceNotFound, lambda error, instance: exception.InstanceNotFound(instance_id=uuid_of(instance))),
    (errors.VirtError, lambda error, instance: exception.InstancePowerOffFailure(reason=str(error))),
)
"""Removing a guest. After any other exception than the last one Nova frees the ports of a guest that may still run."""

RUNNING: Final[Table] = (
    (errors.InvalidState, lambda error, instance: exception.InstanceNotRunning(instance_id=uuid_of(instance))),
    *GUEST,
)
"""What only a running guest can do."""

CONSOLE: Final[Table] = (
    (errors.InvalidState, lambda error, instance: exception.InstanceNotReady(instance_id=uuid_of(instance))),
    *GUEST,
)
"""Reaching a guest's console."""

ATTACH: Final[Table] = (
    (errors.NotSupported, lambda error, instance: NotImplementedError(str(error))),
    (errors.InstanceNotFound, lambda error, instance: exception.InstanceNotFound(instance_id=uuid_of(instance))),
    (
        errors.VirtError,
        lambda error, instance: exception.InterfaceAttachFailed(str(error), instance_uuid=uuid_of(instance)),
    ),
)
"""Giving a guest an interface."""

DETACH: Final[Table] = (
    *ATTACH[:-1],
    (
        errors.VirtError,
        lambda error, instance: exception.InterfaceDetachFailed(str(error), instance_uuid=uuid_of(instance)),
    ),
)
"""Taking an interface from a guest."""

VOLUME: Final[Table] = (
    (errors.NoCapacity, lambda error, instance: exception.TooManyDiskDevices(str(error))),
    (errors.VolumeError, lambda error, instance: exception.InvalidVolume(reason=str(error))),
    *GUEST,
)
"""Giving a guest a volume, or another one for it, or telling it that one has grown."""

DETACH_VOLUME: Final[Table] = (
    (errors.VolumeError, lambda error, instance: exception.DeviceDetachFailed(device="a volume", reason=str(error))),
    (errors.Timeout, lambda error, instance: exception.DeviceDetachFailed(device="a volume", reason=str(error))),
    *GUEST,
)
"""Taking a volume from a guest."""

MOVE: Final[Table] = (
    (errors.MigrationError, lambda error, instance: exception.MigrationError(reason=str(error))),
    *GUEST,
)
"""Giving a guest another size or another host."""

CHECK: Final[Table] = (
    (errors.InstanceNotFound, lambda error, instance: exception.InstanceNotFound(instance_id=uuid_of(instance))),
    (errors.VirtError, lambda error, instance: exception.MigrationPreCheckError(reason=str(error))),
)
"""Finding out whether a running guest can go to a host, and making room for it there."""

HOST: Final[Table] = (
    (errors.NotSupported, lambda error, instance: NotImplementedError(str(error))),
    (errors.InvalidSpec, lambda error, instance: exception.InvalidInput(reason=str(error))),
    (errors.ConnectionLost, lambda error, instance: exception.VirtDriverNotReady(str(error))),
    (errors.Unavailable, lambda error, instance: exception.VirtDriverNotReady(str(error))),
    (errors.AuthenticationFailed, lambda error, instance: exception.VirtDriverNotReady(str(error))),
    (errors.VirtError, lambda error, instance: exception.NovaException(str(error))),
)
"""What concerns the host: Nova asks again later."""

START: Final[Table] = (
    (errors.ConfigError, lambda error, instance: exception.InvalidConfiguration(str(error))),
    (errors.DriverLoadError, lambda error, instance: exception.InvalidConfiguration(str(error))),
    (errors.AuthenticationFailed, lambda error, instance: exception.InvalidConfiguration(str(error))),
    *GUEST,
)
"""Opening the endpoint when nova-compute starts."""


@contextmanager
def nova_errors(table: Table = GUEST, instance: Any = None) -> Iterator[None]:
    """Let what is raised inside leave as Nova's exception; ours is its ``__cause__``."""
    try:
        yield
    except errors.VirtError as error:
        made = translated(error, table, instance)
        raise made from (made.__cause__ if made is error.__cause__ else error)


def translated(
    error: errors.VirtError, table: Iterable[tuple[type[errors.VirtError], Make]], instance: Any
) -> Exception:
    """Nova's exception for an error."""
    return next(make(error, instance) for kind, make in table if isinstance(error, kind))

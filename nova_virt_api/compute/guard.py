"""The guarantee that only errors of this API come out of a driver."""

from collections.abc import Callable
from typing import TypeVar

from nova_virt_api.errors import DriverBug, StateAfter, VirtError

T = TypeVar("T")


def guarded(verb: str, guest: object, call: Callable[[], T]) -> T:
    """Call a driver; what it raises comes out as a :class:`VirtError` that names the verb and the guest."""
    try:
        return call()
    except VirtError as error:
        raise in_context(error, verb, guest) from error.__cause__
    except Exception as error:
        raise in_context(escaped(error), verb, guest) from error


def in_context(error: VirtError, verb: str, guest: object) -> VirtError:
    """The error with the verb and the guest that it belongs to."""
    if not error.verb:
        error.verb = verb
        error.guest = "" if guest is None else str(guest)
    return error


def escaped(error: BaseException) -> DriverBug:
    """The error for a native exception that a driver let through. Its text may hold secrets, so it is not repeated."""
    kind = type(error)
    return DriverBug(
        f"the driver let a native {kind.__module__}.{kind.__qualname__} escape",
        hint="please report it to the driver's authors with the cause below",
        state_after=StateAfter.UNKNOWN,
    )

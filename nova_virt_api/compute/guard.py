"""The guarantee that only errors of this API come out of a driver."""

from collections.abc import Callable
from typing import TypeVar

from nova_virt_api.compute.way_out import way_out
from nova_virt_api.errors import DriverBug, InvalidState, StateAfter, VirtError

T = TypeVar("T")


def guarded(verb: str, guest: object, call: Callable[[], T], *, node: str = "") -> T:
    """Call a driver; what it raises comes out as a :class:`VirtError` that names the verb and the guest or node."""
    try:
        return call()
    except VirtError as error:
        raise in_context(error, verb, guest, node) from error.__cause__
    except Exception as error:
        raise in_context(escaped(error), verb, guest, node) from error


def in_context(error: VirtError, verb: str, guest: object, node: str = "") -> VirtError:
    """The error with the verb and the guest or node that it belongs to, and a way out of a state if there is one."""
    if not error.verb:
        error.verb = verb
        error.guest = "" if guest is None else str(guest)
        error.node = node
    if isinstance(error, InvalidState):
        error.hint = error.hint or way_out(error)
    return error


def escaped(error: BaseException) -> DriverBug:
    """The error for a native exception that a driver let through. Its text may hold secrets, so it is not repeated."""
    kind = type(error)
    return DriverBug(
        f"the driver let a native {kind.__module__}.{kind.__qualname__} escape",
        hint="please report it to the driver's authors with the cause below",
        state_after=StateAfter.UNKNOWN,
    )

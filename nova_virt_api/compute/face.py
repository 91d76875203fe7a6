"""What the three faces of an endpoint stand on: verbs that are submitted, that block, that are awaited."""

from __future__ import annotations

import logging
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar
from uuid import UUID

from nova_virt_api.compute import admission
from nova_virt_api.compute.guard import escaped, guarded
from nova_virt_api.compute.operation import DriverSide, Operation
from nova_virt_api.driver.operation import Stage
from nova_virt_api.errors import ConnectionLost, InvalidSpec, VirtError
from nova_virt_api.model.identity import InstanceRef
from nova_virt_api.model.instance import Instance

if TYPE_CHECKING:
    from nova_virt_api.compute.compute import Compute
    from nova_virt_api.compute.submit import Submit
    from nova_virt_api.compute.turns import Turns
    from nova_virt_api.driver.driver import Driver
    from nova_virt_api.driver.role import Role

T = TypeVar("T")
R = TypeVar("R", bound="Role")
LOG = logging.getLogger(__name__)

GuestLike: TypeAlias = UUID | Instance | InstanceRef
"""What names a guest: its uuid, or the guest as last seen."""

Hooks: TypeAlias = Mapping[Stage, Callable[[Operation[Any]], None]]
"""What to run, within the deadline, when a spawn, a start or a resume reaches a stage, e.g. to plug its networks."""

OnProgress: TypeAlias = Callable[[Operation[Any]], None]
"""Called in the operation's thread whenever stage or progress changed."""


class SubmitFace:
    """Base of ``compute.submit``: how a verb begins.

    Args:
        driver: the opened driver.
        turns: where operations wait and run.
    """

    def __init__(self, driver: Driver, turns: Turns) -> None:
        self._driver = driver
        self._turns = turns

    def _role(self, verb: str, guest: InstanceRef | None, kind: type[R], *, node: str = "") -> R:
        return guarded(verb, guest, lambda: admission.admitted_role(self._driver, kind), node=node)

    def _start(
        self, operation: Operation[T], call: Callable[[DriverSide], T], *, pre_empt: bool = False
    ) -> Operation[T]:
        self._turns.add(operation, lambda: run(operation, call), pre_empt=pre_empt)
        return operation


class ComputeFace:
    """Base of ``Compute``: how something is read.

    Args:
        driver: the opened driver.
        submit: the verbs that it waits for.
    """

    def __init__(self, driver: Driver, submit: Submit) -> None:
        self._driver = driver
        self.submit = submit

    def _read(self, verb: str, guest: object, call: Callable[[], T]) -> T:
        began = time.perf_counter()
        try:
            return guarded(verb, guest, call)
        except ConnectionLost:
            LOG.debug("%s: connection lost, asking once more", verb)
            return guarded(verb, guest, call)
        finally:
            LOG.debug("%s %s: %.6f s", verb, guest, time.perf_counter() - began)

    def _read_role(self, verb: str, guest: InstanceRef | None, kind: type[R], call: Callable[[R], T]) -> T:
        role = guarded(verb, guest, lambda: admission.admitted_role(self._driver, kind))
        return self._read(verb, guest, lambda: call(role))


class AsyncFace(ABC):
    """Base of ``AsyncCompute``: how reads and verbs are awaited.

    Args:
        compute: the endpoint.
    """

    def __init__(self, compute: Compute) -> None:
        self.compute = compute

    @abstractmethod
    async def _read(self, read: Callable[[], T]) -> T:
        """Await what a read finds."""

    @abstractmethod
    async def _outcome(self, submit: Callable[[], Operation[T]]) -> T:
        """Await what an operation results in."""


def run(operation: Operation[T], call: Callable[[DriverSide], T]) -> None:
    """Do an operation's work on the thread that this is called on; its outcome is found in the operation."""
    began = time.perf_counter()
    verb, subject = operation.verb, operation.subject
    try:
        result = guarded(verb, operation.guest, lambda: call(DriverSide(operation)), node=operation.node)
    except VirtError as error:
        operation.fail(error)
        LOG.debug("%s %s: %s after %.3f s", verb, subject, error.code, time.perf_counter() - began)
    except BaseException as error:  # noqa: BLE001 - e.g. SystemExit must not end the thread with the guest locked
        operation.fail(escaped(error))
    else:
        operation.complete(result)
        LOG.debug("%s %s: done in %.3f s", verb, subject, time.perf_counter() - began)


def reference(guest: GuestLike) -> InstanceRef:
    """What the driver is told of a guest.

    Raises:
        InvalidSpec: it names no guest.
    """
    if isinstance(guest, Instance):
        return guest.ref
    if isinstance(guest, UUID):
        return InstanceRef(uuid=guest)
    if isinstance(guest, InstanceRef):
        return guest
    raise InvalidSpec("guest", guest, "a uuid.UUID or an Instance; compute.find(name) finds one by name")

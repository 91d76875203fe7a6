"""The mutating verbs, each as an operation that is under way when the call returns."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final, TypeAlias, TypeVar
from uuid import UUID

from nova_virt_api.capability import Feature
from nova_virt_api.compute import admission
from nova_virt_api.compute.guard import escaped, guarded
from nova_virt_api.compute.operation import DriverSide, Operation
from nova_virt_api.compute.turns import Turns
from nova_virt_api.driver.operation import Stage
from nova_virt_api.driver.pause import Pause
from nova_virt_api.driver.snapshot import Snapshot
from nova_virt_api.driver.suspend import Suspend
from nova_virt_api.errors import InvalidSpec, VirtError
from nova_virt_api.model.check import check, check_seconds
from nova_virt_api.model.identity import InstanceRef
from nova_virt_api.model.image import ImageInfo, ImageTarget, LocalTarget, NativeTarget
from nova_virt_api.model.instance import DiskPolicy, Instance, PowerOff

if TYPE_CHECKING:
    from nova_virt_api.driver.driver import Driver
    from nova_virt_api.model.spec import InstanceSpec, InstanceUpdate

T = TypeVar("T")
LOG = logging.getLogger(__name__)
GRACE_SECONDS: Final = 60.0
SPAWN_HOOKS: Final = (Stage.NETWORK_READY, Stage.DISKS_READY, Stage.BEFORE_START)
START_HOOKS: Final = (Stage.BEFORE_START,)

GuestLike: TypeAlias = UUID | Instance | InstanceRef
"""What names a guest: its uuid, or the guest as last seen."""

Hooks: TypeAlias = Mapping[Stage, Callable[[Operation[Any]], None]]
"""What to run, within the deadline, when a spawn, a start or a resume reaches a stage, e.g. to plug its networks."""

OnProgress: TypeAlias = Callable[[Operation[Any]], None]
"""Called in the operation's thread whenever stage or progress changed."""


class Submit:
    """``compute.submit``: every verb of ``Compute``, returning its :class:`Operation` at once.

    Semantics and errors are those of the verb in :class:`nova_virt_api.driver.driver.Driver` or its role. A request
    that the endpoint cannot serve is refused by the call itself, anything later by ``Operation.result()``.
    ``timeout`` is in seconds and sets the deadline; None sets none.
    """

    def __init__(self, driver: Driver, turns: Turns) -> None:
        self._driver = driver
        self._turns = turns

    def __call__(self, verb: str, *arguments: Any, **options: Any) -> Operation[Any]:
        """The verb of this name, e.g. ``compute.submit("spawn", spec)`` for ``compute.submit.spawn(spec)``.

        Raises:
            InvalidSpec: there is no verb of this name.
        """
        verbs = [name for name, member in vars(Submit).items() if callable(member) and not name.startswith("_")]
        if verb not in verbs:
            raise InvalidSpec("verb", verb, f"one of: {', '.join(verbs)}")
        operation: Operation[Any] = getattr(self, verb)(*arguments, **options)
        return operation

    def spawn(
        self,
        spec: InstanceSpec,
        *,
        timeout: float | None = None,
        hooks: Hooks | None = None,
        on_progress: OnProgress | None = None,
    ) -> Operation[Instance]:
        """See :meth:`nova_virt_api.driver.driver.Driver.spawn`."""
        guarded("spawn", None, lambda: admission.admit_spec(self._driver, spec))
        admission.check_hooks(hooks, SPAWN_HOOKS)
        operation = Operation[Instance]("spawn", spec.uuid, timeout=timeout, hooks=hooks, on_progress=on_progress)
        return self._start(operation, lambda op: self._driver.spawn(spec, op))

    def destroy(
        self,
        guest: GuestLike,
        *,
        disks: DiskPolicy = DiskPolicy.DELETE,
        foreign: bool = False,
        timeout: float | None = None,
        on_progress: OnProgress | None = None,
    ) -> Operation[bool]:
        """See :meth:`nova_virt_api.driver.driver.Driver.destroy`; cancels what else runs or waits for the guest."""
        ref = reference(guest)
        admission.check_kind("disks", disks, DiskPolicy)
        if disks is DiskPolicy.KEEP:
            guarded("destroy", ref, lambda: admission.admit_feature(self._driver, Feature.KEEP_DISKS, "disks"))
        operation = Operation[bool]("destroy", ref.uuid, timeout=timeout, on_progress=on_progress)
        return self._start(
            operation, lambda op: self._driver.destroy(ref, op, disks=disks, foreign=foreign), pre_empt=True
        )

    def power_on(
        self,
        guest: GuestLike,
        *,
        timeout: float | None = None,
        hooks: Hooks | None = None,
        on_progress: OnProgress | None = None,
    ) -> Operation[None]:
        """See :meth:`nova_virt_api.driver.driver.Driver.power_on`."""
        ref = reference(guest)
        admission.check_hooks(hooks, START_HOOKS)
        operation = Operation[None]("power_on", ref.uuid, timeout=timeout, hooks=hooks, on_progress=on_progress)
        return self._start(operation, lambda op: self._driver.power_on(ref, op))

    def power_off(
        self,
        guest: GuestLike,
        *,
        mode: PowerOff = PowerOff.GRACEFUL,
        grace_seconds: float = GRACE_SECONDS,
        timeout: float | None = None,
        on_progress: OnProgress | None = None,
    ) -> Operation[None]:
        """See :meth:`nova_virt_api.driver.driver.Driver.power_off`."""
        ref = reference(guest)
        self._admit_mode(ref, "power_off", mode, grace_seconds)
        operation = Operation[None]("power_off", ref.uuid, timeout=timeout, on_progress=on_progress)
        return self._start(
            operation, lambda op: self._driver.power_off(ref, op, mode=mode, grace_seconds=grace_seconds)
        )

    def reboot(
        self,
        guest: GuestLike,
        *,
        mode: PowerOff = PowerOff.GRACEFUL,
        grace_seconds: float = GRACE_SECONDS,
        timeout: float | None = None,
        on_progress: OnProgress | None = None,
    ) -> Operation[None]:
        """See :meth:`nova_virt_api.driver.driver.Driver.reboot`."""
        ref = reference(guest)
        self._admit_mode(ref, "reboot", mode, grace_seconds)
        operation = Operation[None]("reboot", ref.uuid, timeout=timeout, on_progress=on_progress)
        return self._start(operation, lambda op: self._driver.reboot(ref, op, mode=mode, grace_seconds=grace_seconds))

    def update(
        self,
        guest: GuestLike,
        update: InstanceUpdate,
        *,
        timeout: float | None = None,
        on_progress: OnProgress | None = None,
    ) -> Operation[Instance]:
        """See :meth:`nova_virt_api.driver.driver.Driver.update`."""
        ref = reference(guest)
        guarded("update", ref, lambda: admission.admit_update(self._driver, update))
        operation = Operation[Instance]("update", ref.uuid, timeout=timeout, on_progress=on_progress)
        return self._start(operation, lambda op: self._driver.update(ref, update, op))

    def pause(self, guest: GuestLike, *, timeout: float | None = None) -> Operation[None]:
        """See :meth:`nova_virt_api.driver.pause.Pause.pause`."""
        ref = reference(guest)
        role = guarded("pause", ref, lambda: admission.admitted_role(self._driver, Pause))
        return self._start(Operation[None]("pause", ref.uuid, timeout=timeout), lambda op: role.pause(ref, op))

    def unpause(self, guest: GuestLike, *, timeout: float | None = None) -> Operation[None]:
        """See :meth:`nova_virt_api.driver.pause.Pause.unpause`."""
        ref = reference(guest)
        role = guarded("unpause", ref, lambda: admission.admitted_role(self._driver, Pause))
        return self._start(Operation[None]("unpause", ref.uuid, timeout=timeout), lambda op: role.unpause(ref, op))

    def suspend(
        self, guest: GuestLike, *, timeout: float | None = None, on_progress: OnProgress | None = None
    ) -> Operation[None]:
        """See :meth:`nova_virt_api.driver.suspend.Suspend.suspend`."""
        ref = reference(guest)
        role = guarded("suspend", ref, lambda: admission.admitted_role(self._driver, Suspend))
        operation = Operation[None]("suspend", ref.uuid, timeout=timeout, on_progress=on_progress)
        return self._start(operation, lambda op: role.suspend(ref, op))

    def resume(
        self,
        guest: GuestLike,
        *,
        timeout: float | None = None,
        hooks: Hooks | None = None,
        on_progress: OnProgress | None = None,
    ) -> Operation[None]:
        """See :meth:`nova_virt_api.driver.suspend.Suspend.resume`."""
        ref = reference(guest)
        role = guarded("resume", ref, lambda: admission.admitted_role(self._driver, Suspend))
        admission.check_hooks(hooks, START_HOOKS)
        operation = Operation[None]("resume", ref.uuid, timeout=timeout, hooks=hooks, on_progress=on_progress)
        return self._start(operation, lambda op: role.resume(ref, op))

    def snapshot(
        self,
        guest: GuestLike,
        target: ImageTarget,
        *,
        timeout: float | None = None,
        on_progress: OnProgress | None = None,
    ) -> Operation[ImageInfo]:
        """See :meth:`nova_virt_api.driver.snapshot.Snapshot.snapshot`."""
        ref = reference(guest)
        good = isinstance(target, LocalTarget | NativeTarget)
        check(good, "target", target, "a LocalTarget or a NativeTarget")
        role = guarded("snapshot", ref, lambda: admission.admitted_role(self._driver, Snapshot))
        operation = Operation[ImageInfo]("snapshot", ref.uuid, timeout=timeout, on_progress=on_progress)
        return self._start(operation, lambda op: role.snapshot(ref, target, op))

    def _admit_mode(self, ref: InstanceRef, verb: str, mode: PowerOff, grace_seconds: float) -> None:
        admission.check_kind("mode", mode, PowerOff)
        check_seconds("grace_seconds", grace_seconds)
        if mode is PowerOff.GRACEFUL:
            feature = Feature.GRACEFUL_POWER_OFF
            guarded(verb, ref, lambda: admission.admit_feature(self._driver, feature, "mode"))

    def _start(
        self, operation: Operation[T], call: Callable[[DriverSide], T], *, pre_empt: bool = False
    ) -> Operation[T]:
        self._turns.add(operation, lambda: run(operation, call), pre_empt=pre_empt)
        return operation


def run(operation: Operation[T], call: Callable[[DriverSide], T]) -> None:
    """Do an operation's work on the thread that this is called on; its outcome is found in the operation."""
    began = time.perf_counter()
    try:
        result = guarded(operation.verb, operation.guest, lambda: call(DriverSide(operation)))
    except VirtError as error:
        operation.fail(error)
        LOG.debug("%s %s: %s after %.3f s", operation.verb, operation.guest, error.code, time.perf_counter() - began)
    except BaseException as error:  # noqa: BLE001 - e.g. SystemExit must not end the thread with the guest locked
        operation.fail(escaped(error))
    else:
        operation.complete(result)
        LOG.debug("%s %s: done in %.3f s", operation.verb, operation.guest, time.perf_counter() - began)


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

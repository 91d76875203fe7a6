"""The mutating verbs, each as an operation that is under way when the call returns."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from nova_virt_api.capability import Feature
from nova_virt_api.compute import admission
from nova_virt_api.compute.face import reference
from nova_virt_api.compute.guard import guarded
from nova_virt_api.compute.operation import Operation
from nova_virt_api.compute.roles.attaching import SubmitAttaching
from nova_virt_api.compute.roles.backup import SubmitBackup
from nova_virt_api.compute.roles.caching import SubmitCaching
from nova_virt_api.compute.roles.checkpointing import SubmitCheckpointing
from nova_virt_api.compute.roles.cloning import SubmitCloning
from nova_virt_api.compute.roles.growing import SubmitGrowing
from nova_virt_api.compute.roles.halting import SubmitHalting
from nova_virt_api.compute.roles.hosts import SubmitHosts
from nova_virt_api.compute.roles.imaging import SubmitImaging
from nova_virt_api.compute.roles.inside import SubmitInside
from nova_virt_api.compute.roles.migrating import SubmitMigrating
from nova_virt_api.compute.roles.moving import SubmitMoving
from nova_virt_api.compute.roles.ownership import SubmitOwnership
from nova_virt_api.compute.roles.repair import SubmitRepair
from nova_virt_api.compute.roles.sharing import SubmitSharing
from nova_virt_api.compute.roles.storage_volumes import SubmitStorageVolumes
from nova_virt_api.compute.roles.vendor import SubmitVendor
from nova_virt_api.compute.roles.volumes import SubmitVolumes
from nova_virt_api.errors import InvalidSpec
from nova_virt_api.model.check import check_seconds
from nova_virt_api.model.instance import DiskPolicy, Instance, PowerOff

if TYPE_CHECKING:
    from nova_virt_api.compute.face import GuestLike, Hooks, OnProgress
    from nova_virt_api.model.identity import InstanceRef
    from nova_virt_api.model.spec import InstanceSpec, InstanceUpdate

GRACE_SECONDS: Final = 60.0


class Submit(
    SubmitHalting,
    SubmitImaging,
    SubmitCloning,
    SubmitMoving,
    SubmitGrowing,
    SubmitCheckpointing,
    SubmitBackup,
    SubmitRepair,
    SubmitInside,
    SubmitAttaching,
    SubmitVolumes,
    SubmitStorageVolumes,
    SubmitSharing,
    SubmitCaching,
    SubmitHosts,
    SubmitMigrating,
    SubmitOwnership,
    SubmitVendor,
):
    """``compute.submit``: every verb of ``Compute``, returning its :class:`Operation` at once.

    Semantics and errors are those of the verb in :class:`nova_virt_api.driver.driver.Driver` or its role. A request
    that the endpoint cannot serve is refused by the call itself, anything later by ``Operation.result()``.
    ``timeout`` is in seconds and sets the deadline; None sets none.
    """

    def __call__(self, verb: str, *arguments: Any, **options: Any) -> Operation[Any]:
        """The verb of this name, e.g. ``compute.submit("spawn", spec)`` for ``compute.submit.spawn(spec)``.

        Raises:
            InvalidSpec: there is no verb of this name.
        """
        members = [member for face in Submit.__mro__ for member in vars(face).items()]
        verbs = [name for name, member in members if callable(member) and not name.startswith("_")]
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
        admission.check_hooks(hooks, admission.SPAWN_HOOKS)
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
        admission.check_hooks(hooks, admission.START_HOOKS)
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

    def _admit_mode(self, ref: InstanceRef, verb: str, mode: PowerOff, grace_seconds: float) -> None:
        admission.check_kind("mode", mode, PowerOff)
        check_seconds("grace_seconds", grace_seconds)
        if mode is PowerOff.GRACEFUL:
            feature = Feature.GRACEFUL_POWER_OFF
            guarded(verb, ref, lambda: admission.admit_feature(self._driver, feature, "mode"))

"""The user's handle on one endpoint."""

from __future__ import annotations

from contextlib import contextmanager
from difflib import get_close_matches
from typing import TYPE_CHECKING, TypeVar, overload

from nova_virt_api.compute import admission
from nova_virt_api.compute.face import reference
from nova_virt_api.compute.guard import guarded
from nova_virt_api.compute.hub import Hub, Slots
from nova_virt_api.compute.operation import outcome_of
from nova_virt_api.compute.roles.attaching import ComputeAttaching
from nova_virt_api.compute.roles.backup import ComputeBackup
from nova_virt_api.compute.roles.caching import ComputeCaching
from nova_virt_api.compute.roles.checkpointing import ComputeCheckpointing
from nova_virt_api.compute.roles.cloning import ComputeCloning
from nova_virt_api.compute.roles.growing import ComputeGrowing
from nova_virt_api.compute.roles.halting import ComputeHalting
from nova_virt_api.compute.roles.hosts import ComputeHosts
from nova_virt_api.compute.roles.imaging import ComputeImaging
from nova_virt_api.compute.roles.inside import ComputeInside
from nova_virt_api.compute.roles.migrating import ComputeMigrating
from nova_virt_api.compute.roles.moving import ComputeMoving
from nova_virt_api.compute.roles.ownership import ComputeOwnership
from nova_virt_api.compute.roles.repair import ComputeRepair
from nova_virt_api.compute.roles.sharing import ComputeSharing
from nova_virt_api.compute.roles.storage_volumes import ComputeStorageVolumes
from nova_virt_api.compute.roles.vendor import ComputeVendor
from nova_virt_api.compute.roles.volumes import ComputeVolumes
from nova_virt_api.compute.submit import GRACE_SECONDS, Submit
from nova_virt_api.compute.turns import Turns
from nova_virt_api.compute.until import Condition, GuestCondition, IsGone
from nova_virt_api.compute.wait import Waiting
from nova_virt_api.compute.watch import Watch
from nova_virt_api.errors import Ambiguous, InstanceNotFound
from nova_virt_api.model.instance import DiskPolicy, PowerOff, Scope

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from types import TracebackType

    from nova_virt_api.compute.face import GuestLike, Hooks, OnProgress
    from nova_virt_api.compute.operation import Operation
    from nova_virt_api.driver.driver import Driver
    from nova_virt_api.driver.role import Role
    from nova_virt_api.model.capabilities import Capabilities
    from nova_virt_api.model.instance import Instance
    from nova_virt_api.model.leftover import Leftover
    from nova_virt_api.model.place import Inventory, Network, Node, StoragePool
    from nova_virt_api.model.spec import InstanceSpec, InstanceUpdate

R = TypeVar("R", bound="Role")


class Compute(
    ComputeHalting,
    ComputeImaging,
    ComputeCloning,
    ComputeMoving,
    ComputeGrowing,
    ComputeCheckpointing,
    ComputeBackup,
    ComputeRepair,
    ComputeInside,
    ComputeAttaching,
    ComputeVolumes,
    ComputeStorageVolumes,
    ComputeSharing,
    ComputeCaching,
    ComputeHosts,
    ComputeMigrating,
    ComputeOwnership,
    ComputeVendor,
):
    """An open endpoint: uniform verbs over its driver. Thread-safe; a context manager that closes it.

    Reads see everything that the account sees. Verbs work one at a time per guest, or node, in this process,
    block until the hypervisor has done it, and take ``timeout`` (seconds until the deadline, None for none) and mostly
    ``on_progress``; ``compute.submit.<verb>`` is the same without blocking. Ctrl-C in a verb cancels it. Every error is
    a ``VirtError``. What a verb means, the states it allows and the errors it raises are described where drivers are:
    see :class:`nova_virt_api.driver.driver.Driver` and the roles beside it.

    Args:
        driver: an opened driver; :func:`nova_virt_api.connect` makes and opens one.
    """

    def __init__(self, driver: Driver) -> None:
        self._turns = Turns()
        self._hub = Hub(driver)
        super().__init__(driver, Submit(driver, self._turns))

    def __repr__(self) -> str:
        endpoint = self._driver.endpoint
        return f"<Compute {endpoint.driver} owner={endpoint.owner!r}>"

    # --- reads ----------------------------------------------------------------------------------------------------

    def capabilities(self, node: str | None = None) -> Capabilities:
        """What the endpoint, or one node, can do."""
        return self._read("capabilities", None, lambda: self._driver.capabilities(node))

    def nodes(self) -> Sequence[Node]:
        """What guests run on."""
        return self._read("nodes", None, lambda: tuple(self._driver.nodes()))

    def inventory(self, node: str | None = None) -> Inventory:
        """What a node has to give; ``node`` may be left out where there is one."""
        return self._read("inventory", None, lambda: self._driver.inventory(node))

    def storage_pools(self) -> Sequence[StoragePool]:
        """The places for disks."""
        return self._read("storage_pools", None, lambda: tuple(self._driver.storage_pools()))

    def networks(self) -> Sequence[Network]:
        """What NICs can be connected to."""
        return self._read("networks", None, lambda: tuple(self._driver.networks()))

    def instances(self, *, scope: Scope = Scope.ALL, fresh: bool = False) -> Sequence[Instance]:
        """All guests, or with ``Scope.OWNED`` those that this connection owns.

        Args:
            scope: which guests.
            fresh: look past caches; without it a listing is at most ``capabilities().staleness_seconds`` old.
        """
        admission.check_kind("scope", scope, Scope)
        found = self._read("instances", None, lambda: self._driver.instances(fresh=fresh))
        return found if scope is Scope.ALL else tuple(instance for instance in found if instance.owned)

    def instance(self, guest: GuestLike, *, fresh: bool = False) -> Instance:
        """One guest as it is now.

        Raises:
            InstanceNotFound: no such guest here.
        """
        ref = reference(guest)
        return self._read("instance", ref, lambda: self._driver.instance(ref, fresh=fresh))

    def find(self, name: str) -> Instance:
        """The guest of this name, or of this uuid written out.

        Raises:
            InstanceNotFound: there is none.
            Ambiguous: there are several; names their uuids.
        """
        everything = self.instances()
        found = [guest for guest in everything if name in (guest.name, str(guest.uuid))]
        if not found:
            close = get_close_matches(str(name), [guest.name for guest in everything], n=1)
            meant = f"did you mean {close[0]!r}? " if close else ""
            raise InstanceNotFound(
                f"no guest called {name!r} here", hint=f"{meant}instances() shows the guests there are"
            )
        if len(found) > 1:
            raise Ambiguous(f"{len(found)} guests are called {name!r}", [str(guest.uuid) for guest in found])
        return found[0]

    def leftovers(self) -> Sequence[Leftover]:
        """What of this owner's belongs to no finished guest; ``destroy`` of its uuid removes it."""
        return self._read("leftovers", None, self._driver.leftovers)

    # --- verbs ----------------------------------------------------------------------------------------------------

    def spawn(
        self,
        spec: InstanceSpec,
        *,
        timeout: float | None = None,
        hooks: Hooks | None = None,
        on_progress: OnProgress | None = None,
    ) -> Instance:
        """Make a guest. Idempotent on its uuid.

        Args:
            spec: the guest.
            timeout: seconds until the deadline.
            hooks: what to run when the stages NETWORK_READY, DISKS_READY or BEFORE_START are reached.
            on_progress: called whenever stage or progress changed.
        """
        return outcome_of(self.submit.spawn(spec, timeout=timeout, hooks=hooks, on_progress=on_progress))

    def destroy(
        self,
        guest: GuestLike,
        *,
        disks: DiskPolicy = DiskPolicy.DELETE,
        foreign: bool = False,
        timeout: float | None = None,
        on_progress: OnProgress | None = None,
    ) -> bool:
        """Remove a guest with all that it owned, from every state; returns whether anything was there."""
        operation = self.submit.destroy(guest, disks=disks, foreign=foreign, timeout=timeout, on_progress=on_progress)
        return outcome_of(operation)

    def power_on(
        self,
        guest: GuestLike,
        *,
        timeout: float | None = None,
        hooks: Hooks | None = None,
        on_progress: OnProgress | None = None,
    ) -> None:
        """Start a guest; a hook may run at the stage BEFORE_START."""
        outcome_of(self.submit.power_on(guest, timeout=timeout, hooks=hooks, on_progress=on_progress))

    def power_off(
        self,
        guest: GuestLike,
        *,
        mode: PowerOff = PowerOff.GRACEFUL,
        grace_seconds: float = GRACE_SECONDS,
        timeout: float | None = None,
        on_progress: OnProgress | None = None,
    ) -> None:
        """Stop a guest: ask it, and take its power away when it has not obeyed within the grace time."""
        operation = self.submit.power_off(
            guest, mode=mode, grace_seconds=grace_seconds, timeout=timeout, on_progress=on_progress
        )
        outcome_of(operation)

    def reboot(
        self,
        guest: GuestLike,
        *,
        mode: PowerOff = PowerOff.GRACEFUL,
        grace_seconds: float = GRACE_SECONDS,
        timeout: float | None = None,
        on_progress: OnProgress | None = None,
    ) -> None:
        """Restart a guest."""
        operation = self.submit.reboot(
            guest, mode=mode, grace_seconds=grace_seconds, timeout=timeout, on_progress=on_progress
        )
        outcome_of(operation)

    def update(
        self,
        guest: GuestLike,
        update: InstanceUpdate,
        *,
        timeout: float | None = None,
        on_progress: OnProgress | None = None,
    ) -> Instance:
        """Change a guest's name or labels."""
        return outcome_of(self.submit.update(guest, update, timeout=timeout, on_progress=on_progress))

    # --- waiting and watching -------------------------------------------------------------------------------------

    @overload
    def wait_for(self, guest: GuestLike, condition: GuestCondition, *, timeout: float | None = None) -> Instance: ...

    @overload
    def wait_for(self, guest: GuestLike, condition: IsGone, *, timeout: float | None = None) -> None: ...

    def wait_for(self, guest: GuestLike, condition: Condition, *, timeout: float | None = None) -> Instance | None:
        """Wait until a condition of the guest holds; see :mod:`nova_virt_api.compute.until`.

        Returns:
            The guest as it was then; None for ``until.gone()``.

        Raises:
            Timeout: it did not within ``timeout`` seconds; says what was seen last.
            InstanceNotFound: the guest is not there, unless that was waited for.
        """
        admission.check_kind("condition", condition, Condition, "until.agent()")
        waiting = self.waiting(guest, condition, timeout)
        with self.listening(Slots(waiting.guest.uuid)) as slots:
            while not waiting.look():
                slots.take(waiting.pause)
        return waiting.instance

    def watch(self, *, scope: Scope = Scope.ALL) -> Watch:
        """Iterate over what is there and then over every change, until closed."""
        return self.watching(Slots(), scope)

    def watching(self, slots: Slots, scope: Scope) -> Watch:
        """A watch over these slots, for those who are woken differently than :meth:`watch` does."""
        admission.check_kind("scope", scope, Scope)
        return guarded("watch", None, lambda: Watch(self._hub, slots, self.instances, scope))

    def waiting(self, guest: GuestLike, condition: Condition, timeout: float | None) -> Waiting:
        """The steps of a wait, for those who schedule them differently than :meth:`wait_for` does."""
        ref = reference(guest)
        return Waiting(
            ref, condition, timeout, lambda: self.instance(ref, fresh=True), closed=lambda: self._turns.closed
        )

    @contextmanager
    def listening(self, slots: Slots) -> Iterator[Slots]:
        """Put all events into these slots for a while."""
        guarded("events", None, lambda: self._hub.join(slots))
        try:
            yield slots
        finally:
            self._hub.leave(slots)

    # --- the rest -------------------------------------------------------------------------------------------------

    def operations(self) -> list[Operation[object]]:
        """What runs or waits for its turn now."""
        return self._turns.operations()

    def role(self, kind: type[R]) -> R:
        """The driver as a role of the vendor's own, defined in the driver's package; outside this class's guarantees.

        For reads. Verbs of such a role take an operation, which :meth:`perform` gives them.

        Raises:
            InvalidSpec: the driver does not have it.
            NotSupported: the endpoint cannot serve it.
        """
        return guarded("role", None, lambda: admission.admitted_role(self._driver, kind))

    @contextmanager
    def native(self) -> Iterator[object]:
        """The SDK's own handle, outside all guarantees."""
        yield guarded("native", None, self._driver.native)

    def close(self, *, cancel: bool = False) -> None:
        """Wait for what is under way, or with ``cancel`` ask it to stop first, end watches, disconnect. Idempotent."""
        self._turns.close(cancel=cancel)
        self._hub.close()
        guarded("close", None, self._driver.close)

    def __enter__(self) -> Compute:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close(cancel=kind is not None)

"""The asyncio face: every verb of ``Compute`` awaitable. A verb that is under way holds no thread of the event loop's.

Cancelling a task that awaits a verb cancels its operation and waits for the outcome before ``CancelledError`` goes on,
so that the guest is never left in the middle of something that nobody looks after.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
from typing import TYPE_CHECKING, Any, TypeVar, overload

from nova_virt_api.compute.compute import Compute
from nova_virt_api.compute.connect import connect as connect_blocking
from nova_virt_api.compute.hub import Slots
from nova_virt_api.compute.roles.attaching import AsyncAttaching
from nova_virt_api.compute.roles.backup import AsyncBackup
from nova_virt_api.compute.roles.caching import AsyncCaching
from nova_virt_api.compute.roles.checkpointing import AsyncCheckpointing
from nova_virt_api.compute.roles.cloning import AsyncCloning
from nova_virt_api.compute.roles.growing import AsyncGrowing
from nova_virt_api.compute.roles.halting import AsyncHalting
from nova_virt_api.compute.roles.hosts import AsyncHosts
from nova_virt_api.compute.roles.imaging import AsyncImaging
from nova_virt_api.compute.roles.inside import AsyncInside
from nova_virt_api.compute.roles.migrating import AsyncMigrating
from nova_virt_api.compute.roles.moving import AsyncMoving
from nova_virt_api.compute.roles.ownership import AsyncOwnership
from nova_virt_api.compute.roles.repair import AsyncRepair
from nova_virt_api.compute.roles.sharing import AsyncSharing
from nova_virt_api.compute.roles.storage_volumes import AsyncStorageVolumes
from nova_virt_api.compute.roles.vendor import AsyncVendor
from nova_virt_api.compute.roles.volumes import AsyncVolumes
from nova_virt_api.compute.submit import GRACE_SECONDS
from nova_virt_api.compute.watch import PAUSE_BEFORE_RELISTING, Watch
from nova_virt_api.errors import VirtError
from nova_virt_api.model.instance import DiskPolicy, PowerOff, Scope

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence
    from types import TracebackType
    from uuid import UUID

    from nova_virt_api.compute.face import GuestLike, Hooks, OnProgress
    from nova_virt_api.compute.operation import Operation
    from nova_virt_api.compute.until import Condition, GuestCondition, IsGone
    from nova_virt_api.events import WatchEvent
    from nova_virt_api.model.capabilities import Capabilities
    from nova_virt_api.model.instance import Instance
    from nova_virt_api.model.leftover import Leftover
    from nova_virt_api.model.place import Inventory, Network, Node, StoragePool
    from nova_virt_api.model.spec import InstanceSpec, InstanceUpdate

T = TypeVar("T")


async def connect(driver: str | None = None, **options: Any) -> AsyncCompute:
    """Open an endpoint; takes what :func:`nova_virt_api.connect` takes and raises what it raises."""
    return AsyncCompute(await kept(lambda: connect_blocking(driver, **options), undo=Compute.close))


class AsyncCompute(
    AsyncHalting,
    AsyncImaging,
    AsyncCloning,
    AsyncMoving,
    AsyncGrowing,
    AsyncCheckpointing,
    AsyncBackup,
    AsyncRepair,
    AsyncInside,
    AsyncAttaching,
    AsyncVolumes,
    AsyncStorageVolumes,
    AsyncSharing,
    AsyncCaching,
    AsyncHosts,
    AsyncMigrating,
    AsyncOwnership,
    AsyncVendor,
):
    """An open endpoint for asyncio. Verbs, arguments and errors are those of :class:`Compute`.

    Args:
        compute: the endpoint; may be used by threads at the same time.
    """

    # --- reads ----------------------------------------------------------------------------------------------------

    async def capabilities(self, node: str | None = None) -> Capabilities:
        """See :meth:`Compute.capabilities`."""
        return await self._read(lambda: self.compute.capabilities(node))

    async def nodes(self) -> Sequence[Node]:
        """See :meth:`Compute.nodes`."""
        return await self._read(self.compute.nodes)

    async def inventory(self, node: str | None = None) -> Inventory:
        """See :meth:`Compute.inventory`."""
        return await self._read(lambda: self.compute.inventory(node))

    async def storage_pools(self) -> Sequence[StoragePool]:
        """See :meth:`Compute.storage_pools`."""
        return await self._read(self.compute.storage_pools)

    async def networks(self) -> Sequence[Network]:
        """See :meth:`Compute.networks`."""
        return await self._read(self.compute.networks)

    async def instances(self, *, scope: Scope = Scope.ALL, fresh: bool = False) -> Sequence[Instance]:
        """See :meth:`Compute.instances`."""
        return await self._read(lambda: self.compute.instances(scope=scope, fresh=fresh))

    async def instance(self, guest: GuestLike, *, fresh: bool = False) -> Instance:
        """See :meth:`Compute.instance`."""
        return await self._read(lambda: self.compute.instance(guest, fresh=fresh))

    async def find(self, name: str) -> Instance:
        """See :meth:`Compute.find`."""
        return await self._read(lambda: self.compute.find(name))

    async def leftovers(self) -> Sequence[Leftover]:
        """See :meth:`Compute.leftovers`."""
        return await self._read(self.compute.leftovers)

    # --- verbs ----------------------------------------------------------------------------------------------------

    async def spawn(
        self,
        spec: InstanceSpec,
        *,
        timeout: float | None = None,  # the operation's own deadline, as in Compute
        hooks: Hooks | None = None,
        on_progress: OnProgress | None = None,
    ) -> Instance:
        """See :meth:`Compute.spawn`."""
        submit = self.compute.submit
        return await self._outcome(lambda: submit.spawn(spec, timeout=timeout, hooks=hooks, on_progress=on_progress))

    async def destroy(
        self,
        guest: GuestLike,
        *,
        disks: DiskPolicy = DiskPolicy.DELETE,
        foreign: bool = False,
        timeout: float | None = None,
        on_progress: OnProgress | None = None,
    ) -> bool:
        """See :meth:`Compute.destroy`."""
        submit = self.compute.submit
        return await self._outcome(
            lambda: submit.destroy(guest, disks=disks, foreign=foreign, timeout=timeout, on_progress=on_progress)
        )

    async def power_on(
        self,
        guest: GuestLike,
        *,
        timeout: float | None = None,
        hooks: Hooks | None = None,
        on_progress: OnProgress | None = None,
    ) -> None:
        """See :meth:`Compute.power_on`."""
        submit = self.compute.submit
        await self._outcome(lambda: submit.power_on(guest, timeout=timeout, hooks=hooks, on_progress=on_progress))

    async def power_off(
        self,
        guest: GuestLike,
        *,
        mode: PowerOff = PowerOff.GRACEFUL,
        grace_seconds: float = GRACE_SECONDS,
        timeout: float | None = None,
        on_progress: OnProgress | None = None,
    ) -> None:
        """See :meth:`Compute.power_off`."""
        submit = self.compute.submit
        await self._outcome(
            lambda: submit.power_off(
                guest, mode=mode, grace_seconds=grace_seconds, timeout=timeout, on_progress=on_progress
            )
        )

    async def reboot(
        self,
        guest: GuestLike,
        *,
        mode: PowerOff = PowerOff.GRACEFUL,
        grace_seconds: float = GRACE_SECONDS,
        timeout: float | None = None,
        on_progress: OnProgress | None = None,
    ) -> None:
        """See :meth:`Compute.reboot`."""
        submit = self.compute.submit
        await self._outcome(
            lambda: submit.reboot(
                guest, mode=mode, grace_seconds=grace_seconds, timeout=timeout, on_progress=on_progress
            )
        )

    async def update(
        self,
        guest: GuestLike,
        update: InstanceUpdate,
        *,
        timeout: float | None = None,
        on_progress: OnProgress | None = None,
    ) -> Instance:
        """See :meth:`Compute.update`."""
        submit = self.compute.submit
        return await self._outcome(lambda: submit.update(guest, update, timeout=timeout, on_progress=on_progress))

    # --- waiting and watching -------------------------------------------------------------------------------------

    @overload
    async def wait_for(
        self, guest: GuestLike, condition: GuestCondition, *, timeout: float | None = None
    ) -> Instance: ...

    @overload
    async def wait_for(self, guest: GuestLike, condition: IsGone, *, timeout: float | None = None) -> None: ...

    async def wait_for(
        self,
        guest: GuestLike,
        condition: Condition,
        *,
        timeout: float | None = None,
    ) -> Instance | None:
        """See :meth:`Compute.wait_for`. Holds a thread only while it looks."""
        waiting = self.compute.waiting(guest, condition, timeout)
        event_came, slots = awakening(waiting.guest.uuid)
        listening = self.compute.listening(slots)
        await kept(listening.__enter__, undo=lambda _: listening.__exit__(None, None, None))
        try:
            while not await asyncio.to_thread(waiting.look):
                await pause(event_came, waiting.pause)
        finally:
            await asyncio.to_thread(listening.__exit__, None, None, None)
        return waiting.instance

    async def watch(self, *, scope: Scope = Scope.ALL) -> AsyncIterator[WatchEvent]:
        """See :meth:`Compute.watch`. Closing the iterator, or cancelling who reads it, ends the watch."""
        event_came, slots = awakening()
        watch = await kept(lambda: self.compute.watching(slots, scope), undo=Watch.close)
        try:
            while not slots.closed:
                event = await asyncio.to_thread(watch.next, 0.0)
                if event is not None:
                    yield event
                else:
                    await pause(event_came, PAUSE_BEFORE_RELISTING if watch.behind else math.inf)
        finally:
            await asyncio.to_thread(watch.close)

    async def close(self, *, cancel: bool = False) -> None:
        """See :meth:`Compute.close`."""
        await asyncio.to_thread(self.compute.close, cancel=cancel)

    async def _read(self, read: Callable[[], T]) -> T:
        return await asyncio.to_thread(read)

    async def _outcome(self, submit: Callable[[], Operation[T]]) -> T:
        return await outcome(submit)

    async def __aenter__(self) -> AsyncCompute:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        await self.close(cancel=kind is not None)


async def kept(make: Callable[[], T], undo: Callable[[T], object]) -> T:
    """Make something on a thread; who is cancelled meanwhile does not leave it behind."""
    making = asyncio.create_task(asyncio.to_thread(make))
    try:
        return await asyncio.shield(making)
    except asyncio.CancelledError:
        await asyncio.shield(take_back(making, undo))
        raise


async def take_back(making: asyncio.Task[T], undo: Callable[[T], object]) -> None:
    """Wait for something to be made, and undo it."""
    with contextlib.suppress(VirtError):
        await asyncio.to_thread(undo, await making)


async def outcome(submit: Callable[[], Operation[T]]) -> T:
    """Begin an operation and await what it results in."""
    submitting = asyncio.create_task(asyncio.to_thread(submit))
    try:
        operation = await asyncio.shield(submitting)
        await settled(operation)
    except asyncio.CancelledError:
        await asyncio.shield(give_up(submitting))
        raise
    return operation.result()


async def give_up(submitting: asyncio.Task[Operation[T]]) -> None:
    """Cancel an operation that has begun or is about to, and wait for its outcome, at most until its deadline."""
    with contextlib.suppress(VirtError):  # it was refused and never began
        operation = await submitting
        operation.cancel()
        await settled(operation)


async def settled(operation: Operation[T]) -> None:
    """Wait until the outcome is known or the deadline has passed."""
    loop = asyncio.get_running_loop()
    finished = asyncio.Event()

    def finish(_: Operation[T]) -> None:
        with contextlib.suppress(RuntimeError):  # the loop was closed before an abandoned operation ended
            loop.call_soon_threadsafe(finished.set)

    operation.add_done_callback(finish)
    await until_set(finished, operation.remaining())


async def until_set(event: asyncio.Event, seconds: float) -> None:
    """Wait for the event, at most that long."""
    try:
        await asyncio.wait_for(event.wait(), None if math.isinf(seconds) else seconds)
    except TimeoutError:
        return


async def pause(event: asyncio.Event, seconds: float) -> None:
    """Wait for the event or so many seconds, then make it ready for the next time."""
    await until_set(event, seconds)
    event.clear()


def awakening(guest: UUID | None = None) -> tuple[asyncio.Event, Slots]:
    """Slots for driver events, and an asyncio event that is set whenever something was put in."""
    loop = asyncio.get_running_loop()
    event = asyncio.Event()

    def wake() -> None:
        with contextlib.suppress(RuntimeError):  # the loop was closed before the connection
            loop.call_soon_threadsafe(event.set)

    return event, Slots(guest, wake)

"""Moving running guests, from one endpoint to another or from node to node."""

from __future__ import annotations

from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from nova_virt_api.capability import Feature
from nova_virt_api.compute import admission
from nova_virt_api.compute.face import AsyncFace, ComputeFace, SubmitFace, reference
from nova_virt_api.compute.guard import guarded
from nova_virt_api.compute.operation import Operation, outcome_of
from nova_virt_api.driver.live_migration import LiveMigration
from nova_virt_api.errors import InvalidSpec, StateAfter, VirtError
from nova_virt_api.model.check import check_text
from nova_virt_api.model.instance import Instance
from nova_virt_api.toolkit.committed import Committed

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from nova_virt_api.compute.compute import Compute
    from nova_virt_api.compute.face import GuestLike, OnProgress
    from nova_virt_api.driver.driver import Driver
    from nova_virt_api.driver.operation import Operation as Work
    from nova_virt_api.model.identity import InstanceRef
    from nova_virt_api.model.nic import Nic
    from nova_virt_api.model.ticket import Ticket
    from nova_virt_api.model.volume import Volume


class SubmitMigrating(SubmitFace):
    """Begin to move running guests."""

    def live_migrate(
        self,
        guest: GuestLike,
        *,
        to: Compute,
        nics: Sequence[Nic] | None = None,
        volumes: Sequence[Volume] | None = None,
        host_cpus: Sequence[int] | None = None,
        host_cells: Sequence[int] | None = None,
        timeout: float | None = None,
        on_progress: OnProgress | None = None,
    ) -> Operation[Instance]:
        """See :meth:`Compute.live_migrate`."""
        ref = reference(guest)
        there = destination(to, self._driver)
        source = self._role("live_migrate", ref, LiveMigration)
        role = guarded("live_migrate", ref, lambda: admission.admitted_role(there, LiveMigration))
        for nic in nics or ():
            guarded("live_migrate", ref, lambda nic=nic: admission.admit_nic(there, nic))  # type: ignore[misc]
        for volume in volumes or ():
            guarded("live_migrate", ref, lambda volume=volume: admission.admit_volume(there, volume))  # type: ignore[misc]
        journey = Journey(ref, source, role)
        operation = Operation[Instance]("live_migrate", ref.uuid, timeout=timeout, on_progress=on_progress)
        return self._start(
            operation,
            lambda op: journey.run(op, nics=nics, volumes=volumes, host_cpus=host_cpus, host_cells=host_cells),
        )

    def migrate(
        self,
        guest: GuestLike,
        *,
        node: str | None = None,
        timeout: float | None = None,
        on_progress: OnProgress | None = None,
    ) -> Operation[Instance]:
        """See :meth:`Compute.migrate`."""
        ref = reference(guest)
        if node is not None:
            check_text("node", node, 255)
        role = self._role("migrate", ref, LiveMigration)
        guarded("migrate", ref, lambda: admission.admit_feature(self._driver, Feature.MIGRATE_WITHIN, "node"))
        journey = Journey(ref, role, role, node=node)
        operation = Operation[Instance]("migrate", ref.uuid, timeout=timeout, on_progress=on_progress)
        return self._start(operation, journey.run)


class ComputeMigrating(ComputeFace):
    """Move running guests."""

    def live_migrate(
        self,
        guest: GuestLike,
        *,
        to: Compute,
        nics: Sequence[Nic] | None = None,
        volumes: Sequence[Volume] | None = None,
        host_cpus: Sequence[int] | None = None,
        host_cells: Sequence[int] | None = None,
        timeout: float | None = None,
        on_progress: OnProgress | None = None,
    ) -> Instance:
        """Move a running guest to another endpoint; it goes on running.

        ``compute.submit.live_migrate`` gives an operation: ``cancel()`` leaves the guest here, ``complete_now()`` ends
        the move at the guest's expense. Progress counts bytes of memory and disks. A move that fails leaves the guest
        here as before. One whose process was killed is brought to its end by the same call.

        Whoever needs the phases one by one, e.g. in two processes, calls those of
        :class:`nova_virt_api.driver.live_migration.LiveMigration` by :meth:`perform`.

        Args:
            guest: the guest.
            to: the destination, connected with the same driver and owner.
            nics: the guest's interfaces as they are to be there; None connects them to networks of the same names.
            volumes: its storage services' volumes as the destination reaches them; one that is not named is reached as
                here, and one that needs a password has to be named.
            host_cpus: the destination's processors that it is to have for itself, one for each virtual CPU; None lets
                the destination choose.
            host_cells: the destination's cell for each NUMA cell of the guest; None takes those of the same numbers.
            timeout: seconds until the deadline.
            on_progress: called whenever stage or progress changed.

        Returns:
            The guest as it is at the destination.

        Raises:
            InvalidSpec: ``to`` is not another endpoint of the same driver.
            NotSupported: one of the two cannot do it.
            MigrationError: it failed; says in which phase, and where the guest is.
            VirtError: what the phases raise.
        """
        submit = self.submit
        return outcome_of(
            submit.live_migrate(
                guest,
                to=to,
                nics=nics,
                volumes=volumes,
                host_cpus=host_cpus,
                host_cells=host_cells,
                timeout=timeout,
                on_progress=on_progress,
            )
        )

    def migrate(
        self,
        guest: GuestLike,
        *,
        node: str | None = None,
        timeout: float | None = None,
        on_progress: OnProgress | None = None,
    ) -> Instance:
        """Move a running guest to another node of this endpoint; it goes on running.

        Args:
            guest: the guest.
            node: where to; None lets the endpoint choose.
            timeout: seconds until the deadline.
            on_progress: called whenever stage or progress changed.

        Raises:
            NotSupported: guests cannot change their node here, e.g. because there is only one.
        """
        return outcome_of(self.submit.migrate(guest, node=node, timeout=timeout, on_progress=on_progress))


class AsyncMigrating(AsyncFace):
    """Move running guests, awaitable."""

    async def live_migrate(
        self,
        guest: GuestLike,
        *,
        to: Compute,
        nics: Sequence[Nic] | None = None,
        volumes: Sequence[Volume] | None = None,
        host_cpus: Sequence[int] | None = None,
        host_cells: Sequence[int] | None = None,
        timeout: float | None = None,
        on_progress: OnProgress | None = None,
    ) -> Instance:
        """See :meth:`Compute.live_migrate`; ``to`` is the ``compute`` of an ``AsyncCompute``."""
        submit = self.compute.submit
        return await self._outcome(
            lambda: submit.live_migrate(
                guest,
                to=to,
                nics=nics,
                volumes=volumes,
                host_cpus=host_cpus,
                host_cells=host_cells,
                timeout=timeout,
                on_progress=on_progress,
            )
        )

    async def migrate(
        self,
        guest: GuestLike,
        *,
        node: str | None = None,
        timeout: float | None = None,
        on_progress: OnProgress | None = None,
    ) -> Instance:
        """See :meth:`Compute.migrate`."""
        submit = self.compute.submit
        return await self._outcome(lambda: submit.migrate(guest, node=node, timeout=timeout, on_progress=on_progress))


class Journey:
    """All phases of one move, in this process.

    Args:
        guest: the guest.
        source: where it runs.
        destination: where it is to run; the same object for a move between nodes.
        node: the node there.
    """

    def __init__(
        self, guest: InstanceRef, source: LiveMigration, destination: LiveMigration, *, node: str | None = None
    ) -> None:
        self._guest = guest
        self._source = source
        self._destination = destination
        self._node = node

    def run(
        self,
        op: Work,
        *,
        nics: Sequence[Nic] | None = None,
        volumes: Sequence[Volume] | None = None,
        host_cpus: Sequence[int] | None = None,
        host_cells: Sequence[int] | None = None,
    ) -> Instance:
        """Do them all; after a failure roll back."""
        offer = self._destination.check_destination(self._guest, op, node=self._node)
        plan = self._source.check_source(self._guest, offer, op)
        prepare = self._destination.prepare
        ticket = prepare(plan, op, nics=nics, volumes=volumes, host_cpus=host_cpus, host_cells=host_cells)
        with self._rolling_back(ticket, op):
            self._source.migrate(self._guest, ticket, op)
        rest = Committed(op)
        with having_moved():
            self._source.finish_source(self._guest, ticket, rest)
            return self._destination.finish_destination(self._guest, rest)

    @contextmanager
    def _rolling_back(self, ticket: Ticket, op: Work) -> Iterator[None]:
        try:
            yield
        except VirtError as error:
            if error.state_after is not StateAfter.UNKNOWN:  # else it is not known which end to roll back
                self._roll_back(ticket, Committed(op), error)
            raise

    def _roll_back(self, ticket: Ticket, op: Work, error: VirtError) -> None:
        """Undo both ends; what cannot be undone now is undone by the next move of the guest, or by ``destroy``."""
        with suppress(VirtError):
            self._source.rollback_source(self._guest, ticket, op)
        try:
            self._destination.rollback_destination(ticket, op)
        except VirtError as second:
            error.leftovers = second.leftovers
            error.add_note(f"what had been prepared at the destination could not be removed: {second.message}")


@contextmanager
def having_moved() -> Iterator[None]:
    """Say with an error that the guest runs at the destination all the same."""
    try:
        yield
    except VirtError as error:
        error.state_after = StateAfter.CHANGED
        error.hint = f"the guest runs at the destination; repeat the move to finish it. {error.hint}".rstrip()
        raise


def destination(to: Compute, source: Driver) -> Driver:
    """The driver of the endpoint that a guest is to go to.

    Raises:
        InvalidSpec: it is none, or the source itself, or another driver's.
    """
    from nova_virt_api.compute.compute import Compute

    if not isinstance(to, Compute):
        raise InvalidSpec("to", to, "a Compute that connect() gave")
    driver = to._driver
    if driver is source:
        raise InvalidSpec("to", "the guest's own endpoint", "another one; migrate(guest, node=...) moves it within")
    mine, other = source.endpoint.driver, driver.endpoint.driver
    if mine != other:
        raise InvalidSpec("to", f"an endpoint of the driver {other!r}", f"one of the driver {mine!r}")
    return driver

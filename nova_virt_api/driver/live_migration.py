"""The role of moving running guests to another endpoint, or to another node of the same one."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING

from nova_virt_api.capability import Capability
from nova_virt_api.driver.role import Role

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nova_virt_api.driver.operation import Operation
    from nova_virt_api.model.identity import InstanceRef
    from nova_virt_api.model.instance import Instance
    from nova_virt_api.model.nic import Nic
    from nova_virt_api.model.spec import InstanceSpec
    from nova_virt_api.model.ticket import Ticket
    from nova_virt_api.model.volume import Volume


class LiveMigration(Role, capability=Capability.LIVE_MIGRATION):
    """Move running guests, in phases that may run in different processes and share only a ticket. Experimental.

    In order: :meth:`check_destination`, :meth:`check_source`, :meth:`prepare` at the destination, :meth:`migrate` at
    the source, then :meth:`finish_source` and :meth:`finish_destination` in any order. If :meth:`migrate` fails or is
    cancelled: :meth:`rollback_source` and :meth:`rollback_destination`. Each phase finds its state in the guest's
    record and the ticket, may be repeated, also after whoever ran it was killed, and returns when its work is done.

    While :meth:`migrate` is at work the guest is MIGRATING, at both ends; verbs that change it raise ``InvalidState``
    meanwhile, but ``destroy`` works. At each moment exactly one endpoint runs the guest. A watcher of both ends never
    finds it gone from both.

    A ticket of another driver, of another guest or for another kind of move raises ``MigrationError`` in each phase.
    """

    @abstractmethod
    def check_destination(
        self, guest: InstanceRef, op: Operation, *, spec: InstanceSpec | None = None, node: str | None = None
    ) -> Ticket:
        """Say, at the destination, what it offers to a guest that it does not know. Leaves nothing.

        An endpoint that has the guest itself says so in the ticket, which is then one for a move between its nodes.

        Args:
            guest: the guest, at its source.
            op: the operation worked for.
            spec: what is known of the guest, if anything is.
            node: where it is to run; left out where the endpoint has only one node, or chooses. Needs
                ``Feature.MIGRATE_WITHIN`` where the guest is at this endpoint already.

        Raises:
            InvalidSpec: there is no such node.
            InstanceExists: another guest has the uuid, or what is left of one does.
        """

    @abstractmethod
    def check_source(self, guest: InstanceRef, ticket: Ticket, op: Operation) -> Ticket:
        """Decide, at the source, whether and how the guest can go there. Changes nothing.

        States: READY, RUNNING or PAUSED.

        Args:
            guest: the guest.
            ticket: what the destination offered.
            op: the operation worked for.

        Returns:
            The ticket with what the destination has to know of the guest: its disks, which of them must be copied, its
            networks.

        Raises:
            InstanceNotFound: no such guest at this endpoint.
            InvalidState: the guest does not run, or is in the middle of something.
            MigrationError: it cannot go there; says why.
            Busy: the hypervisor is doing something else with it, e.g. a snapshot, or another process moves it.
        """

    @abstractmethod
    def prepare(
        self,
        ticket: Ticket,
        op: Operation,
        *,
        nics: Sequence[Nic] | None = None,
        volumes: Sequence[Volume] | None = None,
        host_cpus: Sequence[int] | None = None,
        host_cells: Sequence[int] | None = None,
    ) -> Ticket:
        """Make room for the guest at the destination: its record, and disks to be filled. A failed call leaves nothing.

        Args:
            ticket: what the source decided.
            op: the operation worked for.
            nics: its interfaces as they are to be here, in their order; None connects them to networks of the same
                names.
            volumes: its storage services' volumes as this endpoint reaches them. One that is not named is reached as
                the source does; one that needs a password has to be named, as no ticket has any.
            host_cpus: the processors of its host here, for a guest that has some for itself: one for each virtual CPU,
                that of virtual CPU 0 first. None lets the driver choose among those that are free; either way they are
                the guest's from now on.
            host_cells: the host's cell here for each NUMA cell of the guest; None takes those of the same numbers as at
                the source, for cells that have such a place there.

        Returns:
            The ticket with what the guest's devices become here.

        Raises:
            InstanceExists: another guest has the uuid or the name.
            InvalidSpec: processors or cells were named that are not there, or more or fewer than the guest has.
            NoCapacity: not enough of a resource.
            StorageError: a disk could not be made.
            MigrationError: something that the guest needs is not here; says what.
        """

    @abstractmethod
    def migrate(self, guest: InstanceRef, ticket: Ticket, op: Operation) -> None:
        """Move the guest, which goes on running. Called at the source.

        When it returns the guest runs at the destination (or is paused there, if it was paused), is owned there, and
        stays over a restart of the hypervisor; from then on the source cannot start it. Idempotent: a guest that has
        gone over by this ticket is no error. One that a killed process was moving is looked for at both ends first.

        Progress is in bytes. A cancel takes effect until the guest begins to run at the destination: it runs at the
        source again, and ``Cancelled`` is raised; after that the operation completes. ``op.on_complete_now`` is given a
        function that ends the copying at the guest's expense: by starting it there before all of its memory is, or by
        pausing it.

        Args:
            guest: the guest.
            ticket: what the destination prepared.
            op: the operation worked for.

        Raises:
            InstanceNotFound: no such guest at this endpoint, and it has not gone over by this ticket either.
            InvalidState: the guest does not run, or is in the middle of something else.
            MigrationError: it failed, and ``state_after`` says what of the guest: UNCHANGED, it runs at the source as
                before; UNKNOWN, repeat this call or roll back when both ends can be reached.
            Busy: the hypervisor is doing something else with it, e.g. a snapshot.
        """

    @abstractmethod
    def finish_destination(self, guest: InstanceRef, op: Operation) -> Instance:
        """Make the guest, at the destination, one like all others. Needs no ticket: the record says all.

        States: MIGRATING, arrived, to READY. Idempotent: a guest that is READY stays as it is.

        Raises:
            InstanceNotFound: no such guest at this endpoint.
            MigrationError: it has not arrived.
            Busy: the hypervisor is doing something else with it.
        """

    @abstractmethod
    def finish_source(self, guest: InstanceRef, ticket: Ticket, op: Operation) -> None:
        """Remove, at the source, all that is left of a guest that has gone over. Idempotent.

        Raises:
            MigrationError: the guest is still here.
            StorageError: a disk could not be removed; it is among the leftovers.
        """

    @abstractmethod
    def rollback_source(self, guest: InstanceRef, ticket: Ticket, op: Operation) -> None:
        """Make a guest that did not go over one like all others again, running or paused as before. Idempotent.

        Ends a migration whose process was killed. A guest that is READY stays as it is.

        Raises:
            MigrationError: the guest has gone over, or where it runs cannot be told now; repeat :meth:`migrate`.
        """

    @abstractmethod
    def rollback_destination(self, ticket: Ticket, op: Operation) -> None:
        """Remove, at the destination, what was prepared for a guest that did not come. Idempotent.

        ``destroy`` of the uuid at the destination does the same when the ticket is lost.

        Raises:
            MigrationError: the guest has arrived.
            StorageError: a disk could not be removed; it is among the leftovers.
        """

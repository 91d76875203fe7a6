"""The required part of the contract."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, ClassVar

from nova_virt_api.errors import InstanceNotFound, NotSupported, StateAfter, VirtError
from nova_virt_api.model.instance import DiskPolicy, Instance, PowerOff
from nova_virt_api.model.place import Network, Node, StoragePool
from nova_virt_api.toolkit.committed import Committed
from nova_virt_api.toolkit.poller import Poller

if TYPE_CHECKING:
    from collections.abc import Sequence

    from oslo_config import cfg

    from nova_virt_api.driver.endpoint import Endpoint
    from nova_virt_api.driver.health_check import Check
    from nova_virt_api.driver.operation import Operation
    from nova_virt_api.events import Emit, Subscription
    from nova_virt_api.model.capabilities import Capabilities
    from nova_virt_api.model.identity import InstanceRef
    from nova_virt_api.model.leftover import Leftover
    from nova_virt_api.model.place import Inventory
    from nova_virt_api.model.spec import Extra, InstanceSpec, InstanceUpdate


class Driver(ABC):
    """One endpoint of one kind of hypervisor.

    A driver is thread-safe, does no I/O before :meth:`open`, and keeps no authoritative state: what it knows about a
    guest lives on the hypervisor; what it caches may be dropped at any time. Verbs get the :class:`Operation` they
    work for. Reads never wait for a guest. Beside the errors that a method documents, every method may raise
    ``ConnectionLost``, ``Unavailable``, ``AuthenticationFailed``, ``PermissionDenied`` and ``BackendError``; what is
    about one guest also ``Ambiguous`` while two objects claim its uuid, with nothing touched; every verb also
    ``Cancelled`` and ``Timeout``, which it gets from the operation and passes on after cleaning up.
    """

    extras: ClassVar[tuple[type[Extra], ...]] = ()
    """The types that ``InstanceSpec.extras`` may hold for this driver."""

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint

    @classmethod
    def options(cls) -> Sequence[cfg.Opt]:
        """The driver's options, which live in the group named after the driver. None by default."""
        return ()

    # --- connection -----------------------------------------------------------------------------------------------

    @abstractmethod
    def open(self) -> None:
        """Connect. Called once, before anything else.

        Raises:
            Unavailable: the endpoint cannot be reached; the hint names what to do.
            AuthenticationFailed: it does not accept the credentials.
        """

    @abstractmethod
    def close(self) -> None:
        """Disconnect and free what the process holds. Idempotent, also after a failed :meth:`open`."""

    def native(self) -> object:
        """The SDK's own handle, outside all guarantees. None where there is nothing of the kind."""
        return None

    def doctor(self) -> Sequence[Check]:
        """Look whether the endpoint can be used and say how to mend what cannot. Works without :meth:`open`.

        Never raises for what it finds; may take seconds and connect for itself. Default: nothing to tell.
        """
        return ()

    # --- reads ----------------------------------------------------------------------------------------------------

    @abstractmethod
    def capabilities(self, node: str | None = None) -> Capabilities:
        """What the endpoint, or one node, can do: an answer for every role of this class and every feature known.

        Raises:
            InvalidSpec: no such node.
        """

    @abstractmethod
    def inventory(self, node: str | None = None) -> Inventory:
        """What a node has to give; ``node`` may be left out where there is exactly one.

        Raises:
            InvalidSpec: no such node, or several and none was named.
        """

    @abstractmethod
    def instances(self, *, fresh: bool = False) -> Sequence[Instance]:
        """All guests that the account sees, foreign ones included, in a number of requests that does not grow with it.

        Objects that did not change are the same objects as in the last listing. A guest that vanishes while listing is
        left out; one that does not answer is listed with ``health`` UNRESPONSIVE and delays nothing.

        Args:
            fresh: look past caches that may be behind. Where the backend has no bulk answer for what is cached, this
                takes a request for each guest.
        """

    def instance(self, guest: InstanceRef, *, fresh: bool = False) -> Instance:
        """One guest. Default: looks it up in :meth:`instances`.

        Raises:
            InstanceNotFound: no such guest at this endpoint.
            Ambiguous: two objects claim the uuid, and the reference's native id is neither's.
        """
        for instance in self.instances(fresh=fresh):
            if instance.uuid == guest.uuid:
                return instance
        raise InstanceNotFound(f"no guest {guest} here")

    @abstractmethod
    def leftovers(self) -> Sequence[Leftover]:
        """What of this owner's is there without a finished guest to belong to, and that no living process works on."""

    def nodes(self) -> Sequence[Node]:
        """The nodes of this endpoint. Default: the one of :meth:`inventory`."""
        return (self.inventory().node,)

    def storage_pools(self) -> Sequence[StoragePool]:
        """The storage pools of this endpoint. Default: one, called ``default``."""
        return (StoragePool(id="default", name="default", kind="default"),)

    def networks(self) -> Sequence[Network]:
        """The networks of this endpoint. Default: one, called ``default``."""
        return (Network(id="default", name="default", kind="default"),)

    # --- verbs ----------------------------------------------------------------------------------------------------

    @abstractmethod
    def spawn(self, spec: InstanceSpec, op: Operation) -> Instance:
        """Make a guest and, unless ``power_on`` is False, start it; returns when the hypervisor has done so.

        Idempotent on the uuid: a guest that exists with the same fingerprint is returned as it is; what an earlier,
        interrupted spawn of the same request left is used or removed. A failed spawn leaves nothing while the endpoint
        answers; otherwise the error names the leftovers. Well-known stages are announced by ``op.stage``, among them
        NETWORK_READY, DISKS_READY and BEFORE_START.

        With ``Manage.ALL`` no mark is written, so there is no fingerprint: a guest that exists is compared by what
        can be seen of it.

        Raises:
            InvalidSpec: the spec names a place that is not there, or none where there are several.
            InstanceExists: the uuid exists with another fingerprint, or belongs to another owner, or the name is taken
                and the backend needs names to be unique.
            Ambiguous: two objects claim the uuid.
            Busy: another living process works on this uuid.
            NoCapacity: not enough of a resource.
            ImageNotFound: the source has no such image.
            ImageRejected: the image is not what was promised or not safe.
            StorageError: a disk could not be made.
            NetworkError: a NIC could not be connected.
        """

    @abstractmethod
    def destroy(
        self, guest: InstanceRef, op: Operation, *, disks: DiskPolicy = DiskPolicy.DELETE, foreign: bool = False
    ) -> bool:
        """Remove a guest and all that it owned, from every state, or what is left of one.

        Idempotent: returns whether there was anything to remove. Also removes what an interrupted spawn or destroy
        left. Kept disks stay where they are under names that carry the uuid.

        Args:
            guest: the guest.
            op: the operation worked for.
            disks: what becomes of its own disks; KEEP needs ``Feature.KEEP_DISKS``.
            foreign: allow a guest of another owner or of none; works only with ``Manage.ALL``.

        Raises:
            PermissionDenied: the guest is not owned by this connection.
            Ambiguous: two objects claim the uuid.
            Busy: another living process works on this uuid and does not yield.
            StorageError: something could not be removed; it is named in ``leftovers``.
        """

    @abstractmethod
    def power_on(self, guest: InstanceRef, op: Operation) -> None:
        """Start the guest.

        States: SHUTDOWN or CRASHED to RUNNING. Idempotent: a running guest goes on running. The stage BEFORE_START is
        announced, by ``op.stage``, before anything is changed.

        Raises:
            InstanceNotFound: no such guest at this endpoint.
            PermissionDenied: the guest is not owned by this connection.
            InvalidState: the guest is paused or suspended.
            NoCapacity: not enough memory or CPU.
            Busy: the hypervisor is doing something else with it.
        """

    @abstractmethod
    def power_off(self, guest: InstanceRef, op: Operation, *, mode: PowerOff, grace_seconds: float) -> None:
        """Stop the guest.

        States: RUNNING, PAUSED or CRASHED to SHUTDOWN. Idempotent: a stopped guest stays stopped.

        Args:
            guest: the guest.
            op: the operation worked for.
            mode: GRACEFUL asks the guest first, HARD does not.
            grace_seconds: how long a guest that was asked may take before its power is cut. A paused or crashed guest
                cannot obey, so its power is cut at once.

        Raises:
            InstanceNotFound: no such guest at this endpoint.
            PermissionDenied: the guest is not owned by this connection.
            InvalidState: the guest is suspended.
            Busy: the hypervisor is doing something else with it.
        """

    def reboot(self, guest: InstanceRef, op: Operation, *, mode: PowerOff, grace_seconds: float) -> None:
        """Stop the guest and start it again. Default: power off, then on.

        States: RUNNING, PAUSED, CRASHED or SHUTDOWN to RUNNING. Each call restarts the guest once. A cancel or a
        deadline that comes when the guest is off already is too late: it is started all the same.

        Raises:
            InstanceNotFound: no such guest at this endpoint.
            PermissionDenied: the guest is not owned by this connection.
            InvalidState: the guest is suspended.
            Busy: the hypervisor is doing something else with it.
        """
        self.power_off(guest, op, mode=mode, grace_seconds=grace_seconds)
        try:
            self.power_on(guest, Committed(op))
        except VirtError as error:
            error.state_after = StateAfter.UNKNOWN  # it is off now, and may have been before
            raise

    def update(self, guest: InstanceRef, update: InstanceUpdate, op: Operation) -> Instance:
        """Change a guest's name or labels. Never changes its fingerprint. Idempotent. Default: nothing is supported.

        States: all; renaming may need SHUTDOWN.

        Raises:
            InstanceNotFound: no such guest at this endpoint.
            PermissionDenied: the guest is not owned by this connection.
            InstanceExists: the name is taken and the backend needs names to be unique.
            InvalidState: the guest's state does not allow the change.
            Busy: the hypervisor is doing something else with it.
        """
        for feature, field in update.features():
            raise NotSupported(feature, field, "the driver changes nothing in place")
        return self.instance(guest, fresh=True)

    # --- events ---------------------------------------------------------------------------------------------------

    def events(self, emit: Emit) -> Subscription:
        """Report changes from now on until the subscription is closed. Default: the toolkit's poller.

        Level-triggered: after the last change of a guest its final state is emitted within
        ``capabilities().event_latency_seconds``. When events may have been lost, a ``Gap`` is emitted once they flow
        again. Called at most once at a time by one ``Compute``.
        """
        return Poller(self.instances, emit)

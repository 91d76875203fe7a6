"""The role of giving a guest another size, here or at another endpoint, with a way back until that is confirmed."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING

from nova_virt_api.capability import Capability, Feature
from nova_virt_api.driver.role import Role
from nova_virt_api.errors import NotSupported

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nova_virt_api.driver.operation import Operation
    from nova_virt_api.model.identity import InstanceRef
    from nova_virt_api.model.instance import Instance
    from nova_virt_api.model.nic import Nic
    from nova_virt_api.model.size import Size
    from nova_virt_api.model.spec import InstanceSpec
    from nova_virt_api.model.ticket import Ticket
    from nova_virt_api.model.volume import Volume


class Resize(Role, capability=Capability.RESIZE):
    """Give guests another size, or move stopped ones to another endpoint of the same driver. Experimental.

    Within one endpoint :meth:`resize` does it. Between two, the source prepares, the destination finishes, and the two
    share nothing but the ticket. Either way the guest's disks are kept as they were until the resize is confirmed or
    reverted. :meth:`resize_live` is for guests that run, has no way back, and touches no disks.
    """

    @abstractmethod
    def resize(self, guest: InstanceRef, size: Size, op: Operation) -> Instance:
        """Give a stopped guest another size at this endpoint.

        States: READY and SHUTDOWN to RESIZE_PENDING and SHUTDOWN, with the new size. Idempotent: a guest that waits
        with this size stays as it is, and one whose resize to this size was interrupted is resized to the end. Until
        :meth:`confirm_resize` or :meth:`revert_resize` its power can be switched and it can be destroyed; other verbs
        that change it raise ``InvalidState``. A failed resize leaves the guest as it was. A guest that cannot be given
        the size is refused with ``NotSupported``, e.g. more virtual CPUs while each has a host processor for itself.

        Args:
            guest: the guest.
            size: what it is to have; ``disks`` needs ``Feature.RESIZE_DISKS``.
            op: the operation worked for.

        Raises:
            InstanceNotFound: no such guest at this endpoint.
            PermissionDenied: the guest is not owned by this connection.
            InvalidState: the guest is not stopped, or in the middle of something, e.g. of a resize to another size.
            InvalidSpec: a disk would shrink, or there is no such disk.
            NoCapacity: the endpoint will never have as much.
            StorageError: a disk could not be grown.
            Busy: the hypervisor is doing something else with it.
        """

    def resize_live(self, guest: InstanceRef, size: Size, op: Operation) -> Instance:
        """Give a running guest another number of virtual CPUs, another amount of memory, or both, at once and for good.

        States: READY and RUNNING. What was changed stays when the guest is stopped and started, and there is no way
        back but another call. Idempotent: a guest of this size stays as it is, and one for which the verb was
        interrupted is brought to the end. Memory comes first. Less of either is given back by the guest's own system,
        and needs ``Feature.LIVE_VCPUS_REMOVAL`` or ``Feature.LIVE_MEMORY_REMOVAL``. If the guest does not take or give
        back memory, all is as before. If it does not give back virtual CPUs, it has what it did not give back, and
        the memory that was asked for: ``state_after`` says whether that is another size than before.

        The default says that the driver cannot do it: it belongs to the features, and the role does not need them.

        Args:
            guest: the guest.
            size: what it is to have: ``vcpus`` (``Feature.LIVE_VCPUS``), ``memory_bytes`` (``Feature.LIVE_MEMORY``).
                ``disks`` must be empty.
            op: the operation worked for.

        Raises:
            InstanceNotFound: no such guest at this endpoint.
            PermissionDenied: the guest is not owned by this connection.
            InvalidState: the guest does not run, or is in the middle of something.
            InvalidSpec: it is more than the guest's spec allowed, less memory than the guest had before it was given
                more while it ran, or no size that memory can have here.
            NoCapacity: the host has not as much.
            Timeout: the guest did not take it or give it back within the time that its kind needs.
            Busy: the hypervisor is doing something else with it.
        """
        feature = next((feature for feature, _ in size.live_features()), Feature.LIVE_VCPUS)
        raise NotSupported(feature, reason="the driver resizes stopped guests only")

    @abstractmethod
    def prepare_resize(self, guest: InstanceRef, size: Size, op: Operation) -> Ticket:
        """Get a stopped guest ready to be fetched by the endpoint that calls :meth:`finish_resize`, here or elsewhere.

        States: READY and SHUTDOWN to RESIZE_PENDING and SHUTDOWN. Idempotent: a guest that waits with this size gives
        the same ticket. Its disks stay where they are. Until it is finished here it cannot be started here, as it may
        run elsewhere; it can be destroyed. A failed call leaves the guest as it was.

        Args:
            guest: the guest.
            size: what it is to have; ``Size()`` moves it as it is.
            op: the operation worked for.

        Returns:
            What the destination has to know. It says where the guest is, and never how to get in there.

        Raises:
            InstanceNotFound: no such guest at this endpoint.
            PermissionDenied: the guest is not owned by this connection.
            InvalidState: the guest is not stopped, or in the middle of something.
            InvalidSpec: a disk would shrink, or there is no such disk.
            Busy: the hypervisor is doing something else with it.
        """

    @abstractmethod
    def finish_resize(self, ticket: Ticket, op: Operation, *, spec: InstanceSpec | None = None) -> Instance:
        """Make the guest here, from its disks at the source, with the new size.

        Volumes of a storage service are not copied: they are used from here on, each as the same disk, with the bus,
        serial number and boot order that it had. No password leaves the source: a volume that needs one is to be named
        in the spec. A volume that cannot be reached is found when the guest starts, as ``VolumeError`` that names it.

        States: at the source RESIZE_PENDING and prepared. Where this is the source's endpoint, the guest is changed
        and stays RESIZE_PENDING, as after :meth:`resize`; elsewhere it is made, and READY. Idempotent: a guest that
        was finished with this ticket is returned as it is; what an interrupted call left is used or removed. A failed
        call leaves nothing here, and the source as it was. The stages NETWORK_READY, DISKS_READY and BEFORE_START are
        announced by ``op.stage``.

        Args:
            ticket: what the source gave.
            op: the operation worked for.
            spec: what differs here: its CPUs, memory, sizes and pools of disks, interfaces, volumes, and whether the
                guest is to be started. Its interfaces and volumes are all that the guest has from then on, and of its
                host it has what the spec says: ``numa``, ``cpu.dedicated``, ``cpu.host_cpus``, ``backing.page_bytes``.
                None takes the ticket's size, interfaces and volumes as they were at the source, and leaves the guest
                stopped. Its uuid must be the ticket's; image sources are not looked at.

        Raises:
            InvalidSpec: the spec is another guest's, names a place that is not there, or lets a disk shrink.
            InstanceExists: another guest here has the uuid or the name.
            MigrationError: the ticket is another driver's or for another kind of move, the source cannot be reached
                from here, the guest does not wait there for this ticket, or a volume's password is known only there.
            NoCapacity: not enough of a resource.
            StorageError: a disk could not be made, or a volume not opened.
            Busy: another living process works on this guest.
        """

    @abstractmethod
    def confirm_resize(self, guest: InstanceRef, op: Operation) -> None:
        """Give up the way back.

        States: RESIZE_PENDING. A guest that was resized here becomes READY, in the power state that it has. One that
        was finished at another endpoint is removed here, with its disks and with all that was kept to reach its
        volumes. One that was prepared and finished nowhere is refused: this is its only copy. Idempotent: a guest that
        waits for nothing stays as it is, and one that is gone is no error.

        Raises:
            PermissionDenied: the guest is not owned by this connection.
            InvalidState: the guest is in the middle of something else, or of a resize that was interrupted, or was
                prepared and finished nowhere.
            Busy: the hypervisor is doing something else with it.
        """

    @abstractmethod
    def revert_resize(
        self,
        guest: InstanceRef,
        op: Operation,
        *,
        nics: Sequence[Nic] | None = None,
        volumes: Sequence[Volume] | None = None,
        power_on: bool = False,
    ) -> None:
        """Give the guest back as it was before, with the disks that it had; what was written since is lost.

        States: RESIZE_PENDING, in any power state, to READY and SHUTDOWN, or RUNNING with ``power_on``. Undoes a
        :meth:`prepare_resize` or :meth:`resize` that was interrupted at any point. Volumes of a storage service are
        the same disks again; what was written to them stays. Idempotent: a guest that waits for nothing stays as it
        is. What was made elsewhere is left alone: destroy it there first. The stage BEFORE_START is announced, by
        ``op.stage``, before the guest is started.

        Args:
            guest: the guest.
            op: the operation worked for.
            nics: its interfaces from now on; None takes those that it had.
            volumes: all volumes that it uses from now on; None takes those that it had, with the passwords that they
                had.
            power_on: start it.

        Raises:
            InstanceNotFound: no such guest at this endpoint.
            PermissionDenied: the guest is not owned by this connection.
            InvalidState: the guest is in the middle of something else.
            InvalidSpec: an interface names a network that is not there.
            NoCapacity: not enough memory or CPU to start it.
            Busy: the hypervisor is doing something else with it.
        """

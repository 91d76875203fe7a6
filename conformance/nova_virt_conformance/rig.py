"""What the kit is told of a backend beside its driver: how to look at it, and how to hurt it, without the driver."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any

from nova_virt_api.model.image import BackendUrl
from nova_virt_api.model.nic import Nic
from nova_virt_conformance.outcome import NotVerified

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from uuid import UUID

    from nova_virt_api.capability import Feature
    from nova_virt_api.compute.compute import Compute
    from nova_virt_api.errors import VirtError
    from nova_virt_api.model.instance import Instance, PowerState
    from nova_virt_api.model.share import Share
    from nova_virt_api.model.volume import Volume
    from nova_virt_conformance.hardware import Hardware
    from nova_virt_conformance.inside import Inside
    from nova_virt_conformance.target import Target


class Rig:
    """A driver's author inherits this and overrides what the backend allows; each method goes past the driver.

    Every method is optional. What is not overridden leaves the tests that want it *not verified*, and a profile is
    reached only when nothing of it is left unverified. Where a backend has no such thing at all, e.g. no way for a
    guest to crash, a method raises ``NotApplicable`` with the reason, and those tests ask for nothing.

    Distributions offer their rig under the driver's name as an entry point of the group
    ``nova_virt_conformance.rigs.v1``.

    Args:
        target: the endpoint.
    """

    imitates_guests: bool = False
    """Whether running guests only seem to run an operating system, agent and all; :meth:`inside` then tells of them."""

    def __init__(self, target: Target) -> None:
        self.target = target

    def open(self) -> None:
        """Connect to the backend, natively. Called once, before all else."""

    def close(self) -> None:
        """Disconnect. Called once, at the end."""

    def options(self) -> Mapping[str, object]:
        """The options for one new connection; asked for once for each. Default: the target's.

        A rig that wants to cut or to count connections can lead each its own way.
        """
        return self.target.options

    def elsewhere(self) -> Mapping[str, object]:
        """Options that lead a connection to another endpoint of the same driver, to which guests can be moved.

        It has places of the same names. What the kit's owners have there is the kit's to remove, too.
        """
        raise NotVerified("the rig has no elsewhere()")

    # --- eyes ---------------------------------------------------------------------------------------------------

    def backend_objects(self) -> Collection[str]:
        """Everything in the places of the target that a guest may leave behind, as the backend lists it.

        Guests, volumes, records, ports, tasks: one line of text each, the same text as long as it is the same object.
        Without caches that are meant to stay, such as base images. Others' objects may be among them.
        """
        raise NotVerified("the rig has no backend_objects()")

    def requests(self, compute: Compute) -> int:
        """How many requests this connection has made to the backend since it was opened; must not make one itself."""
        raise NotVerified("the rig has no requests()")

    def boots(self, guest: Instance) -> int:
        """How often a guest was started from nothing since it was made; memory that was restored does not count."""
        raise NotVerified("the rig has no boots()")

    def hardware(self, guest: UUID) -> Hardware:
        """What a guest, of whatever making, is made of."""
        raise NotVerified("the rig has no hardware()")

    def lacking(self, feature: Feature) -> str | None:
        """What the target lacks for a feature that it declares, so that it cannot be tried there; None for nothing.

        Asked only where the backend itself cannot know it beforehand. The answer is found by trying natively: the rig
        does by the backend's own means what the driver is going to be asked for.
        """
        return None

    def guest_log(self, guest: UUID) -> bytes:
        """All that a guest wrote to its serial port; nothing of one that was never there.

        Asked only where the endpoint itself has no console log. Where no guest runs an operating system, e.g. on a
        simulator, this raises ``NotApplicable``.
        """
        raise NotVerified("the endpoint has no console log and the rig has no guest_log()")

    def interrupts(self, guest: Instance) -> int:
        """How many non-maskable interrupts a guest has got since it was made."""
        raise NotVerified("the rig has no interrupts()")

    def inside(self, guest: Instance) -> Inside:
        """What became, inside an imitated guest, of what its agent was told."""
        raise NotVerified("the rig has no inside()")

    def scribbled(self, guest: Instance) -> bool:
        """Whether what :meth:`scribble` wrote is still on the guest's boot disk."""
        raise NotVerified("the rig has no scribbled()")

    def secrets(self) -> Sequence[str]:
        """Passwords and the like in the target's options; none of them may appear in a log or an error."""
        return ()

    # --- hands --------------------------------------------------------------------------------------------------

    def enter(self, guest: Instance, state: PowerState) -> None:
        """Bring a guest natively into a power state and return once it is there.

        ``NOSTATE``, which is asked for only where guests are whole nodes, is one that the backend itself does not know.
        """
        raise NotVerified("the rig has no enter()")

    def deafen(self, guest: Instance) -> None:
        """Let a guest not obey when it is asked to stop.

        Default: nothing is done, since the kit's blank guests have no operating system that could obey. Where guests
        obey whatever is done, e.g. imitated ones, this raises ``NotApplicable``.
        """

    def letting_go(self, guest: UUID) -> AbstractContextManager[None]:
        """While it is entered, a blank guest lets go of cards that are taken from it, as an operating system would.

        Default: nothing is done, since most backends ask no guest.
        """
        return nullcontext()

    def without_agent(self, guest: Instance) -> AbstractContextManager[None]:
        """While it is entered, no agent answers in a blank guest.

        Default: nothing is done, since the kit's blank guests have no operating system and so no agent.
        """
        return nullcontext()

    def scribble(self, guest: Instance) -> None:
        """Write something onto a stopped guest's boot disk that goes only when the disk is written anew."""
        raise NotVerified("the rig has no scribble()")

    def fill(self, guest: Instance, offset: int, length: int, byte: int) -> None:
        """Let a guest that runs write to its boot disk, as an operating system in it would.

        Args:
            guest: the guest.
            offset: where on the disk, in bytes; a multiple of 4 KiB.
            length: how many bytes; a multiple of 4 KiB.
            byte: what each of them becomes.
        """
        raise NotVerified("the rig has no fill()")

    def new_nic(self) -> Nic:
        """A network interface that a guest can be given beside the one it has; each time another.

        Default: one on the target's first network, of which the backend chooses the rest. What the rig makes for it,
        e.g. a port of a network service, it removes when it is closed, and does not count to the backend's objects.
        """
        return Nic(network=self.target.network)

    def new_vif(self) -> Nic:
        """The same, of a VIF that the rig made at the network service; ``vif_id`` names it."""
        raise NotVerified("the rig has no new_vif()")

    def new_port(self, feature: Feature) -> Nic:
        """The same, plugged into a port outside of the endpoint's networks that needs this feature of it."""
        raise NotVerified(f"the rig has no ports that need {feature.value}")

    def volume(self) -> Volume:
        """A volume of a storage service that a guest can use, not to boot from; each time another.

        What the rig makes for it is removed when it is closed, and does not count to the backend's objects.
        """
        raise NotVerified("the rig has no volume()")

    def special_volume(self, feature: Feature) -> Volume:
        """The same, of a kind that needs this feature of the endpoint, e.g. one that is encrypted."""
        raise NotVerified(f"the rig has no volumes that need {feature.value}")

    def fabric_volume(self, protocol: str) -> Volume:
        """Another volume, which the hypervisor's host connects by this protocol: ``fibre_channel``, ``nvmeof``, ..."""
        raise NotVerified(f"the rig has no storage that a host connects by {protocol}")

    def has_volume(self, volume: Volume) -> bool:
        """Whether the storage service still has a volume that :meth:`volume` gave."""
        raise NotVerified("the rig has no has_volume()")

    def share(self) -> Share:
        """An empty directory of the host that guests may share, with a tag for it; each time another.

        What the rig makes for it is removed when it is closed, and does not count to the backend's objects.
        """
        raise NotVerified("the rig has no share()")

    def forbidden_shares(self) -> Sequence[Share]:
        """Directories that are there and that the endpoint's options do not allow to be shared, by path or by link."""
        raise NotVerified("the rig has no forbidden_shares()")

    def missing_share(self) -> Share:
        """A directory that might be shared if it were there."""
        raise NotVerified("the rig has no missing_share()")

    def write_share(self, share: Share, name: str, content: bytes) -> None:
        """Write a file, on the host, into a directory that :meth:`share` gave."""
        raise NotVerified("the rig has no write_share()")

    def read_share(self, share: Share, name: str) -> bytes | None:
        """What a file in such a directory holds, on the host; None if there is no such file."""
        raise NotVerified("the rig has no read_share()")

    def backend_url(self) -> BackendUrl:
        """An image that the backend fetches itself, as large as it may be. Default: the target's, if it is such."""
        if isinstance(self.target.image, BackendUrl):
            return self.target.image
        raise NotVerified("the target's image is no BackendUrl and the rig has no backend_url()")

    def wrong_backend_url(self) -> BackendUrl:
        """The same with another checksum than its bytes have. Where nothing is fetched, ``NotApplicable``."""
        raise NotVerified("the rig has no wrong_backend_url()")

    def removing_image(self, name: str) -> AbstractContextManager[None]:
        """At the exit, an image of this name that a snapshot left in the target's first pool is removed natively."""
        raise NotVerified("the rig has no removing_image()")

    def foreign_guest(self, name: str) -> AbstractContextManager[UUID]:
        """A stopped guest that was made natively, without this API; gives the uuid that the driver must show.

        At the exit it is removed natively, unless it is gone already.
        """
        raise NotVerified("the rig has no foreign_guest()")

    def adoptable_guest(self, name: str) -> AbstractContextManager[UUID]:
        """As :meth:`foreign_guest`, of a kind that can be adopted. Default: that one."""
        return self.foreign_guest(name)

    def native_copy(self, guest: Instance, name: str) -> AbstractContextManager[UUID]:
        """A stopped copy of a guest, made natively with all that is written on it; gives the uuid to be shown.

        At the exit it is removed natively.
        """
        raise NotVerified("the rig has no native_copy()")

    def remove_kept_disks(self, guest: UUID) -> None:
        """Remove natively what ``destroy`` with ``disks=KEEP`` left of a guest; nothing happens if there is nothing."""
        raise NotVerified("the rig has no remove_kept_disks()")

    def vanish(self, guest: Instance) -> None:
        """Remove a guest natively, leaving behind what the driver keeps beside it, e.g. its record and volumes."""
        raise NotVerified("the rig has no vanish()")

    def claim_twice(self, guest: Instance) -> AbstractContextManager[None]:
        """Let a second object claim the guest's uuid, by a mark of its own, for a while."""
        raise NotVerified("the rig has no claim_twice()")

    def hang(self, guest: Instance) -> AbstractContextManager[None]:
        """Let a guest not answer the backend for a while."""
        raise NotVerified("the rig has no hang()")

    def cut_connection(self, compute: Compute) -> AbstractContextManager[None]:
        """Break this connection's way to the backend; at the exit it works again. Other connections do not suffer."""
        raise NotVerified("the rig has no cut_connection()")

    def provoke(
        self, compute: Compute, method: str, error: type[VirtError], guest: Instance | None
    ) -> AbstractContextManager[None]:
        """Let the backend refuse what a method asks of it, so that this error of the contract has to come of it.

        Asked only for errors that the kit cannot provoke by itself through the contract.

        Args:
            compute: the connection that will call it.
            method: the contract's method, e.g. ``Driver.spawn``.
            error: the error that is documented there.
            guest: the guest that it will be called for; None where there is none, as for a spawn.
        """
        raise NotVerified(f"the rig cannot provoke {error.__name__} in {method}")

    def broken_options(self, error: type[VirtError]) -> dict[str, Any]:
        """Options with which connecting fails with ``Unavailable`` or ``AuthenticationFailed``."""
        raise NotVerified(f"the rig has no options that end in {error.__name__}")

"""Directories that guests share with their hosts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from nova_virt_api.capability import Capability, Feature
from nova_virt_api.driver.shares import Shares
from nova_virt_api.errors import InvalidSpec, InvalidState, NoCapacity, NotSupported, PermissionDenied, StorageError
from nova_virt_api.fake.guest import SharedDirectory
from nova_virt_api.fake.listing import find
from nova_virt_api.fake.steps import Step
from nova_virt_api.model.instance import PowerState
from nova_virt_api.model.share import HostDirectory, Share
from nova_virt_api.model.spec import MOST_DEVICES

if TYPE_CHECKING:
    from nova_virt_api.driver.operation import Operation
    from nova_virt_api.fake.connection import Connection
    from nova_virt_api.fake.guest import Guest
    from nova_virt_api.fake.state import State
    from nova_virt_api.model.identity import InstanceRef

RUNNING: Final = (PowerState.RUNNING, PowerState.PAUSED)
ALLOWED: Final = "/srv/shares"
"""What lies below it may be shared."""

MISSING: Final = f"{ALLOWED}/missing"
"""A directory that is not there."""


class FakeShares(Shares):
    """The role ``Shares`` of the fake driver: each host has every directory below ``/srv/shares`` but one."""

    connection: Connection

    def shares(self, guest: InstanceRef) -> Sequence[Share]:
        self.connection.require(Capability.SHARES)
        self.connection.switches.reach(Step.READ)
        with self.connection.world.reading() as state:
            found = find(guest, state.claimants(guest.uuid))
            return tuple(map(shown, found.shared))

    def attach_share(self, guest: InstanceRef, share: Share, op: Operation) -> None:
        connection = self.connection
        connection.require(Capability.SHARES)
        with connection.hold(guest.uuid, "attach share"):
            with connection.world.reading() as state:
                if has(self._sharing(state, guest), share):
                    return
                refuse_private(self._sharing(state, guest))
            refuse_directory(share.source.path)
            connection.step(Step.ATTACH_SHARE, op)
            with connection.world.changing() as state:
                found = self._sharing(state, guest)
                refuse_private(found)
                if len(found.shared) >= MOST_DEVICES:
                    raise NoCapacity("shares", f"the guest has {len(found.shared)} shares, and no place for one more")
                state.put(replace(sharing_memory(found), shared=(*found.shared, kept(share))))

    def detach_share(self, guest: InstanceRef, tag: str, op: Operation) -> None:
        connection = self.connection
        connection.require(Capability.SHARES)
        with connection.hold(guest.uuid, "detach share"):
            with connection.world.reading() as state:
                if all(share.tag != tag for share in self._sharing(state, guest).shared):
                    return
            connection.step(Step.DETACH_SHARE, op)
            with connection.world.changing() as state:
                found = self._sharing(state, guest)
                left = tuple(share for share in found.shared if share.tag != tag)
                state.put(replace(found, shared=left))

    def _sharing(self, state: State, guest: InstanceRef) -> Guest:
        found = self.connection.ready(state, guest)
        live = Feature.ATTACH_SHARES not in self.connection.switches.withdrawn
        states = (*RUNNING, PowerState.SHUTDOWN) if live else (PowerState.SHUTDOWN,)
        if found.power_state not in states:
            raise InvalidState(found.power_state, states)
        return found


def kept(share: Share) -> SharedDirectory:
    """A share as the hypervisor keeps it."""
    return SharedDirectory(tag=share.tag, path=share.source.path, read_only=share.read_only)


def shown(shared: SharedDirectory) -> Share:
    """A share as the API shows it."""
    return Share(tag=shared.tag, source=HostDirectory(path=shared.path), read_only=shared.read_only)


def has(guest: Guest, share: Share) -> bool:
    """Whether the guest has a share already.

    Raises:
        InvalidSpec: its tag stands for something else.
    """
    there = next((one for one in guest.shared if one.tag == share.tag), None)
    if there is not None and there != kept(share):
        raise InvalidSpec("share.tag", share.tag, f"another tag: this one stands for {there.path}")
    return there is not None


def refuse_private(guest: Guest) -> None:
    """Refuse a running guest whose memory is its own.

    Raises:
        InvalidState: it is one.
    """
    if guest.power_state in RUNNING and not guest.machine.backing.shared:
        hint = "its memory is its own: stop it first, or make guests with MemoryBacking(shared=True)"
        raise InvalidState(guest.power_state, (PowerState.SHUTDOWN,), hint=hint)


def sharing_memory(guest: Guest) -> Guest:
    """The guest with memory that can be shared."""
    return replace(guest, machine=replace(guest.machine, backing=replace(guest.machine.backing, shared=True)))


def refuse_directory(path: str) -> None:
    """Refuse a directory that may not be shared, or is not there.

    Raises:
        PermissionDenied: it may not.
        StorageError: it is not there.
    """
    if not path.startswith(f"{ALLOWED}/"):
        raise PermissionDenied(f"directory {path} may not be shared", hint=f"share one below {ALLOWED}")
    if path == MISSING:
        raise StorageError(f"there is no directory {path} on the host", hint="make it first")


def refuse_shares(guest: Guest, what: Capability | Feature) -> None:
    """Refuse to keep the memory of a running guest that shares directories.

    Raises:
        NotSupported: names the shares.
    """
    if guest.shared and guest.power_state in RUNNING:
        raise NotSupported(what, reason=f"the state of {named(guest)} cannot be kept: detach it first")


def named(guest: Guest) -> str:
    """A guest's shares, for people."""
    tags = [share.tag for share in guest.shared]
    return f"{'share' if len(tags) == 1 else 'shares'} {', '.join(tags)}"

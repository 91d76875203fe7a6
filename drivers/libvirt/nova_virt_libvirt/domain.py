"""A handle of one guest for the verbs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import libvirt

from nova_virt_api.errors import InvalidState
from nova_virt_api.model.instance import Lifecycle
from nova_virt_libvirt.errors import translated
from nova_virt_libvirt.states import power_state

if TYPE_CHECKING:
    from uuid import UUID

    from nova_virt_api.model.instance import PowerState
    from nova_virt_libvirt.connection import Connection
    from nova_virt_libvirt.metadata import Mark


HINTS: Final = {
    Lifecycle.BUILDING: "spawn it again to finish it, or destroy it",
    Lifecycle.DELETING: "destroy it again to finish that",
    Lifecycle.RESCUED: "unrescue it first",
    Lifecycle.RESIZE_PENDING: "confirm or revert its resize first",
    Lifecycle.MIGRATING: "wait until it has moved; if nobody moves it any more, repeat the move or roll it back",
    Lifecycle.ERROR: "rebuild it, or destroy it",
}
"""What to do about a guest that is somewhere else in its life than a verb needs."""


class Domain:
    """One guest.

    Two connections, as libvirtd serves a client only a few requests at a time and a hung QEMU holds up each request
    that needs it: what waits for a guest goes over one, what must get through over the other.

    Args:
        connection: the connection for what may wait for the guest.
        reading: the connection for what never does.
        uuid: the guest.
        name: its name.
        mark: our mark, if it has one.
    """

    def __init__(self, connection: Connection, reading: Connection, uuid: UUID, name: str, mark: Mark | None) -> None:
        self._connection = connection
        self._reading = reading
        self.uuid = uuid
        self.name = name
        self.mark = mark

    @property
    def owner(self) -> str | None:
        """Who made the guest by this API."""
        return None if self.mark is None else self.mark.record.owner

    @property
    def native(self) -> Any:
        """The ``virDomain``, looked up now: one that is kept dies with its connection.

        Raises:
            InstanceNotFound: the guest is gone.
        """
        return self._look_up(self._connection)

    @property
    def urgent(self) -> Any:
        """As :attr:`native`, over the connection that no hung guest can hold up. Only for calls that wait for none."""
        return self._look_up(self._reading)

    @property
    def power_state(self) -> PowerState:
        """The state now.

        Raises:
            InstanceNotFound: the guest is gone.
        """
        with translated("look at the guest's state"):
            native = self.urgent
            state, _ = native.state()
            saved = state == libvirt.VIR_DOMAIN_SHUTOFF and native.hasManagedSaveImage(0)
        return power_state(state, saved=bool(saved))

    def require(self, *states: PowerState) -> PowerState:
        """The state, which must be one of these.

        Raises:
            InvalidState: it is another.
        """
        current = self.power_state
        if current not in states:
            raise InvalidState(current, states)
        return current

    @property
    def lifecycle(self) -> Lifecycle:
        """Where in its life it was when it was found."""
        return Lifecycle.READY if self.mark is None else self.mark.lifecycle

    def require_ready(self, *also: Lifecycle) -> None:
        """Refuse a guest that is in the middle of something.

        Args:
            also: where in its life it may be beside READY.

        Raises:
            InvalidState: it is neither.
        """
        allowed = (Lifecycle.READY, *also)
        if self.lifecycle not in allowed:
            raise InvalidState(self.lifecycle, allowed, hint=HINTS.get(self.lifecycle, ""))

    def _look_up(self, connection: Connection) -> Any:
        with translated("look for the guest"):
            return connection.native.lookupByUUID(self.uuid.bytes)

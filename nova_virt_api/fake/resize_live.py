"""Giving running guests another size."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from nova_virt_api.capability import Capability, Feature
from nova_virt_api.driver.resize import Resize
from nova_virt_api.errors import InvalidSpec, InvalidState
from nova_virt_api.fake.places import check_host
from nova_virt_api.fake.steps import Step
from nova_virt_api.model.instance import PowerState

if TYPE_CHECKING:
    from nova_virt_api.driver.operation import Operation
    from nova_virt_api.fake.connection import Connection
    from nova_virt_api.fake.guest import Guest
    from nova_virt_api.fake.state import State
    from nova_virt_api.model.identity import InstanceRef
    from nova_virt_api.model.instance import Instance
    from nova_virt_api.model.size import Size


class FakeLiveResize(Resize):
    """The verb ``resize_live`` of the fake driver; its guests take and give back everything at once."""

    connection: Connection

    def resize_live(self, guest: InstanceRef, size: Size, op: Operation) -> Instance:
        connection = self.connection
        connection.require(Capability.RESIZE)
        for feature, _ in size.live_features():
            connection.require(feature)
        with connection.hold(guest.uuid, "resize live"):
            with connection.world.reading() as state:
                self._resized(state, guest, size)
            connection.step(Step.RESIZE_LIVE, op)
            with connection.world.changing() as state:
                changed = state.put(self._resized(state, guest, size))
                return connection.listing.view(state, changed)

    def _resized(self, state: State, ref: InstanceRef, size: Size) -> Guest:
        """The guest with this size, which it can have."""
        guest = self.connection.ready(state, ref)
        if guest.power_state is not PowerState.RUNNING:
            raise InvalidState(guest.power_state, (PowerState.RUNNING,), hint="resize() is for guests that are stopped")
        check_size(guest, size)
        vcpus, memory = size.vcpus or guest.vcpus, size.memory_bytes or guest.memory_bytes
        if vcpus < guest.vcpus:
            self.connection.require(Feature.LIVE_VCPUS_REMOVAL)
        if memory < guest.memory_bytes:
            self.connection.require(Feature.LIVE_MEMORY_REMOVAL)
        more_vcpus, more_memory = max(0, vcpus - guest.vcpus), max(0, memory - guest.memory_bytes)
        check_host(state, self.connection.world.shape, guest.node, more_vcpus, more_memory)
        return replace(guest, vcpus=vcpus, memory_bytes=memory, plugged_bytes=memory - guest.least_memory_bytes)


def check_size(guest: Guest, size: Size) -> None:
    """Refuse a size that the guest cannot have while it runs.

    Raises:
        InvalidSpec: it is beyond the guest's ceilings, or less memory than it was started with.
    """
    most = max(guest.vcpus, guest.machine.max_vcpus or 0)
    if size.vcpus is not None and size.vcpus > most:
        raise InvalidSpec("size.vcpus", size.vcpus, f"at most {most}, the guest's max_vcpus")
    least, most = guest.least_memory_bytes, max(guest.memory_bytes, guest.machine.max_memory_bytes or 0)
    if size.memory_bytes is not None and not least <= size.memory_bytes <= most:
        allowed = f"from {least}, with which it was started, to {most}, the guest's max_memory_bytes"
        raise InvalidSpec("size.memory_bytes", size.memory_bytes, allowed)

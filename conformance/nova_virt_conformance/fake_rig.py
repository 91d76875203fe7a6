"""The rig of the reference driver: a world in memory, seen and handled through its own back door."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, cast

from nova_virt_api.compute.connect import connect
from nova_virt_conformance.rig import Rig

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from uuid import UUID

    from nova_virt_api.compute.compute import Compute
    from nova_virt_api.fake.outside import Outside
    from nova_virt_api.fake.switches import Switches
    from nova_virt_api.model.instance import Instance, PowerState


class FakeRig(Rig):
    """Eyes and hands on a named world of the fake driver."""

    def open(self) -> None:
        self._door = connect(self.target.driver, owner="conformance-rig", **self.target.options)

    def close(self) -> None:
        self._door.close()

    @property
    def outside(self) -> Outside:
        """Hands on the world."""
        with self._door.native() as handle:
            return cast("Switches", handle).outside

    def backend_objects(self) -> Collection[str]:
        return self.outside.objects()

    def enter(self, guest: Instance, state: PowerState) -> None:
        self.outside.alter(guest, power_state=state)

    @contextmanager
    def foreign_guest(self, name: str) -> Iterator[UUID]:
        guest = self.outside.add_guest(name)
        yield guest
        self.outside.remove(guest)

    @contextmanager
    def cut_connection(self, compute: Compute) -> Iterator[None]:
        with compute.native() as handle:
            switches = cast("Switches", handle)
            switches.lose_connection(None)
            try:
                yield
            finally:
                switches.restore_connection()

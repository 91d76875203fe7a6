"""Putting guests' memory away."""

from dataclasses import replace

from nova_virt_api.capability import Capability
from nova_virt_api.driver.operation import Operation
from nova_virt_api.driver.suspend import Suspend
from nova_virt_api.errors import NoCapacity, StorageError
from nova_virt_api.fake.connection import Connection
from nova_virt_api.fake.guest import Guest, Volume
from nova_virt_api.fake.places import check_host, check_pool
from nova_virt_api.fake.shares import refuse_shares
from nova_virt_api.fake.state import State
from nova_virt_api.fake.steps import Step
from nova_virt_api.model.identity import InstanceRef
from nova_virt_api.model.instance import PowerState

MEMORY = "memory"


class FakeSuspend(Suspend):
    """The role ``Suspend`` of the fake driver: the saved memory is a volume in the guest's pool."""

    connection: Connection

    def suspend(self, guest: InstanceRef, op: Operation) -> None:
        self.connection.require(Capability.SUSPEND)
        allowed = (PowerState.RUNNING, PowerState.PAUSED)
        self.connection.transit(guest, op, Step.SUSPEND, allowed, PowerState.SUSPENDED, self._save)

    def resume(self, guest: InstanceRef, op: Operation) -> None:
        self.connection.require(Capability.SUSPEND)
        allowed = (PowerState.SUSPENDED,)
        self.connection.transit(guest, op, Step.RESUME, allowed, PowerState.RUNNING, self._restore)

    def _save(self, state: State, guest: Guest) -> None:
        refuse_shares(guest, Capability.SUSPEND)
        shape = self.connection.world.shape
        pool = guest.disks[0][0] if guest.disks else shape.pools[0]
        try:
            check_pool(state, shape, pool, guest.memory_bytes)
        except NoCapacity as error:
            raise StorageError(f"the memory cannot be saved: {error.message}", hint="make room there") from error
        name = f"{guest.uuid}-{MEMORY}"
        state.put_volume(
            Volume(
                pool=pool,
                name=name,
                kind=MEMORY,
                size_bytes=guest.memory_bytes,
                uuid=guest.uuid,
                owner=guest.owner,
                content="a guest's memory",
            )
        )
        state.put(guest.stopped(PowerState.SUSPENDED))

    def _restore(self, state: State, guest: Guest) -> None:
        check_host(state, self.connection.world.shape, guest.node, guest.vcpus, guest.memory_bytes)
        for volume in state.volumes_of(guest.uuid):
            if volume.kind == MEMORY:
                state.drop_volume(volume.key)
        state.put(replace(guest, power_state=PowerState.RUNNING))

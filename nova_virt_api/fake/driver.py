"""The fake driver, put together from its parts."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING

from nova_virt_api.driver.driver import Driver
from nova_virt_api.errors import InstanceExists
from nova_virt_api.fake import remains
from nova_virt_api.fake.adopt import FakeAdopt
from nova_virt_api.fake.backup import FakeBackup
from nova_virt_api.fake.capabilities import BACKEND, capabilities_of, missing_at
from nova_virt_api.fake.checkpoint import FakeCheckpoint
from nova_virt_api.fake.clone import FakeClone
from nova_virt_api.fake.connection import Connection
from nova_virt_api.fake.console import FakeConsole
from nova_virt_api.fake.console_log import FakeConsoleLog
from nova_virt_api.fake.crash_dump import FakeCrashDump
from nova_virt_api.fake.destroy import Destroy
from nova_virt_api.fake.devices import FakeDevices
from nova_virt_api.fake.diagnostics import FakeDiagnostics
from nova_virt_api.fake.guest_agent import FakeGuestAgent
from nova_virt_api.fake.host_control import FakeHostControl
from nova_virt_api.fake.image_cache import FakeImageCache
from nova_virt_api.fake.interfaces import FakeInterfaces
from nova_virt_api.fake.live_migration import FakeLiveMigration
from nova_virt_api.fake.metrics import FakeMetrics
from nova_virt_api.fake.pause import FakePause
from nova_virt_api.fake.power import Power
from nova_virt_api.fake.rebuild import FakeRebuild
from nova_virt_api.fake.rescue import FakeRescue
from nova_virt_api.fake.resize import FakeResize
from nova_virt_api.fake.shares import FakeShares
from nova_virt_api.fake.snapshot import FakeSnapshot
from nova_virt_api.fake.spawn import Spawn
from nova_virt_api.fake.steps import Step
from nova_virt_api.fake.storage_volumes import FakeStorageVolumes
from nova_virt_api.fake.suspend import FakeSuspend
from nova_virt_api.fake.volumes import FakeVolumes
from nova_virt_api.model.instance import DiskPolicy, Instance, PowerOff
from nova_virt_api.model.place import Inventory, Resource
from nova_virt_api.model.spec import frozen_labels, require_one
from nova_virt_api.version import __version__

if TYPE_CHECKING:
    from collections.abc import Sequence

    from oslo_config import cfg

    from nova_virt_api.driver.endpoint import Endpoint
    from nova_virt_api.driver.operation import Operation
    from nova_virt_api.events import Emit, Subscription
    from nova_virt_api.fake.switches import Switches
    from nova_virt_api.model.capabilities import Capabilities
    from nova_virt_api.model.identity import InstanceRef
    from nova_virt_api.model.leftover import Leftover
    from nova_virt_api.model.place import Network, Node, StoragePool
    from nova_virt_api.model.spec import InstanceSpec, InstanceUpdate

MEBIBYTE = 1024**2
GIBIBYTE = 1024**3
TRAITS = ("HW_ARCH_X86_64",)


class FakeDriver(
    FakePause,
    FakeSuspend,
    FakeSnapshot,
    FakeClone,
    FakeBackup,
    FakeCheckpoint,
    FakeRebuild,
    FakeResize,
    FakeRescue,
    FakeConsole,
    FakeConsoleLog,
    FakeInterfaces,
    FakeVolumes,
    FakeStorageVolumes,
    FakeShares,
    FakeImageCache,
    FakeGuestAgent,
    FakeCrashDump,
    FakeDiagnostics,
    FakeMetrics,
    FakeLiveMigration,
    FakeHostControl,
    FakeAdopt,
    FakeDevices,
    Driver,
):
    """A hypervisor that exists in memory only and keeps every promise of the contract."""

    def __init__(self, endpoint: Endpoint) -> None:
        super().__init__(endpoint)
        self.connection = Connection(endpoint)
        self._power = Power(self.connection)
        self._capabilities: tuple[object, Capabilities] | None = None

    @classmethod
    def options(cls) -> Sequence[cfg.Opt]:
        from nova_virt_api.fake.options import OPTIONS

        return OPTIONS

    def open(self) -> None:
        self.connection.open()

    def close(self) -> None:
        self.connection.close()

    def native(self) -> Switches:
        """The connection's switches: faults, and hands on the world from outside."""
        return self.connection.switches

    # --- reads ----------------------------------------------------------------------------------------------------

    def capabilities(self, node: str | None = None) -> Capabilities:
        if node is not None:
            require_one("node", node, self.connection.world.shape.nodes)
        withdrawn = self.connection.switches.withdrawn
        if self._capabilities is None or self._capabilities[0] is not withdrawn:
            world = self.connection.world
            missing = missing_at(self.endpoint, world.shape, persisted=world.store is not None)
            self._capabilities = withdrawn, capabilities_of(type(self), withdrawn, missing)
        return self._capabilities[1]

    def inventory(self, node: str | None = None) -> Inventory:
        self.connection.switches.reach(Step.READ)
        world = self.connection.world
        shape = world.shape
        name = require_one("node", node, shape.nodes)
        with world.reading() as state:
            reason = state.maintenance.get(name)
            running = state.guests_on(name) if shape.whole_nodes else list(state.running_on(name))
            disk = sum(state.used_bytes(pool) for pool in shape.pools)
            taken = len(state.dedicated_on(name))
        memory = sum(guest.memory_bytes for guest in running)
        dedicated = len(shape.dedicated)
        pcpus = (Resource(resource_class="PCPU", total=dedicated, used=taken),) if dedicated else ()
        return Inventory(
            node=shape.node(name, reason),
            hypervisor=BACKEND,
            hypervisor_version=__version__,
            uptime_seconds=int(time.monotonic() - world.born),
            resources=(
                Resource(resource_class="VCPU", total=shape.vcpus, used=sum(guest.vcpus for guest in running)),
                *pcpus,
                Resource(resource_class="MEMORY_MB", total=shape.memory_bytes // MEBIBYTE, used=memory // MEBIBYTE),
                Resource(
                    resource_class="DISK_GB",
                    total=shape.pool_bytes * len(shape.pools) // GIBIBYTE,
                    used=-(-disk // GIBIBYTE),
                ),
            ),
            traits=TRAITS,
            cells=shape.cells,
        )

    def instances(self, *, fresh: bool = False) -> Sequence[Instance]:
        self.connection.switches.reach(Step.READ)
        return self.connection.listing.instances()

    def instance(self, guest: InstanceRef, *, fresh: bool = False) -> Instance:
        self.connection.switches.reach(Step.READ)
        return self.connection.listing.instance(guest)

    def leftovers(self) -> Sequence[Leftover]:
        self.connection.switches.reach(Step.READ)
        return remains.leftovers(self.connection)

    def nodes(self) -> Sequence[Node]:
        self.connection.switches.reach(Step.READ)
        shape = self.connection.world.shape
        with self.connection.world.reading() as state:
            return [shape.node(name, state.maintenance.get(name)) for name in shape.nodes]

    def storage_pools(self) -> Sequence[StoragePool]:
        self.connection.switches.reach(Step.READ)
        shape = self.connection.world.shape
        with self.connection.world.reading() as state:
            return [shape.pool(name, state.used_bytes(name)) for name in shape.pools]

    def networks(self) -> Sequence[Network]:
        self.connection.switches.reach(Step.READ)
        shape = self.connection.world.shape
        return [shape.network(name) for name in shape.networks]

    # --- verbs ----------------------------------------------------------------------------------------------------

    def spawn(self, spec: InstanceSpec, op: Operation) -> Instance:
        return Spawn(self.connection, spec, op).run()

    def destroy(
        self, guest: InstanceRef, op: Operation, *, disks: DiskPolicy = DiskPolicy.DELETE, foreign: bool = False
    ) -> bool:
        return Destroy(self.connection, guest, op, disks, foreign).run()

    def power_on(self, guest: InstanceRef, op: Operation) -> None:
        self._power.on(guest, op)

    def power_off(self, guest: InstanceRef, op: Operation, *, mode: PowerOff, grace_seconds: float) -> None:
        self._power.off(guest, op, mode, grace_seconds)

    def reboot(self, guest: InstanceRef, op: Operation, *, mode: PowerOff, grace_seconds: float) -> None:
        self._power.reboot(guest, op, mode, grace_seconds)

    def update(self, guest: InstanceRef, update: InstanceUpdate, op: Operation) -> Instance:
        with self.connection.hold(guest.uuid, "update"):
            with self.connection.world.reading() as state:
                self.connection.ready(state, guest)
            self.connection.step(Step.UPDATE, op)
            with self.connection.world.changing() as state:
                found = self.connection.ready(state, guest)
                if update.name is not None:
                    if any(other is not found for other in state.named(update.name)):
                        raise InstanceExists(f"another guest is called {update.name!r}", hint="choose another name")
                    found = replace(found, name=update.name)
                if update.labels is not None:
                    found = replace(found, labels=frozen_labels(update.labels))
                return self.connection.listing.view(state, state.put(found))

    # --- events ---------------------------------------------------------------------------------------------------

    def events(self, emit: Emit) -> Subscription:
        world = self.connection.world
        if world.store is not None:  # other processes change it, and they do not call us
            return super().events(emit)
        return self.connection.subscribe(emit)

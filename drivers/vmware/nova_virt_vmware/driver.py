"""The VMware vSphere driver, assembled from its parts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nova_virt_api.driver.driver import Driver
from nova_virt_api.model.capabilities import Capabilities
from nova_virt_vmware import capabilities, doctor, events
from nova_virt_vmware.adopt import VmwareAdopt
from nova_virt_vmware.beginning import Beginning
from nova_virt_vmware.connection import Connection
from nova_virt_vmware.destroy import VmwareDestroy
from nova_virt_vmware.diagnostics import VmwareDiagnostics
from nova_virt_vmware.instances import Guests
from nova_virt_vmware.inventory import inventory_of
from nova_virt_vmware.inventory_cache import LATENCY, SILENCE, InventoryCache
from nova_virt_vmware.leftovers import VmwareLeftovers
from nova_virt_vmware.networks import read_networks
from nova_virt_vmware.nodes import read_nodes
from nova_virt_vmware.options import OPTIONS
from nova_virt_vmware.power import VmwarePower
from nova_virt_vmware.site import Site
from nova_virt_vmware.spawn import VmwareSpawn
from nova_virt_vmware.storage_pools import read_storage_pools
from nova_virt_vmware.suspend import VmwareSuspend
from nova_virt_vmware.tasks import Tasks
from nova_virt_vmware.update import VmwareUpdate
from nova_virt_vmware.version import __version__

if TYPE_CHECKING:
    from collections.abc import Sequence

    from oslo_config import cfg

    from nova_virt_api.driver.endpoint import Endpoint
    from nova_virt_api.driver.health_check import Check
    from nova_virt_api.events import Emit, Subscription
    from nova_virt_api.model.identity import InstanceRef
    from nova_virt_api.model.instance import Instance
    from nova_virt_api.model.place import Inventory, Network, Node, StoragePool


class VmwareDriver(
    VmwareSpawn,
    VmwareDestroy,
    VmwarePower,
    VmwareUpdate,
    VmwareLeftovers,
    VmwareSuspend,
    VmwareAdopt,
    VmwareDiagnostics,
    Driver,
):
    """Virtual machines of one vCenter, or of one ESXi host."""

    def __init__(self, endpoint: Endpoint) -> None:
        super().__init__(endpoint)
        connection = Connection(endpoint.options)
        cache = InventoryCache(connection)
        tasks = Tasks(connection, endpoint.options.outage_timeout, cache.touch)
        self.site = Site(
            endpoint=endpoint,
            connection=connection,
            cache=cache,
            guests=Guests(endpoint, cache),
            tasks=tasks,
            beginning=Beginning(tasks),
        )

    @classmethod
    def options(cls) -> Sequence[cfg.Opt]:
        return OPTIONS

    # --- connection -----------------------------------------------------------------------------------------------

    def open(self) -> None:
        self.site.connection.open()

    def close(self) -> None:
        self.site.tasks.close()
        self.site.cache.close()
        self.site.connection.close()

    def native(self) -> object:
        """Pyvmomi's ``vim.ServiceInstance`` in the driver's session."""
        return self.site.connection.service_instance

    def doctor(self) -> Sequence[Check]:
        return doctor.checks(self.endpoint.options)

    # --- reads ----------------------------------------------------------------------------------------------------

    def capabilities(self, node: str | None = None) -> Capabilities:
        connection = self.site.connection
        if node is not None:
            read_nodes(connection).pick(node)
        about = connection.content.about
        return Capabilities(
            driver=self.endpoint.driver,
            driver_version=__version__,
            backend=about.name,
            backend_version=about.version,
            answers=capabilities.answers(self.endpoint.manage),
            staleness_seconds=SILENCE,
            event_latency_seconds=LATENCY,
        )

    def inventory(self, node: str | None = None) -> Inventory:
        connection = self.site.connection
        nodes = read_nodes(connection)
        row = nodes.pick(node)
        return inventory_of(row, read_storage_pools(connection, nodes), self.site.cache.known().vms.values())

    def nodes(self) -> Sequence[Node]:
        return tuple(row.node for row in read_nodes(self.site.connection).rows)

    def instances(self, *, fresh: bool = False) -> Sequence[Instance]:
        return self.site.guests.instances(fresh=fresh)

    def instance(self, guest: InstanceRef, *, fresh: bool = False) -> Instance:
        return self.site.guests.instance(guest, fresh=fresh)

    def storage_pools(self) -> Sequence[StoragePool]:
        connection = self.site.connection
        return read_storage_pools(connection, read_nodes(connection))

    def networks(self) -> Sequence[Network]:
        connection = self.site.connection
        return read_networks(connection, read_nodes(connection))

    # --- events ---------------------------------------------------------------------------------------------------

    def events(self, emit: Emit) -> Subscription:
        return events.subscribe(self.site.guests, self.site.cache, emit)

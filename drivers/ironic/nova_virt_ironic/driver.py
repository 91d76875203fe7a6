"""The Ironic driver, assembled from its parts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nova_virt_api.driver.driver import Driver
from nova_virt_api.errors import ConfigError
from nova_virt_api.model.capabilities import Capabilities
from nova_virt_ironic import capabilities, doctor, events
from nova_virt_ironic.adopt import IronicAdopt
from nova_virt_ironic.connection import Connection
from nova_virt_ironic.console import IronicConsole
from nova_virt_ironic.crash_dump import IronicCrashDump
from nova_virt_ironic.destroy import IronicDestroy
from nova_virt_ironic.devices import IronicDevices
from nova_virt_ironic.diagnostics import IronicDiagnostics
from nova_virt_ironic.extras import BootIso, Hardware, PartitionImage
from nova_virt_ironic.firmware import IronicFirmware
from nova_virt_ironic.host_control import IronicHostControl
from nova_virt_ironic.instances import Guests
from nova_virt_ironic.interfaces import IronicInterfaces
from nova_virt_ironic.inventory import inventory_of, node_of, pick
from nova_virt_ironic.leftovers import IronicLeftovers
from nova_virt_ironic.listing import Listing, Scope
from nova_virt_ironic.options import OPTIONS
from nova_virt_ironic.power import IronicPower
from nova_virt_ironic.rebuild import IronicRebuild
from nova_virt_ironic.rescue import IronicRescue
from nova_virt_ironic.service_steps import IronicServiceSteps
from nova_virt_ironic.site import Site
from nova_virt_ironic.spawn import IronicSpawn
from nova_virt_ironic.update import IronicUpdate
from nova_virt_ironic.version import __version__
from nova_virt_ironic.virtual_media import IronicVirtualMedia
from nova_virt_ironic.volumes import IronicVolumes
from nova_virt_ironic.watcher import Watcher

if TYPE_CHECKING:
    from collections.abc import Sequence

    from oslo_config import cfg

    from nova_virt_api.driver.endpoint import Endpoint
    from nova_virt_api.driver.health_check import Check
    from nova_virt_api.events import Emit, Subscription
    from nova_virt_api.model.identity import InstanceRef
    from nova_virt_api.model.instance import Instance
    from nova_virt_api.model.place import Inventory, Network, Node, StoragePool


class IronicDriver(
    IronicSpawn,
    IronicDestroy,
    IronicPower,
    IronicUpdate,
    IronicLeftovers,
    IronicRebuild,
    IronicRescue,
    IronicInterfaces,
    IronicVolumes,
    IronicConsole,
    IronicCrashDump,
    IronicDiagnostics,
    IronicHostControl,
    IronicAdopt,
    IronicDevices,
    IronicServiceSteps,
    IronicVirtualMedia,
    IronicFirmware,
    Driver,
):
    """Bare metal machines through one Ironic endpoint."""

    extras = (Hardware, BootIso, PartitionImage)

    def __init__(self, endpoint: Endpoint) -> None:
        super().__init__(endpoint)
        options = endpoint.options
        self._scope = Scope.of(options)
        connection = Connection(options)
        listing = Listing(connection, self._scope, options.staleness)
        watcher = Watcher(listing, options)
        connection.on_change(watcher.hurry)
        self.site = Site(
            endpoint=endpoint,
            connection=connection,
            listing=listing,
            guests=Guests(endpoint, listing),
            watcher=watcher,
        )

    @classmethod
    def options(cls) -> Sequence[cfg.Opt]:
        return OPTIONS

    # --- connection -----------------------------------------------------------------------------------------------

    def open(self) -> None:
        self.site.connection.open()
        for call in self._scope.calls():
            reason = self.site.connection.too_old(call)
            if reason:
                self.close()
                raise ConfigError(call.what, reason, hint="leave the option out, or upgrade Ironic")

    def close(self) -> None:
        self.site.watcher.close()
        self.site.connection.close()

    def native(self) -> object:
        return self.site.connection.native

    def doctor(self) -> Sequence[Check]:
        return doctor.checks(self.endpoint.options)

    # --- reads ----------------------------------------------------------------------------------------------------

    def capabilities(self, node: str | None = None) -> Capabilities:
        row = None if node is None else pick(self.site.listing.snapshot().rows.values(), node)
        versions = self.site.connection.versions
        return Capabilities(
            driver=self.endpoint.driver,
            driver_version=__version__,
            backend=capabilities.BACKEND,
            backend_version=str(versions.highest),
            answers=capabilities.answers(versions, row, self.endpoint.manage),
            staleness_seconds=self.site.listing.staleness_seconds,
            event_latency_seconds=self.site.watcher.latency_seconds,
        )

    def inventory(self, node: str | None = None) -> Inventory:
        row = pick(self.site.listing.snapshot().rows.values(), node)
        return inventory_of(row, str(self.site.connection.versions.highest))

    def nodes(self) -> Sequence[Node]:
        return tuple(node_of(row) for row in self.site.listing.snapshot().rows.values())

    def instances(self, *, fresh: bool = False) -> Sequence[Instance]:
        return self.site.guests.instances(fresh=fresh)

    def instance(self, guest: InstanceRef, *, fresh: bool = False) -> Instance:
        return self.site.guests.instance(guest, fresh=fresh)

    def storage_pools(self) -> Sequence[StoragePool]:
        return ()

    def networks(self) -> Sequence[Network]:
        return ()

    # --- events ---------------------------------------------------------------------------------------------------

    def events(self, emit: Emit) -> Subscription:
        return events.subscribe(self.site.guests, self.site.listing, self.site.watcher, emit)

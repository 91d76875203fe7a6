"""The libvirt driver, assembled from its parts."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from nova_virt_api.driver.driver import Driver
from nova_virt_api.driver.endpoint import Manage
from nova_virt_api.errors import ConfigError
from nova_virt_api.images.cache import ImageCache
from nova_virt_api.model.capabilities import Capabilities
from nova_virt_api.model.image import LocalFile
from nova_virt_api.model.instance import DiskPolicy
from nova_virt_libvirt import capabilities
from nova_virt_libvirt.adopt import LibvirtAdopt
from nova_virt_libvirt.agent.guest_agent import GuestAgent
from nova_virt_libvirt.agent.role import LibvirtGuest
from nova_virt_libvirt.backup.role import LibvirtBackup
from nova_virt_libvirt.backup.sessions import BackupSessions
from nova_virt_libvirt.backup.socket import BackupSockets
from nova_virt_libvirt.checkpoint.role import LibvirtCheckpoint
from nova_virt_libvirt.clone.role import LibvirtClone
from nova_virt_libvirt.connection import Connection
from nova_virt_libvirt.console import LibvirtConsole
from nova_virt_libvirt.console_log import LibvirtConsoleLog
from nova_virt_libvirt.crash_dump import LibvirtCrashDump
from nova_virt_libvirt.destroy import Destroyer
from nova_virt_libvirt.diagnostics import LibvirtDiagnostics
from nova_virt_libvirt.domains import Domains
from nova_virt_libvirt.errors import translated
from nova_virt_libvirt.events import Events
from nova_virt_libvirt.extras import LibvirtMachine
from nova_virt_libvirt.host import acceleration, doctor, landscape
from nova_virt_libvirt.host.control import LibvirtHostControl
from nova_virt_libvirt.host.cpus import HostCpus
from nova_virt_libvirt.host.host import Host, dotted
from nova_virt_libvirt.host.node_devices import LibvirtDevices
from nova_virt_libvirt.host_connections.initiator import Initiator
from nova_virt_libvirt.images.cache import LibvirtImageCache
from nova_virt_libvirt.leftovers import Leftovers
from nova_virt_libvirt.metrics import LibvirtMetrics
from nova_virt_libvirt.migration.role import LibvirtLiveMigration
from nova_virt_libvirt.network.addresses import Addresses
from nova_virt_libvirt.network.bridges import Bridges
from nova_virt_libvirt.network.interfaces import LibvirtInterfaces
from nova_virt_libvirt.network.vif import Vifs
from nova_virt_libvirt.options import OPTIONS
from nova_virt_libvirt.pause import LibvirtPause
from nova_virt_libvirt.power import LibvirtPower
from nova_virt_libvirt.pulse import Pulse
from nova_virt_libvirt.rebuild.role import LibvirtRebuild
from nova_virt_libvirt.rescue.role import LibvirtRescue
from nova_virt_libvirt.resize.role import LibvirtResize
from nova_virt_libvirt.shares.directories import ShareDirectories
from nova_virt_libvirt.shares.role import LibvirtShares
from nova_virt_libvirt.site import Site
from nova_virt_libvirt.snapshot.role import LibvirtSnapshot
from nova_virt_libvirt.spawn import Spawner
from nova_virt_libvirt.starts import CONNECTIONS, Starts
from nova_virt_libvirt.stored_volumes.role import LibvirtStorageVolumes
from nova_virt_libvirt.suspend import LibvirtSuspend
from nova_virt_libvirt.update import LibvirtUpdate
from nova_virt_libvirt.version import __version__
from nova_virt_libvirt.volumes.role import LibvirtVolumes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from oslo_config import cfg

    from nova_virt_api.driver.endpoint import Endpoint
    from nova_virt_api.driver.health_check import Check
    from nova_virt_api.driver.operation import Operation
    from nova_virt_api.events import Emit, Subscription
    from nova_virt_api.model.identity import InstanceRef
    from nova_virt_api.model.instance import Instance
    from nova_virt_api.model.leftover import Leftover
    from nova_virt_api.model.place import Inventory, Network, Node, StoragePool
    from nova_virt_api.model.spec import InstanceSpec


class LibvirtDriver(
    LibvirtPower,
    LibvirtUpdate,
    LibvirtPause,
    LibvirtSuspend,
    LibvirtSnapshot,
    LibvirtClone,
    LibvirtBackup,
    LibvirtCheckpoint,
    LibvirtConsole,
    LibvirtConsoleLog,
    LibvirtResize,
    LibvirtInterfaces,
    LibvirtVolumes,
    LibvirtStorageVolumes,
    LibvirtShares,
    LibvirtImageCache,
    LibvirtGuest,
    LibvirtCrashDump,
    LibvirtDiagnostics,
    LibvirtMetrics,
    LibvirtLiveMigration,
    LibvirtRescue,
    LibvirtRebuild,
    LibvirtAdopt,
    LibvirtHostControl,
    LibvirtDevices,
    Driver,
):
    """QEMU and KVM guests through one libvirt daemon."""

    extras = (LibvirtMachine,)

    def __init__(self, endpoint: Endpoint) -> None:
        super().__init__(endpoint)
        options = endpoint.options
        self.uri: str = options.uri
        self.ticket_seconds: int = options.console_ticket_seconds
        self.rescue_image = None if options.rescue_image is None else LocalFile(options.rescue_image)
        self.connection = Connection(options)
        self.reading = Connection(options, opened=self._greet, lost=self._lost)
        self.asking = Connection(options)
        self.agents = Connection(options)
        self.host = Host(self.reading, options.pool)
        self.domains = Domains(
            endpoint,
            self.connection,
            self.reading,
            Addresses(self.reading, self.asking),
            lambda: self.host.name,
            Pulse(self.asking),
        )
        self._events = Events(
            forget=self.domains.forget,
            clear=self.domains.clear,
            look=self.domains.instance,
            list_all=self.domains.instances,
            reconnect=lambda: self.reading.native,
        )
        self.starts = Starts([Connection(options) for _ in range(CONNECTIONS)])
        self.site = Site(
            connection=lambda: self.connection.native,
            another=self.connection.another,
            starts=self.starts,
            host=lambda: self.host.uuid,
            virt_type=self._virt_type,
            instance=lambda guest: self.domains.instance(guest, fresh=True),
            instances=self.domains.instances,
            emulator=self.host.emulator,
            cpus=HostCpus.of(options),
            images=ImageCache(endpoint.cache_dir),
            owner=endpoint.owner,
            manage=endpoint.manage,
            bridges=Bridges.of(options),
            vifs=Vifs(options.uri, options.ovsdb),
            initiator=Initiator(
                uri=options.uri,
                root_helper=options.os_brick_root_helper,
                multipath=options.os_brick_multipath,
                marks=endpoint.manage is not Manage.ALL,
            ),
            pool=options.pool,
        )
        self.share_directories = ShareDirectories.of(options.share_directories, options.uri)
        self.backup_sockets = BackupSockets(options.uri, options.backup_sockets)
        self.backups = BackupSessions(self.site, self.backup_sockets, lambda domain: GuestAgent(self.asking, domain))

    @classmethod
    def options(cls) -> Sequence[cfg.Opt]:
        return OPTIONS

    # --- connection -----------------------------------------------------------------------------------------------

    def open(self) -> None:
        self.reading.open()
        with translated("look at the hypervisor"):
            kind = self.reading.native.getType()
        if kind != "QEMU":
            self.close()
            raise ConfigError("uri", f"this is libvirt's driver for {kind}", hint="use one of QEMU's: qemu:///system")
        self.connection.open()
        self._events.start()

    def close(self) -> None:
        self._events.stop()
        self.backups.close()
        for connection in (self.connection, self.reading, self.asking, self.agents, self.starts):
            connection.close()

    def native(self) -> object:
        return self.connection.native

    def doctor(self) -> Sequence[Check]:
        return doctor.checks(self.endpoint.options)

    def _greet(self, native: Any) -> None:
        self.host.greet(native)
        self._events.register(native)

    def _lost(self, reason: str) -> None:
        self._events.lost(reason)

    def _virt_type(self) -> str:
        listed = self.host.emulator().virt_types
        return acceleration.choose(self.endpoint.options.virt_type, self.connection.native, self.host.uuid, listed)

    # --- reads ----------------------------------------------------------------------------------------------------

    def capabilities(self, node: str | None = None) -> Capabilities:
        self.host.check_node(node)
        with translated("look at the hypervisor"):
            kind = self.reading.native.getType()
            versions = self.host.versions()
        return Capabilities(
            driver=self.endpoint.driver,
            driver_version=__version__,
            backend=kind,
            backend_version=dotted(versions.hypervisor),
            answers={
                **capabilities.answers(self.host.emulator(), self.site.cpus.dedicated),
                **capabilities.marking_answers(self.endpoint.manage),
                **capabilities.opaque_nic_answer(self.endpoint.manage, self.site.vifs.refusal),
                **capabilities.host_connection_answer(self.endpoint.manage, self.site.initiator.refusal),
                **capabilities.share_answers(
                    self.host.emulator(), versions.library, self.uri, self.share_directories.refusal()
                ),
                **capabilities.live_answers(self._virt_type(), versions.library),
                **capabilities.backup_answers(self.host.emulator(), self.backup_sockets.refusal()),
            },
            staleness_seconds=capabilities.STALENESS,
            event_latency_seconds=capabilities.EVENT_LATENCY,
        )

    def inventory(self, node: str | None = None) -> Inventory:
        self.host.check_node(node)
        return self.host.inventory(self.instances(), self.storage_pools(), self.site.cpus, self._virt_type())

    def nodes(self) -> Sequence[Node]:
        return (self.host.node,)

    def instances(self, *, fresh: bool = False) -> Sequence[Instance]:
        return self.domains.instances(fresh=fresh)

    def instance(self, guest: InstanceRef, *, fresh: bool = False) -> Instance:
        return self.domains.instance(guest, fresh=fresh)

    def leftovers(self) -> Sequence[Leftover]:
        return Leftovers(self.site).find()

    def storage_pools(self) -> Sequence[StoragePool]:
        with translated("list the storage pools"):
            return landscape.storage_pools(self.reading.native, self.host.name)

    def networks(self) -> Sequence[Network]:
        with translated("list the networks"):
            return landscape.networks(self.reading.native, self.host.name, self.site.bridges)

    # --- verbs ----------------------------------------------------------------------------------------------------

    def spawn(self, spec: InstanceSpec, op: Operation) -> Instance:
        return Spawner(self.site).spawn(spec, op)

    def destroy(
        self, guest: InstanceRef, op: Operation, *, disks: DiskPolicy = DiskPolicy.DELETE, foreign: bool = False
    ) -> bool:
        # Hung guests may block the connection for verbs; killing one of them is the way out, so it takes the other.
        site = replace(self.site, connection=lambda: self.reading.native)
        try:
            return Destroyer(site).destroy(guest, op, disks=disks, foreign=foreign)
        finally:
            self.domains.forget(guest.uuid)

    # --- events ---------------------------------------------------------------------------------------------------

    def events(self, emit: Emit) -> Subscription:
        return self._events.subscribe(emit)

"""The work of a spawn, once the guest is claimed: places, image, disks, definition, start."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from nova_virt_api.driver.endpoint import Manage
from nova_virt_api.driver.operation import Stage
from nova_virt_api.errors import InvalidSpec, NoCapacity
from nova_virt_api.model.disk import Blank, Disk, DiskBus
from nova_virt_api.model.host_connection import HostConnection
from nova_virt_api.model.image import ImageFormat, Native
from nova_virt_api.model.labels import Labels
from nova_virt_api.model.leftover import Leftover
from nova_virt_api.model.record import Phase
from nova_virt_api.toolkit.seed import check_form, seed_image
from nova_virt_libvirt.claims.records import Records
from nova_virt_libvirt.devices.disk import DiskFile
from nova_virt_libvirt.devices.volume_disk import VolumeDisk
from nova_virt_libvirt.errors import translated
from nova_virt_libvirt.foreign import looks_like
from nova_virt_libvirt.host.cpus import chosen
from nova_virt_libvirt.host.maintenance import Maintenance
from nova_virt_libvirt.host_connections.connected import ConnectedVolumes, keep_secrets, not_yet, noted
from nova_virt_libvirt.host_connections.note import HostConnectionNote
from nova_virt_libvirt.images.base import BaseImages
from nova_virt_libvirt.images.native import fetched
from nova_virt_libvirt.machine.domain_xml import Parts, domain_xml, machine_type
from nova_virt_libvirt.machine.firmware import stateless_code
from nova_virt_libvirt.machine.refused_hardware import refuse_hardware
from nova_virt_libvirt.machine.told_devices import defined, tell
from nova_virt_libvirt.metadata import Mark, erase_mark, read_mark, write_mark, write_mark_of_started
from nova_virt_libvirt.names import console_log_name, disk_name, seed_name
from nova_virt_libvirt.native_call import in_time
from nova_virt_libvirt.network.ports import Ports, ports_of
from nova_virt_libvirt.network.vif import Owner
from nova_virt_libvirt.stored_volumes.use import refuse_going
from nova_virt_libvirt.taken import kept_disk, refuse_taken_name
from nova_virt_libvirt.volumes.errors import volume_errors
from nova_virt_libvirt.volumes.opaque import hosted
from nova_virt_libvirt.volumes.secrets import define_secrets
from nova_virt_libvirt.volumes.source import described

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    import libvirt
    from lxml import etree

    from nova_virt_api.driver.operation import Operation
    from nova_virt_api.images.cached import CachedImage
    from nova_virt_api.model.image import ImageSource
    from nova_virt_api.model.record import Record
    from nova_virt_api.model.spec import InstanceSpec
    from nova_virt_api.model.volume import Volume as StorageVolume
    from nova_virt_libvirt.claims.hold import Hold
    from nova_virt_libvirt.places import Places
    from nova_virt_libvirt.site import Site
    from nova_virt_libvirt.storage.pools import Backing, Pool, Volume

GRANULE: Final = 1024
"""Disks are whole kibibytes: libvirt hands their size to qemu-img so."""

MOST_VCPUS: Final = 255
"""More need an interrupt-remapping IOMMU."""


class Build:
    """One guest in the making.

    Args:
        site: the endpoint.
        connection: the connection to use throughout.
        places: what names of places mean.
        spec: what was asked for.
        op: the operation worked for.
    """

    def __init__(
        self, site: Site, connection: libvirt.virConnect, places: Places, spec: InstanceSpec, op: Operation
    ) -> None:
        self._site = site
        self._connection = connection
        self._places = places
        self._spec = spec
        self._op = op
        self._labels = spec.labels if isinstance(spec.labels, Labels) else Labels(spec.labels)
        self._pools: list[Pool] = []
        self._ports = Ports()
        self._volumes: list[tuple[StorageVolume, etree._Element]] = []
        self._stateless_code: str | None = None
        self._medium: tuple[Volume, bytes] | None = None
        self.made: list[Leftover] = []
        """What was made so far, in case that it cannot be removed again."""

    def plan(self) -> None:
        """Find the places and refuse what cannot be, before anything is made.

        Raises:
            InvalidSpec: a place is not there, labels would have no place, or first-boot data cannot be as asked for.
            InstanceExists: the name is taken.
            NoCapacity: the host will never have as much.
            StorageError: disks that an earlier guest of this uuid left are in the way.
            Unavailable: a place is not active.
        """
        spec = self._spec
        self._refuse_absurd()
        if spec.cloud_init is not None:
            check_form(spec.cloud_init)
        Maintenance(self._connection, self._site.pool, self._site.host()).refuse_new()
        self._refuse_labels()
        self._refuse_places()
        with translated("look at what the host offers"):
            self._refuse_machine()
        self._pools = [self._pool(index, disk) for index, disk in enumerate(spec.disks)]
        self._ports = ports_of(self._site, self._places, spec.nics, "nics")
        with translated("look for guests of this name"):
            refuse_taken_name(self._connection, spec.name)
        self._volumes = [
            described(self._site, spec.uuid, self._placed(index, volume), f"volumes[{index}].connection")
            for index, volume in enumerate(spec.volumes)
        ]
        for index, pool in enumerate(self._pools):
            name = disk_name(spec.uuid, index, ImageFormat.QCOW2)
            if pool.find(name) is not None:
                raise kept_disk(name, pool)

    def _pool(self, index: int, disk: Disk) -> Pool:
        if disk.pool is not None:
            return self._places.pool(f"disks[{index}].pool", disk.pool)
        return self._places.pool("placement.pool", self._spec.placement.pool)

    def make(self, record: Record, hold: Hold) -> None:
        """Make the guest and start it if that was asked for. Whoever calls undoes it if this fails."""
        spec, op = self._spec, self._op
        self._note("volume", hold.volume.name, hold.volume.pool.name)
        disks = [self._disk(index, disk) for index, disk in enumerate(spec.disks)]
        parts = Parts(
            virt_type=self._site.virt_type(),
            disks=disks,
            seed=self._seed(),
            console_log=self._create(self._home(), console_log_name(spec.uuid), 0, ImageFormat.RAW).path(),
            networks=self._ports.wires,
            metadata=self._mark(record).element(),
            volumes=self._connected_volumes(),
            stateless_code=self._stateless_code,
            shared_cpus=self._site.cpus.shared,
        )
        op.stage(Stage.NETWORK_READY)
        op.stage(Stage.DISKS_READY)
        op.stage(Stage.DEFINE)
        hold.verify()
        self._note("domain", spec.name)
        with self._cpus() as runs_on, translated("define the guest"):
            wired = replace(spec, nics=self._ports.nics)
            domain = self._connection.defineXML(domain_xml(wired, replace(parts, runs_on=runs_on)))
        for volume in spec.volumes:
            refuse_going(self._connection, volume)
        self._tell_of_devices(domain)
        self._site.vifs.plug_all(Owner(spec.uuid, spec.name), self._ports.note)
        self._connect_volumes(domain)
        op.stage(Stage.BEFORE_START)
        if spec.power_on:
            with volume_errors("start the guest", only_known=True):
                self._site.starts.start(domain, hold, op)
        with translated("mark the guest as complete"):
            if self._site.manage is Manage.ALL:
                erase_mark(domain)  # it was there only so that an interrupted spawn can be undone
            else:
                write = write_mark_of_started if spec.power_on else write_mark
                write(domain, self._finished_mark(domain, record))

    def _finished_mark(self, domain: libvirt.virDomain, record: Record) -> Mark:
        """The complete guest's mark, with what was noted while the host connected its volumes."""
        mark = self._mark(finished(record))
        return HostConnectionNote.of(read_mark(domain)).put_into(mark) if self._by_host() else mark

    def _mark(self, record: Record) -> Mark:
        connected = HostConnectionNote({volume_id: noted(way) for volume_id, way in self._by_host().items()})
        return connected.put_into(self._ports.note.put_into(Mark(record=record, labels=self._labels)))

    def resembles(self, domain: libvirt.virDomain) -> bool:
        """Whether a guest without a mark is the one that is wanted, as far as a definition tells."""
        return looks_like(domain, self._spec)

    def _connected_volumes(self) -> list[VolumeDisk]:
        """The volumes, with what libvirt has to know to open them."""
        for volume, _ in self._volumes:
            self._note("secrets", volume.id)
            define_secrets(self._connection, self._spec.uuid, volume)
        for volume_id, way in self._by_host().items():
            keep_secrets(self._connection, self._spec.uuid, volume_id, way)
        return [VolumeDisk(volume, source) for volume, source in self._volumes]

    def _by_host(self) -> dict[str, HostConnection]:
        """How the host connects volumes, by id."""
        initiator, volumes = self._site.initiator, self._spec.volumes
        asked = [hosted(one, "volumes", multipath=initiator.multipath) for one in volumes]
        return {one.id: one.connection for one in asked if isinstance(one.connection, HostConnection)}

    def _placed(self, index: int, volume: StorageVolume) -> StorageVolume:
        """A volume, with a place for the device that the host will have."""
        field, initiator = f"volumes[{index}].connection", self._site.initiator
        way = hosted(volume, field, multipath=initiator.multipath).connection
        if not isinstance(way, HostConnection):
            return volume
        initiator.check(way, field)
        return not_yet(volume)

    def _connect_volumes(self, domain: libvirt.virDomain) -> None:
        """Let the host connect what it has to; the guest's mark tells of it."""
        if by_host := self._by_host():
            for volume_id in by_host:
                self._note("connection", volume_id)
            in_time(ConnectedVolumes(self._connection, self._site.initiator, domain).connect_all, self._op)

    # --- disks ----------------------------------------------------------------------------------------------------

    def _disk(self, index: int, disk: Disk) -> DiskFile:
        if isinstance(disk.source, Blank):
            self._op.stage(Stage.DISKS)
            volume = self._create_disk(index, disk.size_bytes or 0, None)
        else:
            with self._image(index, disk.source) as image:
                volume = self._overlay(index, disk, image)
        return DiskFile(
            path=volume.path(),
            format=ImageFormat.QCOW2,
            bus=disk.bus or DiskBus.VIRTIO,
            limits=disk.limits,
            cache=disk.cache,
            discard=disk.discard is not False,
            serial=disk.serial,
            tag=disk.tag,
        )

    def _image(self, index: int, source: ImageSource) -> AbstractContextManager[CachedImage]:
        images = self._site.images
        if isinstance(source, Native):
            return fetched(source, f"disks[{index}].source", self._places, images, self._op)
        return images.fetch(source, self._op)

    def _overlay(self, index: int, disk: Disk, image: CachedImage) -> Volume:
        size = image.virtual_size_bytes if disk.size_bytes is None else disk.size_bytes
        if size < image.virtual_size_bytes:
            allowed = f"at least {image.virtual_size_bytes}, the image's own size"
            raise InvalidSpec(f"disks[{index}].size_bytes", size, allowed)
        pool = self._pools[index]
        bases = BaseImages(pool, Records(pool, self._site.host()), self._site.owner)
        return bases.overlay(image, lambda base: self._create_disk(index, size, base), self._op)

    def _create_disk(self, index: int, size: int, base: Backing | None) -> Volume:
        whole = -(-size // GRANULE) * GRANULE
        name = disk_name(self._spec.uuid, index, ImageFormat.QCOW2)
        return self._create(self._pools[index], name, whole, ImageFormat.QCOW2, base)

    def _create(
        self, pool: Pool, name: str, size: int, image_format: ImageFormat, base: Backing | None = None
    ) -> Volume:
        self._note("volume", name, pool.name)
        return pool.create(name, size, image_format, base=base)

    def _note(self, kind: str, name: str, place: str = "") -> None:
        spec = self._spec
        self.made.append(Leftover(uuid=spec.uuid, kind=kind, name=name, place=place, owner=self._site.owner))

    def _seed(self) -> str | None:
        spec = self._spec
        if spec.cloud_init is None:
            return None
        content = seed_image(spec.cloud_init, spec.uuid, spec.name, devices=())
        volume = self._create(self._home(), seed_name(spec.uuid), len(content), ImageFormat.RAW)
        volume.write(content)
        self._medium = volume, content
        return volume.path()

    def _tell_of_devices(self, domain: libvirt.virDomain) -> None:
        """Write down on the guest's medium where its tagged devices are, which libvirt has decided just now."""
        spec = self._spec
        tags = (*(nic.tag for nic in spec.nics), *(disk.tag for disk in spec.disks), *(one.tag for one in spec.volumes))
        if self._medium is not None and any(tags):
            tell(*self._medium, defined(domain))

    def _home(self) -> Pool:
        """The pool for what is no disk: the boot disk's, or that of the records."""
        return self._pools[0] if self._pools else self._places.records_pool()

    def _cpus(self) -> AbstractContextManager[tuple[frozenset[int], ...]]:
        site = self._site
        records = Records(self._places.records_pool(), site.host())
        cells = site.emulator().cells
        return chosen(self._spec, site.cpus, cells, self._connection, records, site.owner, self._op)

    # --- refusals -------------------------------------------------------------------------------------------------

    def _refuse_absurd(self) -> None:
        with translated("look at the host"):
            total = self._connection.getInfo()[1] * 1024**2
        most = self._spec.max_memory_bytes or self._spec.memory_bytes
        if most > total:
            message = f"{most} bytes of memory were asked for, the host has {total}"
            raise NoCapacity("memory_bytes", message)
        if self._spec.vcpu_ceiling > MOST_VCPUS:
            message = f"{self._spec.vcpu_ceiling} virtual CPUs were asked for, a guest has at most {MOST_VCPUS}"
            raise NoCapacity("vcpus", message)

    def _refuse_machine(self) -> None:
        virt_type = self._site.virt_type()
        refuse_hardware(self._spec, self._site.emulator(), self._connection, virt_type)
        if self._spec.stateless_firmware:
            buses = [*(disk.bus for disk in self._spec.disks), *(volume.bus for volume in self._spec.volumes)]
            machine = machine_type(self._spec, buses)
            self._stateless_code = stateless_code(self._connection, virt_type, machine)

    def _refuse_places(self) -> None:
        for field in ("folder", "host"):
            if (wanted := getattr(self._spec.placement, field)) is not None:
                raise InvalidSpec(f"placement.{field}", wanted, "None: libvirt has no such places")

    def _refuse_labels(self) -> None:
        if self._labels and self._site.manage is Manage.ALL:
            raise InvalidSpec("labels", dict(self._labels), 'none with manage="all": they are kept in the mark')


def finished(record: Record) -> Record:
    """The record of a guest that is complete."""
    return replace(record, phase=Phase.READY, holder=None, lease_until=None)

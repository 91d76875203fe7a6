"""The work of making a copy, once it is claimed: the original's disks, its definition, the copy's own parts, start."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import libvirt
from lxml import etree

from nova_virt_api.driver.endpoint import Manage
from nova_virt_api.driver.operation import Stage
from nova_virt_api.errors import InvalidSpec
from nova_virt_api.model.image import ImageFormat
from nova_virt_api.model.instance import PowerState
from nova_virt_api.model.labels import Labels
from nova_virt_api.model.leftover import Leftover
from nova_virt_api.toolkit.seed import check_form, seed_image
from nova_virt_libvirt.boot_disk import boot_element_of
from nova_virt_libvirt.build import finished
from nova_virt_libvirt.claims.guest_claim import claimed
from nova_virt_libvirt.clone.cpus import own_cpus
from nova_virt_libvirt.clone.definition import (
    left_out,
    own_log,
    refuse_unlike,
    refused,
    separate_devices,
    set_identity,
)
from nova_virt_libvirt.clone.disks import CopiedDisks, own_disks_now
from nova_virt_libvirt.definition import PARSER, parse_definition
from nova_virt_libvirt.devices.disk import seed_element
from nova_virt_libvirt.devices.nic import nic_element
from nova_virt_libvirt.errors import translated
from nova_virt_libvirt.host.maintenance import Maintenance
from nova_virt_libvirt.machine.told_devices import tell_of
from nova_virt_libvirt.metadata import Mark, erase_mark, write_mark
from nova_virt_libvirt.names import console_log_name, is_disk, seed_name
from nova_virt_libvirt.network.ports import Ports, ports_of
from nova_virt_libvirt.network.vif import Owner
from nova_virt_libvirt.network.vif_note import VifNote
from nova_virt_libvirt.remains import volumes_of
from nova_virt_libvirt.rescue.definition import free_bus, free_target
from nova_virt_libvirt.resize.definition import replace_interfaces, set_disk, set_mark, text_of
from nova_virt_libvirt.taken import kept_disk, refuse_taken_name

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from uuid import UUID

    from nova_virt_api.driver.operation import Operation
    from nova_virt_api.model.clone import CloneSpec
    from nova_virt_api.model.quiesce import Quiesce
    from nova_virt_api.model.record import Record
    from nova_virt_libvirt.claims.hold import Hold
    from nova_virt_libvirt.connection import Connection
    from nova_virt_libvirt.domain import Domain
    from nova_virt_libvirt.places import Places
    from nova_virt_libvirt.site import Site
    from nova_virt_libvirt.snapshot.live import DiskCopy
    from nova_virt_libvirt.storage.pools import Pool, Volume


@dataclass(frozen=True, slots=True, kw_only=True)
class Original:
    """The guest that is copied.

    Args:
        find: looks for it now, and refuses one that cannot be copied as it is.
        agents: the connection for agents.
        quiesce: whether its file systems are brought to rest.
    """

    find: Callable[[], Domain]
    agents: Connection
    quiesce: Quiesce


class CloneBuild:
    """One copy in the making; what :class:`nova_virt_libvirt.build.Build` is for a spawn.

    Args:
        site: the endpoint.
        connection: the connection to use throughout.
        places: what names of places mean.
        original: the guest that is copied.
        spec: what was asked for.
        op: the operation worked for.
    """

    def __init__(
        self,
        site: Site,
        connection: libvirt.virConnect,
        places: Places,
        original: Original,
        spec: CloneSpec,
        op: Operation,
    ) -> None:
        self._site = site
        self._connection = connection
        self._places = places
        self._original = original
        self._spec = spec
        self._op = op
        self._labels = spec.labels if isinstance(spec.labels, Labels) else Labels(spec.labels)
        self._ports: Ports | None = None
        self.made: list[Leftover] = []
        """What was made so far, in case that it cannot be removed again."""

    # --- what is asked of every guest in the making -----------------------------------------------------------------

    def plan(self) -> None:
        """Find the places and refuse what cannot be, before anything is made.

        Raises:
            InstanceNotFound: there is no such original.
            InvalidState: it is in a state in which it is not copied.
            NotSupported: it has something of which there can be no copy.
            InvalidSpec: a place is not there, labels would have no place, or first-boot data cannot be as asked for.
            InstanceExists: the name is taken.
            NoCapacity: the host takes no new guests.
            StorageError: disks that an earlier guest of this uuid left are in the way.
        """
        spec = self._spec
        if spec.cloud_init is not None:
            check_form(spec.cloud_init)
        Maintenance(self._connection, self._site.pool, self._site.host()).refuse_new()
        if self._labels and self._site.manage is Manage.ALL:
            raise InvalidSpec("labels", dict(self._labels), 'none with manage="all": they are kept in the mark')
        self._ports = None if spec.nics is None else ports_of(self._site, self._places, spec.nics, "nics")
        with translated("look for guests of this name"):
            refuse_taken_name(self._connection, spec.name)
        self._refuse_unlike(self._original.find())
        for pool, name in volumes_of(spec.uuid, self._places.active_pools()):
            if is_disk(name):
                raise kept_disk(name, pool)

    def make(self, record: Record, hold: Hold) -> None:
        """Make the copy and start it if that was asked for. Whoever calls undoes it if this fails."""
        op = self._op
        self._note("volume", hold.volume.name, hold.volume.pool.name)
        with claimed(self._site, self._original.find(), op):
            original = self._original.find()
            self._refuse_unlike(original)
            definition = definition_of(original)
            elements = own_elements(definition)
            volumes = self._copied(original, elements)
        self._patch(definition, original.uuid, list(zip(elements, volumes, strict=True)))
        set_mark(definition, self._mark(record))
        op.stage(Stage.NETWORK_READY)
        op.stage(Stage.DISKS_READY)
        op.stage(Stage.DEFINE)
        hold.verify()
        self._note("domain", self._spec.name)
        with (
            own_cpus(self._site, self._connection, self._places, definition, self._spec, op),
            translated("define the copy"),
        ):
            domain = self._connection.defineXML(text_of(definition))
        tell_of(self._connection, domain, self._spec.uuid)
        if self._ports is not None:
            self._site.vifs.plug_all(Owner(self._spec.uuid, self._spec.name), self._ports.note)
        op.stage(Stage.BEFORE_START)
        if self._spec.power_on:
            with translated("start the copy"):
                self._site.starts.start(domain, hold, op)
        with translated("mark the copy as complete"):
            if self._site.manage is Manage.ALL:
                erase_mark(domain)  # it was there only so that an interrupted call can be undone
            else:
                write_mark(domain, self._mark(finished(record)))

    def _mark(self, record: Record) -> Mark:
        mark = Mark(record=record, labels=self._labels)
        return mark if self._ports is None else self._ports.note.put_into(mark)

    def resembles(self, domain: libvirt.virDomain) -> bool:
        """Whether a guest without a mark is the one that is wanted, as far as a definition tells."""
        with translated("look at the guest"):
            there = parse_definition(domain.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE), self._spec.uuid)
        nics = self._spec.nics
        return there.name == self._spec.name and (nics is None or len(there.interfaces) == len(nics))

    # --- the parts ------------------------------------------------------------------------------------------------

    def _copied(self, original: Domain, elements: Sequence[Any]) -> list[Volume]:
        """The original's disks, copied; the original's claim is held, so that they stay its disks meanwhile."""
        disks = CopiedDisks(self._site, self._connection, self._places, self._spec.uuid, self._op)
        if original.power_state is PowerState.SHUTDOWN:
            return disks.copy_at_rest(original, self._noted(disks.plan(elements)))
        copies = self._noted(disks.plan(own_disks_now(original, elements)))
        return disks.copy_running(original, copies, self._original.agents, self._original.quiesce)

    def _patch(self, definition: Any, original: UUID, disks: Sequence[tuple[Any, Volume]]) -> None:
        """Make the original's definition the copy's."""
        spec = self._spec
        home = disks[0][1].pool if disks else self._places.records_pool()
        log = self._create(home, console_log_name(spec.uuid), 0).path() if own_log(definition, original) else None
        set_identity(definition, spec.uuid, spec.name)
        separate_devices(definition, original, spec.uuid, log)
        for element, volume in disks:
            for inner in list(element.find("source")):
                element.find("source").remove(inner)
            set_disk(element, volume)
        if self._ports is not None:
            pairs = zip(self._ports.nics, self._ports.wires, strict=True)
            cards = [nic_element(nic, wire, spec.uuid, index) for index, (nic, wire) in enumerate(pairs)]
            replace_interfaces(definition, cards)
        if spec.cloud_init is not None:
            self._give_seed(definition, home, seed_image(spec.cloud_init, spec.uuid, spec.name, devices=()))

    def _give_seed(self, definition: Any, home: Pool, content: bytes) -> None:
        volume = self._create(home, seed_name(self._spec.uuid), len(content))
        volume.write(content)
        devices, first = definition.find("devices"), boot_element_of(definition)
        bus = free_bus(devices, "sata" if first is None else first.find("target").get("bus", ""))
        devices.append(seed_element(volume.path(), bus, free_target(devices, bus)))

    def _refuse_unlike(self, original: Domain) -> None:
        """Refuse an original of which there can be no copy, or none with its interfaces."""
        own_elements(definition_of(original))
        if self._ports is None and VifNote.of(original.mark).ports:
            raise refused("its interface is a port that a network service made for it alone; name others (nics)")

    def _create(self, pool: Pool, name: str, size: int) -> Volume:
        self._note("volume", name, pool.name)
        return pool.create(name, size, ImageFormat.RAW)

    def _noted(self, copies: list[DiskCopy]) -> list[DiskCopy]:
        for copy in copies:
            self._note("volume", copy.name, copy.pool.name)
        return copies

    def _note(self, kind: str, name: str, place: str = "") -> None:
        self.made.append(Leftover(uuid=self._spec.uuid, kind=kind, name=name, place=place, owner=self._site.owner))


def definition_of(original: Domain) -> Any:
    """What the original is started from next; without passwords, which are not the copy's."""
    with translated("look at the guest's definition"):
        return etree.fromstring(original.urgent.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE), PARSER)


def own_elements(definition: Any) -> list[Any]:
    """The disks of the original that the copy gets, too.

    Raises:
        NotSupported: the original has something of which there can be no copy.
    """
    others = left_out(definition)
    refuse_unlike(definition, others)
    disks = definition.iterfind("devices/disk")
    return [disk for disk in disks if disk.get("device", "disk") == "disk" and disk not in others]

"""What a guest that comes from another host consists of here."""

from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING, Any, Final

from nova_virt_api.errors import MigrationError
from nova_virt_api.model.image import ImageFormat
from nova_virt_api.model.leftover import Leftover
from nova_virt_libvirt.checkpoint.notes import ROLE as CHECKPOINTS
from nova_virt_libvirt.clone.definition import renew_variables
from nova_virt_libvirt.errors import translated
from nova_virt_libvirt.host.cpus import bound_cpus
from nova_virt_libvirt.host_connections.note import ROLE as CONNECTIONS
from nova_virt_libvirt.machine.cpu import cpu_element
from nova_virt_libvirt.names import console_log_name, disk_name, guest_of, resize_copy_name, seed_name
from nova_virt_libvirt.network.vif_note import VifNote
from nova_virt_libvirt.network.wire import Wire
from nova_virt_libvirt.resize.definition import (
    lock_screens,
    parsed,
    set_disk,
    set_mark,
    set_size,
    text_of,
)
from nova_virt_libvirt.resize.disks import OwnDisk, new_sizes, own_disks, refuse_unfit
from nova_virt_libvirt.resize.fetch import fetch_bytes, fetch_disk, grow
from nova_virt_libvirt.resize.wanted import wanted_of
from nova_virt_libvirt.shares.filesystems import filesystems_of
from nova_virt_libvirt.shares.ties import named
from nova_virt_libvirt.storage.pools import Pool, Volume
from nova_virt_libvirt.taken import refuse_taken_name
from nova_virt_libvirt.volumes.moved import locked_volumes, log_in_as, refuse_locked, used_volumes

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    import libvirt

    from nova_virt_api.driver.operation import Operation
    from nova_virt_api.model.size import Size
    from nova_virt_api.model.spec import InstanceSpec
    from nova_virt_libvirt.metadata import Mark
    from nova_virt_libvirt.places import Places
    from nova_virt_libvirt.site import Site

UNMOVABLE: Final = {
    "os/nvram/source": "variables of its UEFI firmware in a place of their own",
    "devices/tpm/backend/source": "a TPM with its state in a place of its own",
    "devices/tpm/backend/encryption": "a TPM whose key only its host knows",
    "devices/tpm/backend[@type='passthrough']": "the TPM of its host",
    "devices/tpm/backend[@type='external']": "a TPM that another program keeps for it",
    "devices/hostdev": "a device of its host",
    "devices/disk//auth": "a disk whose password only its host knows",
    "devices/disk//encryption": "a disk whose key only its host knows",
}
"""What of a guest that is off is on its host and in no storage pool."""

TIED: Final = {"devices/filesystem": "it has directories of it"}
"""What ties a guest to its host, whether it runs or not."""

TYING_NOTES: Final = {
    CHECKPOINTS: "it has checkpoints, which stay there",
    CONNECTIONS: "it has volumes that this one connects",
}
"""What its mark tells of that does so too, by the name of the note."""


class PartsFromSource:
    """The parts of one guest. Its claim here must be held.

    Args:
        site: the endpoint, where the guest is to be.
        places: what names of places mean here.
        source: a connection to the source's libvirt.
        uuid: the guest.
        spec: what is to differ here.
        op: the operation worked for.
    """

    def __init__(
        self,
        site: Site,
        places: Places,
        source: libvirt.virConnect,
        uuid: UUID,
        spec: InstanceSpec | None,
        op: Operation,
    ) -> None:
        self._site = site
        self._places = places
        self.source = source
        self._uuid = uuid
        self._spec = spec
        self._op = op
        self.made: list[Leftover] = []
        """What was made so far, in case that it cannot be removed again."""

    def definition(self, xml: str, size: Size, mark: Mark) -> str:
        """Fetch everything and say what the guest is here.

        Args:
            xml: the definition at the source, without a mark.
            size: what it is to have.
            mark: its mark here, with all notes that it has at the source.
        """
        refuse_tied_by_notes(mark)
        if self._spec is None:
            refuse_unnamed_ports(mark)
        definition = parsed(xml)
        self._refuse_unmovable(definition)
        with translated("look for guests of this name"):
            refuse_taken_name(self._site.connection(), str(definition.findtext("name")))
        with translated("look at the guest's disks at the source"):
            disks = own_disks(self.source, definition, self._uuid)
        refuse_unfit(definition, disks, self._uuid)
        sizes = new_sizes(disks, size, "spec" if self._spec else "size")
        pools = [self._pool(index) for index in range(len(disks))]
        nics, volumes = (None, None) if self._spec is None else (self._spec.nics, self._spec.volumes)
        wanted = wanted_of(self._site, self._places, self._uuid, nics, volumes, "spec.")
        if self._spec is None:
            self._check_networks(definition)
            locked = locked_volumes(self.source, self._uuid, used_volumes(definition))
            refuse_locked(locked, "finish_resize", "spec.volumes")
            log_in_as(definition, self._site.host())
        for volume in volumes or ():
            self._note("secrets", volume.id, "")
        wanted.put_into(definition, self._site.connection(), self._uuid)
        self._fetch_disks(disks, pools, sizes)
        self._replace_side_volumes(definition, pools[0] if pools else self._places.records_pool())
        set_size(definition, size)
        self._fit_host(definition)
        renew_variables(definition)
        lock_screens(definition)
        set_mark(definition, mark if wanted.vifs is None else wanted.vifs.put_into(mark))
        return text_of(definition)

    # --- volumes --------------------------------------------------------------------------------------------------

    def _fetch_disks(self, disks: Sequence[OwnDisk], pools: Sequence[Pool], sizes: Sequence[int]) -> None:
        for index, (disk, pool, size) in enumerate(zip(disks, pools, sizes, strict=True)):
            name = disk_name(self._uuid, index, ImageFormat.QCOW2)
            self._note("volume", name, pool.name)
            here = fetch_disk(disk.volume, resize_copy_name(self._uuid, index), pool, name, self._op)
            grow(here, size)
            set_disk(disk.element, here)

    def _replace_side_volumes(self, definition: Any, home: Pool) -> None:
        """First-boot data is fetched, the console's log begins anew."""
        for log in definition.iterfind("devices/*/log"):
            name = console_log_name(self._uuid)
            volume = home.find(name)
            if volume is None:
                self._note("volume", name, home.name)
                volume = home.create(name, 0, ImageFormat.RAW)
            log.set("file", volume.path())
        for medium in definition.iterfind("devices/disk/source"):
            path = medium.get("file", "")
            if path.rpartition("/")[2] == seed_name(self._uuid):
                self._note("volume", seed_name(self._uuid), home.name)
                medium.set("file", fetch_bytes(self._seed(path), home, seed_name(self._uuid), self._op).path())

    def _seed(self, path: str) -> Volume:
        with translated("look for the guest's first-boot data at the source"):
            native = self.source.storageVolLookupByPath(path)
            return Volume(Pool(self.source, native.storagePoolLookupByVolume()), native)

    def _pool(self, index: int) -> Pool:
        spec = self._spec
        if spec is None:
            return self._places.pool("pool", None)
        if index < len(spec.disks) and spec.disks[index].pool is not None:
            return self._places.pool(f"spec.disks[{index}].pool", spec.disks[index].pool)
        return self._places.pool("spec.placement.pool", spec.placement.pool)

    def _note(self, kind: str, name: str, place: str) -> None:
        self.made.append(Leftover(uuid=self._uuid, kind=kind, name=name, place=place, owner=self._site.owner))

    # --- what the host has ----------------------------------------------------------------------------------------

    def _fit_host(self, definition: Any) -> None:
        """Where the hosts do not run guests in the same way, the CPU is the one that new guests get here."""
        virt_type = self._site.virt_type()
        if definition.get("type") == virt_type:
            return
        definition.set("type", virt_type)
        cpu = definition.find("cpu")
        if cpu is not None:
            new = cpu_element(None, (), virt_type)
            new.extend([inner for tag in ("topology", "numa") if (inner := cpu.find(tag)) is not None])
            definition.replace(cpu, new)

    def _check_networks(self, definition: Any) -> None:
        for index, interface in enumerate(definition.iterfind("devices/interface")):
            wire = Wire.of_element(interface)
            if wire is not None:
                self._places.again(f"nics[{index}].network", wire.id)

    def _refuse_unmovable(self, definition: Any) -> None:
        """Refuse a guest that has something on its host which libvirt cannot hand out, or others may have here."""
        if self._spec is None and bound_cpus(definition):
            message = "the guest has processors of its host for itself, and others may have them here"
            hint = "say with a spec which it gets here: cpu=Cpu(dedicated=True) lets the driver choose"
            raise MigrationError("finish_resize", message, hint=hint)
        bare = deepcopy(definition)  # volumes of a storage service are where they are
        for volume in used_volumes(bare).values():
            volume.getparent().remove(volume)
        if tags := [one.share.tag for one in filesystems_of(bare)]:
            raise tied(f"it uses {named(tags)} of it")
        for path, why in TIED.items():
            if bare.find(path) is not None:
                raise tied(why)
        for path, what in UNMOVABLE.items():
            if bare.find(path) is not None:
                raise unmovable(what)
        for disk in bare.iterfind("devices/disk"):
            source = disk.find("source")
            path = "" if source is None else source.get("file") or source.get("dev") or ""
            if path and guest_of(path.rpartition("/")[2]) != self._uuid:
                raise unmovable(f"{path}, which is not its own")


def refuse_tied_by_notes(mark: Mark) -> None:
    """Refuse a guest whose mark tells of something that its host alone has.

    Raises:
        MigrationError: says of what.
    """
    for role, why in TYING_NOTES.items():
        if role in mark.notes:
            raise tied(why)


def refuse_unnamed_ports(mark: Mark) -> None:
    """Refuse a guest of whose ports nobody says what they are here.

    Raises:
        MigrationError: os-vif makes some for it at the source.
    """
    if ports := VifNote.of(mark).ports:
        message = f"os-vif makes the ports of the guest's interfaces {', '.join(ports)} at the source only"
        raise MigrationError(
            "finish_resize", message, hint="give finish_resize a spec, whose nics say their ports here"
        )


def tied(why: str) -> MigrationError:
    """The error for a guest that has to stay where it is."""
    message = f"the guest cannot leave its host: {why}"
    return MigrationError("finish_resize", message, hint="revert the resize, then detach or delete that")


def unmovable(what: str) -> MigrationError:
    """The error for a guest that cannot be moved while it is off."""
    message = f"the guest has {what}: libvirt's storage API does not reach it at the source"
    return MigrationError("finish_resize", message, hint="move the guest while it runs, or revert the resize")

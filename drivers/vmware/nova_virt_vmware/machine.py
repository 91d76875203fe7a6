"""A virtual machine as those verbs see it that make and remove one: straight from the server, past every cache."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from pyVmomi import vim

from nova_virt_api.errors import StorageError, Unavailable
from nova_virt_vmware.errors import moref_of
from nova_virt_vmware.property_collector import look_at
from nova_virt_vmware.record import KEY, GuestRecord, read_claim, read_record
from nova_virt_vmware.vm_row import as_uuid

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from uuid import UUID

    from nova_virt_api.driver.operation import Operation
    from nova_virt_vmware.connection import Connection

PATHS: Final = (
    "name",
    "parent",
    "snapshot",
    "config.instanceUuid",
    "config.uuid",
    "config.template",
    "config.extraConfig",
    "config.changeVersion",
    "config.files.vmPathName",
    "config.hardware.device",
    "config.hardware.numCPU",
    "config.hardware.memoryMB",
    "runtime.powerState",
    "runtime.connectionState",
)


CONNECTED: Final = "connected"
DISCONNECTED: Final = "disconnected"
"""``VirtualMachineConnectionState``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """A virtual machine or template.

    Args:
        moref: its managed object id.
        name: its name in its folder.
        folder: id of the folder that it is in; None inside a vApp.
        uuid: as a guest's; None while the server knows no configuration of it, as at the beginning of a clone, or when
            it cannot read its files; the one that it was looked for by all the same if the server found it by that.
        template: whether it is one.
        record: ours; None for one of other making and for a copy.
        claim: the record of an unfinished guest whose uuid is the name; counts in its owner's folder only, there
            whatever ``instanceUuid`` the server has given.
        version: of its configuration; another change makes another one; empty while there is none to be read.
        power_state: ``VirtualMachinePowerState``.
        connection_state: ``VirtualMachineConnectionState``.
        directory: datastore path of its files, e.g. ``[store] web``; empty when not known.
        devices: its virtual hardware.
        vcpus: virtual CPUs.
        memory_mb: memory in MiB.
        snapshots: whether it has any.
    """

    moref: str
    name: str
    folder: str | None
    uuid: UUID | None
    template: bool
    record: GuestRecord | None
    claim: GuestRecord | None
    version: str
    power_state: str
    connection_state: str
    directory: str
    devices: Sequence[Any]
    vcpus: int
    memory_mb: int
    snapshots: bool

    @property
    def label(self) -> str:
        """How messages name it."""
        return f"virtual machine {self.name or self.moref}"

    @property
    def is_unreadable(self) -> bool:
        """Whether the server cannot read its configuration, so nothing shows whose it is, and its disks."""
        return not self.version and self.connection_state not in ("", CONNECTED)

    def check_readable(self) -> None:
        """Refuse to judge what cannot be read.

        Raises:
            Unavailable: its host is away.
            StorageError: vCenter, or its host, cannot read its files.
        """
        if not self.is_unreadable:
            return
        what = f"{self.label} ({self.moref}) is {self.connection_state}, and its configuration cannot be read"
        if self.connection_state == DISCONNECTED:
            raise Unavailable(what, hint="reconnect its host")
        raise StorageError(
            what, hint="see to its datastore; if its files are gone for good, remove it from the inventory in vCenter"
        )


def machine(connection: Connection, moref: str, op: Operation | None) -> Machine | None:
    """The virtual machine of this id as it is now; None when it is gone."""
    return next(iter(machines(connection, [moref], op)), None)


def machines_of(connection: Connection, uuid: UUID, op: Operation | None) -> list[Machine]:
    """Every virtual machine that bears this uuid, templates left out; the server's index is asked.

    The index knows the uuid of one whose configuration cannot be read at the moment, too.
    """
    index = connection.content.searchIndex

    def ask() -> list[Any]:
        found = list(index.FindAllByUuid(uuid=str(uuid), vmSearch=True, instanceUuid=True))
        found = found or list(index.FindAllByUuid(uuid=str(uuid), vmSearch=True, instanceUuid=False))
        if not found:
            connection.still_logged_in()
        return found

    morefs = [moref_of(each) for each in connection.read(f"look for guest {uuid}", ask, op)]
    found = [replace(each, uuid=each.uuid or uuid) for each in machines(connection, morefs, op)]
    return [each for each in found if each.uuid == uuid and not each.template]


def machines(connection: Connection, morefs: Sequence[str], op: Operation | None) -> list[Machine]:
    """The virtual machines of these ids, as far as they are there."""
    if not morefs:
        return []
    return [as_machine(moref, found) for moref, found in look_at(connection, vim.VirtualMachine, morefs, PATHS, op)]


def child_of(connection: Connection, folder: str, name: str, op: Operation | None) -> Any | None:
    """The entity of this name in a folder; None when there is none."""
    index = connection.content.searchIndex
    entity = connection.object(vim.Folder, folder)

    def ask() -> Any:
        found = index.FindChild(entity=entity, name=name)
        if found is None:
            connection.still_logged_in()
        return found

    return connection.read(f"look for {name} in folder {folder}", ask, op)


def as_machine(moref: str, found: Mapping[str, Any]) -> Machine:
    """What the properties say; what the account may not see, or is not there yet, is as good as unset."""
    uuid = as_uuid(found.get("config.instanceUuid")) or as_uuid(found.get("config.uuid"))
    text = record_text(found.get("config.extraConfig"))
    return Machine(
        moref=moref,
        name=found.get("name", ""),
        folder=moref_of(found.get("parent")) or None,
        uuid=uuid,
        template=bool(found.get("config.template")),
        record=read_record(text, uuid),
        claim=read_claim(text, found.get("name", "")),
        version=found.get("config.changeVersion", ""),
        power_state=str(found.get("runtime.powerState", "")),
        connection_state=str(found.get("runtime.connectionState", "")),
        directory=found.get("config.files.vmPathName", "").rpartition("/")[0],
        devices=tuple(found.get("config.hardware.device", ())),
        vcpus=found.get("config.hardware.numCPU", 0),
        memory_mb=found.get("config.hardware.memoryMB", 0),
        snapshots=found.get("snapshot") is not None,
    )


def record_text(options: Any) -> str | None:
    """Our key's value among ``OptionValue`` objects."""
    return next((str(option.value) for option in options or () if option.key == KEY), None)

"""One virtual machine as the server tells of it: the properties that a guest is made of, and nothing else."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from nova_virt_api.model.nic import Address
from nova_virt_vmware.record import KEY

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

RECORD_PATH: Final = f'config.extraConfig["{KEY}"]'
"""The record alone, for servers that take indexed property paths; vCenter and ESXi do."""

EXTRA_CONFIG_PATH: Final = "config.extraConfig"
"""All of it, for servers that do not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VmRow:
    """A virtual machine or template, as last told.

    Args:
        moref: its managed object id, e.g. ``vm-42``.
        name: its name.
        template: whether it is one; a template is no guest.
        instance_uuid: what vCenter tells virtual machines apart by (``config.instanceUuid``).
        bios_uuid: what its guest system sees (``config.uuid``).
        record_text: the value of our key in ``config.extraConfig``; None when there is none.
        vcpus: virtual CPUs.
        memory_mb: memory in MiB.
        power_state: ``VirtualMachinePowerState``, e.g. ``poweredOn``.
        connection_state: ``VirtualMachineConnectionState``, e.g. ``connected``.
        host: managed object id of the host that it is registered with.
        question: what it asks and stands still for until somebody answers; empty when nothing.
        addresses: what VMware Tools told of its network cards; None when they never told anything.
        tools: whether VMware Tools run in it; None when not known.
    """

    moref: str
    name: str = ""
    template: bool = False
    instance_uuid: UUID | None = None
    bios_uuid: UUID | None = None
    record_text: str | None = None
    vcpus: int = 0
    memory_mb: int = 0
    power_state: str = ""
    connection_state: str = ""
    host: str | None = None
    question: str = ""
    addresses: tuple[Address, ...] | None = None
    tools: bool | None = None

    @property
    def uuid(self) -> UUID | None:
        """The guest's uuid; None while the server cannot tell the configuration, e.g. at the beginning of a clone."""
        return self.instance_uuid or self.bios_uuid


# --- what a property's value says -------------------------------------------------------------------------------------


def as_text(value: Any) -> str:
    """A string or an enumeration's member; empty when unset."""
    return value or ""


def as_id(value: Any) -> str | None:
    """A managed object's id; None when unset."""
    return value or None


def as_number(value: Any) -> int:
    """A whole number; 0 when unset."""
    return value or 0


def as_flag(value: Any) -> bool:
    """A truth value; False when unset."""
    return bool(value)


def as_uuid(value: Any) -> UUID | None:
    """A uuid; None when unset or not one."""
    try:
        return UUID(value)
    except (TypeError, ValueError):
        return None


def as_record(value: Any) -> str | None:
    """Our key's value in an ``OptionValue``, or in all of them; None where there is none, or an empty one."""
    for option in listed(value):
        if option.get("key") == KEY:
            return option.get("value") or None
    return None


def as_question(value: Any) -> str:
    """The text of a ``VirtualMachineQuestionInfo``; empty when unset."""
    return "" if value is None else str(value.get("text") or "a question without a text")


def as_addresses(value: Any) -> tuple[Address, ...] | None:
    """The addresses in ``GuestNicInfo`` objects; None when unset."""
    if value is None:
        return None
    return tuple(address for card in value for address in addresses_of(card))


def addresses_of(card: Mapping[str, Any]) -> Iterator[Address]:
    """A card's addresses."""
    for text in listed(card.get("ipAddress")):
        with suppress(ValueError):
            yield Address(ip=ip_address(text), mac=card.get("macAddress") or None, network=card.get("network") or None)


def listed(value: Any) -> list[Any]:
    """A field that may occur several times, or not at all."""
    return value if isinstance(value, list) else [] if value is None else [value]


def as_tools(value: Any) -> bool | None:
    """Whether a ``VirtualMachineToolsRunningStatus`` says that VMware Tools run; None when unset."""
    return None if value is None else value != "guestToolsNotRunning"


# --- rows -------------------------------------------------------------------------------------------------------------

COLUMNS: Final[Mapping[str, tuple[str, Callable[[Any], Any]]]] = {
    "name": ("name", as_text),
    "config.template": ("template", as_flag),
    "config.instanceUuid": ("instance_uuid", as_uuid),
    "config.uuid": ("bios_uuid", as_uuid),
    RECORD_PATH: ("record_text", as_record),
    EXTRA_CONFIG_PATH: ("record_text", as_record),
    "config.hardware.numCPU": ("vcpus", as_number),
    "config.hardware.memoryMB": ("memory_mb", as_number),
    "runtime.powerState": ("power_state", as_text),
    "runtime.connectionState": ("connection_state", as_text),
    "runtime.host": ("host", as_id),
    "runtime.question": ("question", as_question),
    "guest.net": ("addresses", as_addresses),
    "guest.toolsRunningStatus": ("tools", as_tools),
}
"""Property path to field, and what makes the one of the other."""

CONFIG_FIELDS: Final = ("template", "instance_uuid", "bios_uuid", "record_text", "vcpus", "memory_mb")
"""What the server cannot tell while it cannot read the machine's files."""


def paths(record_path: str) -> tuple[str, ...]:
    """The properties of a row: what is asked of the server.

    Args:
        record_path: RECORD_PATH or EXTRA_CONFIG_PATH, whichever the server takes.
    """
    return tuple(path for path in COLUMNS if path not in (RECORD_PATH, EXTRA_CONFIG_PATH) or path == record_path)


def row_of(moref: str, values: Mapping[str, Any]) -> VmRow:
    """A row of all that the server told.

    Args:
        moref: the virtual machine's id.
        values: by property path, as :mod:`nova_virt_vmware.plain` reads them; what is unset may be absent.
    """
    return VmRow(moref=moref, **fields_in(values))


def patched(row: VmRow, values: Mapping[str, Any]) -> VmRow:
    """A row with some properties changed; the same object if nothing is different by it."""
    return settled(row, replace(row, **fields_in(values)))


def settled(before: VmRow | None, now: VmRow) -> VmRow:
    """What to show of a virtual machine that was shown before; the same object as then if nothing has changed.

    One whose files cannot be read for a while, as its datastore is away, loses its whole configuration at the server.
    It is still the same machine, so what was known of it is kept.
    """
    if before is None:
        return now
    if now.uuid is None and before.uuid is not None:
        now = replace(now, **{name: getattr(before, name) for name in CONFIG_FIELDS})
    return before if before == now else now


def fields_in(values: Mapping[str, Any]) -> dict[str, Any]:
    """Fields by name."""
    found = {}
    for path, value in values.items():
        column = COLUMNS.get(path)
        if column is not None:
            found[column[0]] = column[1](value)
    return found

"""Which nodes a guest could be given, from one list of all."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any, Final

from nova_virt_api.errors import InvalidSpec, NoCapacity
from nova_virt_ironic.extras import Hardware

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from nova_virt_api.model.spec import InstanceSpec
    from nova_virt_ironic.node import NodeRow

AVAILABLE: Final = "available"
KNOWN_POWER: Final = frozenset({"power on", "power off"})
MIB: Final = 1024**2
GIB: Final = 1024**3
MOST_NAMES: Final = 20
"""Names of nodes that an error lists."""


def candidates(spec: InstanceSpec, rows: Collection[NodeRow]) -> list[NodeRow]:
    """The nodes that may be claimed for a guest, in the order in which to try them.

    Who claims at the same time gets another order, so that they do not all run after the same node. Nodes that do not
    say how many CPUs or how much memory they have come last.

    Raises:
        InvalidSpec: there is no node of the name that was asked for.
        NoCapacity: no node will do; says why the one that was named will not.
    """
    if spec.placement.node is not None:
        row = named(spec.placement.node, rows)
        reason = taken(row) or misfit(spec, row)
        if reason:
            raise NoCapacity("nodes", f"node {row.label} cannot be claimed: {reason}")
        return [row]
    fitting = [row for row in rows if not misfit(spec, row)]
    if not fitting:
        raise NoCapacity(
            "nodes", f"none of {len(rows)} nodes is as the guest needs it", hint="relax vcpus, memory or extras"
        )
    free = [row for row in fitting if not taken(row)]
    if not free:
        raise NoCapacity(
            "nodes", f"none of {len(fitting)} fitting nodes is free", hint="destroy a guest, or wait for one"
        )
    random.shuffle(free)
    return sorted(free, key=lambda row: (not is_described(row), row.reservation is not None))


def named(name: str, rows: Iterable[NodeRow]) -> NodeRow:
    """The node of this name or uuid.

    Raises:
        InvalidSpec: there is none.
    """
    rows = list(rows)
    for row in rows:
        if name in (row.uuid, row.name):
            return row
    names = sorted(row.label for row in rows)
    shown = ", ".join(names[:MOST_NAMES]) + (f" and {len(names) - MOST_NAMES} more" if len(names) > MOST_NAMES else "")
    raise InvalidSpec("placement.node", name, f"one of: {shown}" if names else "nothing: there is none here")


def taken(row: NodeRow) -> str:
    """Why a node cannot be claimed now, in a few words; empty when it can."""
    if row.instance_uuid is not None:
        return f"it is guest {row.instance_uuid}'s"
    if row.maintenance:
        return f"it is in maintenance{f' ({row.maintenance_reason})' if row.maintenance_reason else ''}"
    if row.provision_state != AVAILABLE or row.target_provision_state:
        return f"it is {row.provision_state or 'in no known state'}"
    if row.retired:
        return "it is retired"
    if row.power_state not in KNOWN_POWER:
        return "its power state is not known"
    return ""


def misfit(spec: InstanceSpec, row: NodeRow) -> str:
    """Why a node is not what the guest needs, in a few words; empty when it is. What it does not say of itself fits."""
    disk_bytes = sum(disk.size_bytes or 0 for disk in spec.disks[:1])
    for what, key, unit, needed in (
        ("CPUs", "cpus", 1, spec.vcpus),
        ("MiB of memory", "memory_mb", MIB, spec.memory_bytes),
        ("GiB of disk", "local_gb", GIB, disk_bytes),
    ):
        there = number(row, key)
        if there is not None and there * unit < needed:
            return f"it has {there} {what}"
    boots_by = capabilities(row).get("boot_mode")
    if spec.firmware is not None and boots_by not in (None, spec.firmware.value):
        return f"it boots by {boots_by}"
    for extra in spec.extras:
        if isinstance(extra, Hardware) and (reason := lacks(extra, row)):
            return reason
    return ""


def lacks(hardware: Hardware, row: NodeRow) -> str:
    """What a node has not of what was asked for; empty when it has all."""
    if hardware.resource_class is not None and kind(hardware.resource_class) != kind(row.resource_class or ""):
        return f"its resource class is {row.resource_class}"
    if missing := sorted(set(hardware.traits) - set(row.traits)):
        return f"it lacks the traits {', '.join(missing)}"
    there = capabilities(row)
    for key, value in hardware.capabilities.items():
        if there.get(key) != value:
            return f"its capability {key} is {there.get(key, 'not given')}"
    return ""


def is_described(row: NodeRow) -> bool:
    """Whether a node says how many CPUs and how much memory it has."""
    return number(row, "cpus") is not None and number(row, "memory_mb") is not None


def number(row: NodeRow, key: str) -> int | None:
    """One of a node's properties as a number; None when it is not given, or is none."""
    try:
        return int(row.properties[key])
    except (KeyError, TypeError, ValueError):
        return None


def capabilities(row: NodeRow) -> dict[str, str]:
    """A node's capabilities; Ironic keeps them as text, ``key:value,key:value``."""
    found: Any = row.properties.get("capabilities") or ""
    if isinstance(found, dict):
        return {str(key): str(value) for key, value in found.items()}
    pairs = (pair.partition(":") for pair in str(found).split(","))
    return {key.strip(): value.strip() for key, colon, value in pairs if colon}


def kind(resource_class: str) -> str:
    """A resource class in the form in which two spellings can be compared."""
    plain = resource_class.upper().removeprefix("CUSTOM_")
    return "".join(character if character.isalnum() else "_" for character in plain)

"""A node as Ironic lists it: exactly the fields that the driver needs, typed and frozen."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final
from uuid import UUID

from nova_virt_ironic.microversions import Microversion, Versions


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeRow:
    """One node.

    The names are those of the API reference ("Nodes", response parameters); a field that an older endpoint does not
    have is at its default.

    Args:
        uuid: the node.
        name: unique at the endpoint; None when it was given none.
        instance_uuid: the guest that it was claimed for.
        instance_info: what is to be deployed; our record lies in it.
        instance_name: the guest's name where the endpoint has a field for it.
        provision_state: see :mod:`nova_virt_ironic.provision_states`.
        target_provision_state: where it is on the way to; None in a stable state.
        provision_updated_at: when the provision state changed last, ISO 8601.
        power_state: ``power on``, ``power off``, ``error``, or None when not known.
        target_power_state: where its power is on the way to; None when it is there.
        maintenance: whether Ironic leaves it alone.
        maintenance_reason: why, if said.
        fault: what Ironic found broken, e.g. ``power failure``.
        last_error: the last error; emptied when the next action begins.
        reservation: the conductor that holds its lock.
        driver: its hardware type.
        properties: ``cpus``, ``memory_mb``, ``local_gb``, ``cpu_arch``, ``capabilities`` and the like.
        resource_class: what Placement calls it, before normalization.
        traits: its traits.
        conductor_group: the group of conductors that serve it.
        shard: the shard that it belongs to.
        owner: the project that owns it.
        lessee: the project that it is lent to.
        protected: whether it may not be undeployed.
        retired: whether it must not be deployed any more.
        deploy_step: the deploy step that runs.
        clean_step: the clean step that runs.
        service_step: the service step that runs.
        console_enabled: whether its console is on.
        health: ``OK``, ``Warning`` or ``Critical`` as its management controller says.
        deploy_interface: how it is deployed, e.g. ``direct``, ``ramdisk``.
        rescue_interface: how it is rescued; ``no-rescue`` when it cannot be.
        storage_interface: how it is connected to volumes.
        network_interface: how it is connected to networks.
        console_interface: its console; ``no-console`` when it has none.
    """

    uuid: str
    name: str | None = None
    instance_uuid: UUID | None = None
    instance_info: Mapping[str, Any] = field(default_factory=dict)
    instance_name: str | None = None
    provision_state: str = ""
    target_provision_state: str | None = None
    provision_updated_at: str | None = None
    power_state: str | None = None
    target_power_state: str | None = None
    maintenance: bool = False
    maintenance_reason: str | None = None
    fault: str | None = None
    last_error: str | None = None
    reservation: str | None = None
    driver: str = ""
    properties: Mapping[str, Any] = field(default_factory=dict)
    resource_class: str | None = None
    traits: tuple[str, ...] = ()
    conductor_group: str = ""
    shard: str | None = None
    owner: str | None = None
    lessee: str | None = None
    protected: bool = False
    retired: bool = False
    deploy_step: Mapping[str, Any] = field(default_factory=dict)
    clean_step: Mapping[str, Any] = field(default_factory=dict)
    service_step: Mapping[str, Any] = field(default_factory=dict)
    console_enabled: bool = False
    health: str | None = None
    deploy_interface: str | None = None
    rescue_interface: str | None = None
    storage_interface: str | None = None
    network_interface: str | None = None
    console_interface: str | None = None

    @property
    def label(self) -> str:
        """What people call it: its name, or its uuid when it has none."""
        return self.name or self.uuid


FIELDS: Final[Mapping[str, Microversion]] = MappingProxyType(
    dict.fromkeys((f.name for f in dataclasses.fields(NodeRow)), Microversion(1, 8))
    | {
        "resource_class": Microversion(1, 21),
        "network_interface": Microversion(1, 31),
        "deploy_interface": Microversion(1, 31),
        "console_interface": Microversion(1, 31),
        "storage_interface": Microversion(1, 33),
        "traits": Microversion(1, 37),
        "rescue_interface": Microversion(1, 38),
        "fault": Microversion(1, 42),
        "deploy_step": Microversion(1, 44),
        "conductor_group": Microversion(1, 46),
        "protected": Microversion(1, 48),
        "owner": Microversion(1, 50),
        "retired": Microversion(1, 61),
        "lessee": Microversion(1, 65),
        "shard": Microversion(1, 82),
        "service_step": Microversion(1, 87),
        "instance_name": Microversion(1, 104),
        "health": Microversion(1, 109),
    }
)
"""Each field with the version from which on it can be asked for (1.8 is the first that knows ``fields=``)."""


def fields_at(versions: Versions) -> tuple[list[str], Microversion]:
    """The fields that an endpoint has, and the lowest version that serves them all."""
    names = [name for name, needs in FIELDS.items() if needs <= versions.highest]
    return names, max(FIELDS[name] for name in names)


def node_row(found: Mapping[str, Any]) -> NodeRow:
    """A node from JSON; what is missing or null is at its default."""
    values = {name: convert(name, found[name]) for name in FIELDS if found.get(name) is not None}
    return NodeRow(**values)


def convert(name: str, value: Any) -> Any:
    """One field's value in the row's type."""
    if name == "instance_uuid":
        return UUID(value)
    if name == "traits":
        return tuple(sorted(value))
    return value

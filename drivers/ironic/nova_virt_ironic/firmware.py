"""A role of this driver alone: what Ironic knows of a node's firmware, for reading.

Reached by ``compute.role(Firmware)``. Both lists are as old as the last time that Ironic looked (it does when a node is
made manageable, cleaned or deployed), and empty where it never did.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from nova_virt_api.driver.role import Role
from nova_virt_ironic.inventory import pick
from nova_virt_ironic.microversions import Call
from nova_virt_ironic.site import OnSite

if TYPE_CHECKING:
    from nova_virt_ironic.node import NodeRow


@dataclass(frozen=True, slots=True, kw_only=True)
class FirmwareComponent:
    """One part of a machine that runs firmware of its own.

    Args:
        name: e.g. ``bios``, ``bmc`` or ``nic:...``.
        current_version: what it runs.
        initial_version: what it ran when Ironic saw it first.
        flashed_version: what Ironic last wrote to it; None when it never did.
    """

    name: str
    current_version: str
    initial_version: str
    flashed_version: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BiosSetting:
    """One setting of a machine's BIOS, or UEFI setup.

    Args:
        name: the vendor's name for it.
        value: its value; None when it is not known.
        kind: ``Enumeration``, ``String``, ``Integer``, ``Boolean`` or ``Password``; empty when not known.
        allowed: the values that it may have, where there is a list.
        lowest: the least number that it may be.
        highest: the greatest number that it may be.
        read_only: whether it can only be read; None when not known.
        needs_reset: whether a change works only after a reset; None when not known.
    """

    name: str
    value: str | None = None
    kind: str = ""
    allowed: tuple[str, ...] = ()
    lowest: int | None = None
    highest: int | None = None
    read_only: bool | None = None
    needs_reset: bool | None = None


class Firmware(Role):
    """See what firmware a node runs and how it is set. Experimental."""

    @abstractmethod
    def firmware_components(self, node: str | None = None) -> Sequence[FirmwareComponent]:
        """The parts of a node that run firmware, with their versions (microversion 1.86).

        Args:
            node: name or id; may be left out where there is exactly one.

        Raises:
            InvalidSpec: no such node, or several and none was named.
            BackendError: the endpoint is too old.
        """

    @abstractmethod
    def bios_settings(self, node: str | None = None) -> Sequence[BiosSetting]:
        """The settings of a node's BIOS (microversion 1.40; more than name and value from 1.74 on).

        Args:
            node: name or id; may be left out where there is exactly one.

        Raises:
            InvalidSpec: no such node, or several and none was named.
        """


class IronicFirmware(OnSite, Firmware):
    """Asks Ironic, which asks nobody: one request each."""

    def firmware_components(self, node: str | None = None) -> Sequence[FirmwareComponent]:
        row = self._firmware_of(node)
        found = self.site.connection.read(
            f"list the firmware of node {row.label}",
            lambda client: client.node.list_firmware_components(row.uuid),
            at=Call.FIRMWARE,
        )
        return tuple(component(one) for one in found)

    def bios_settings(self, node: str | None = None) -> Sequence[BiosSetting]:
        row = self._firmware_of(node)
        detailed = self.site.connection.serves(Call.BIOS_REGISTRY)
        found = self.site.connection.read(
            f"list the BIOS settings of node {row.label}",
            lambda client: client.node.list_bios_settings(row.uuid, detail=detailed),
            at=Call.BIOS_REGISTRY if detailed else Call.BIOS,
        )
        return tuple(setting(one) for one in found)

    def _firmware_of(self, node: str | None) -> NodeRow:
        return pick(self.site.listing.snapshot().rows.values(), node)


def component(found: Mapping[str, Any]) -> FirmwareComponent:
    """A firmware component from JSON."""
    return FirmwareComponent(
        name=str(found["component"]),
        current_version=str(found.get("current_version") or ""),
        initial_version=str(found.get("initial_version") or ""),
        flashed_version=found.get("last_version_flashed"),
    )


def setting(found: Mapping[str, Any]) -> BiosSetting:
    """A BIOS setting from JSON."""
    value = found.get("value")
    return BiosSetting(
        name=str(found["name"]),
        value=None if value is None else str(value),
        kind=str(found.get("attribute_type") or ""),
        allowed=tuple(str(one) for one in found.get("allowable_values") or ()),
        lowest=found.get("lower_bound"),
        highest=found.get("upper_bound"),
        read_only=found.get("read_only"),
        needs_reset=found.get("reset_required"),
    )

"""``nova-virt host list`` and ``host show``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nova_virt_api.cli.command import add_node
from nova_virt_api.cli.output import Lister, ShowOne

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable, Sequence

    from nova_virt_api.model.place import Resource


class HostList(Lister):
    """List the nodes that guests run on."""

    expendable = ("id",)

    def take_action(self, parsed_args: argparse.Namespace) -> tuple[Sequence[str], Iterable[Sequence[Any]]]:
        rows = [(node.name, node.id, node.maintenance) for node in self.compute.nodes()]
        return ("name", "id", "maintenance"), sorted(rows, key=lambda row: row[:2])


class HostShow(ShowOne):
    """Show what a node is and what it has to give."""

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        add_node(parser)

    def take_action(self, parsed_args: argparse.Namespace) -> tuple[Sequence[str], Sequence[Any]]:
        inventory = self.compute.inventory(parsed_args.node)
        fields = {
            "name": inventory.node.name,
            "id": inventory.node.id,
            "maintenance": inventory.node.maintenance,
            "hypervisor": inventory.hypervisor,
            "hypervisor_version": inventory.hypervisor_version,
            "address": inventory.address,
            "uptime_seconds": inventory.uptime_seconds,
            "resources": {resource.resource_class: amounts(resource) for resource in inventory.resources},
            "traits": sorted(inventory.traits),
        }
        return self.dict2columns(fields)


def amounts(resource: Resource) -> dict[str, int | None]:
    """How much there is of a resource."""
    return {"total": resource.total, "reserved": resource.reserved, "used": resource.used}

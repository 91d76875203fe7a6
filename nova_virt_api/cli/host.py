"""``nova-virt host show``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nova_virt_api.cli.output import ShowOne

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from nova_virt_api.model.place import Resource


class HostShow(ShowOne):
    """Show what a node is and what it has to give."""

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("node", metavar="NODE", nargs="?", help="The node; may be left out where there is one.")

    def take_action(self, parsed_args: argparse.Namespace) -> tuple[Sequence[str], Sequence[Any]]:
        inventory = self.compute.inventory(parsed_args.node)
        fields = {
            "name": inventory.node.name,
            "id": inventory.node.id,
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

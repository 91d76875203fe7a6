"""``nova-virt device list``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nova_virt_api.cli.command import add_node
from nova_virt_api.cli.output import Lister

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable, Sequence


class DeviceList(Lister):
    """List the devices of a node, as far as the endpoint has looked."""

    expendable = ("id", "product", "vendor")

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        add_node(parser)

    def take_action(self, parsed_args: argparse.Namespace) -> tuple[Sequence[str], Iterable[Sequence[Any]]]:
        columns = ("kind", "name", "vendor", "product", "address", "size_bytes", "id")
        rows = [
            (
                device.kind.value,
                device.name,
                device.vendor,
                device.product,
                device.address,
                device.size_bytes,
                device.id,
            )
            for device in self.compute.devices(parsed_args.node)
        ]
        return columns, rows

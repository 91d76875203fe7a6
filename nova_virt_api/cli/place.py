"""``nova-virt pool list`` and ``network list``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nova_virt_api.cli.output import Lister

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable, Sequence


class PoolList(Lister):
    """List the storage pools that disks can be put into."""

    expendable = ("id", "features", "nodes")

    def take_action(self, parsed_args: argparse.Namespace) -> tuple[Sequence[str], Iterable[Sequence[Any]]]:
        columns = ("name", "id", "kind", "capacity_bytes", "free_bytes", "available", "nodes", "features")
        rows = [
            (
                pool.name,
                pool.id,
                pool.kind,
                pool.capacity_bytes,
                pool.free_bytes,
                pool.available,
                list(pool.nodes),
                sorted(feature.value for feature in pool.features),
            )
            for pool in self.compute.storage_pools()
        ]
        return columns, sorted(rows, key=lambda row: row[:2])


class NetworkList(Lister):
    """List the networks that guests can be connected to."""

    expendable = ("id", "nodes")

    def take_action(self, parsed_args: argparse.Namespace) -> tuple[Sequence[str], Iterable[Sequence[Any]]]:
        columns = ("name", "id", "kind", "available", "nodes")
        rows = [
            (network.name, network.id, network.kind, network.available, list(network.nodes))
            for network in self.compute.networks()
        ]
        return columns, sorted(rows, key=lambda row: row[:2])

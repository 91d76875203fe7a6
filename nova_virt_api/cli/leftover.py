"""``nova-virt leftover list``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nova_virt_api.cli.output import Lister

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable, Sequence


class LeftoverList(Lister):
    """List what interrupted work left behind; 'delete UUID' removes it."""

    expendable = ("owner", "place")

    def take_action(self, parsed_args: argparse.Namespace) -> tuple[Sequence[str], Iterable[Sequence[Any]]]:
        rows = [
            (str(leftover.uuid), leftover.kind, leftover.name, leftover.place, leftover.owner)
            for leftover in self.compute.leftovers()
        ]
        return ("uuid", "kind", "name", "place", "owner"), rows

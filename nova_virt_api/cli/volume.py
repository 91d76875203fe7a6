"""``nova-virt volume connector``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nova_virt_api.cli.command import add_node
from nova_virt_api.cli.output import ShowOne

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence


class VolumeConnectorShow(ShowOne):
    """Show who a node is to a storage service."""

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        add_node(parser)

    def take_action(self, parsed_args: argparse.Namespace) -> tuple[Sequence[str], Sequence[Any]]:
        connector = self.compute.volume_connector(parsed_args.node)
        fields = {
            "node": connector.node,
            "iscsi_initiator": connector.iscsi_initiator,
            "wwpns": list(connector.wwpns),
            "wwnns": list(connector.wwnns),
            "addresses": list(connector.addresses),
        }
        return self.dict2columns(fields)

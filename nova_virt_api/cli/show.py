"""``nova-virt show``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nova_virt_api.cli.command import add_guest
from nova_virt_api.cli.guest_fields import fields_of
from nova_virt_api.cli.output import ShowOne

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence


class Show(ShowOne):
    """Show one guest."""

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        add_guest(parser)

    def take_action(self, parsed_args: argparse.Namespace) -> tuple[Sequence[str], Sequence[Any]]:
        return self.dict2columns(fields_of(self.guest(parsed_args.guest)))

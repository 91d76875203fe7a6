"""``nova-virt list``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nova_virt_api.cli.guest_fields import LISTED, fields_of
from nova_virt_api.cli.output import Lister
from nova_virt_api.model.instance import Scope

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable, Sequence


class List(Lister):
    """List the guests."""

    expendable = ("uuid", "labels", "owner")

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        which = parser.add_mutually_exclusive_group()
        which.add_argument(
            "--all",
            dest="scope",
            action="store_const",
            const=Scope.ALL,
            default=Scope.ALL,
            help="Every guest that the account sees, whoever made it. The default.",
        )
        which.add_argument(
            "--owned", dest="scope", action="store_const", const=Scope.OWNED, help="Only guests of this owner."
        )

    def take_action(self, parsed_args: argparse.Namespace) -> tuple[Sequence[str], Iterable[Sequence[Any]]]:
        guests = sorted(self.compute.instances(scope=parsed_args.scope), key=lambda guest: (guest.name, guest.uuid))
        listed = [fields_of(guest) for guest in guests]
        return LISTED, [[fields[name] for name in LISTED] for fields in listed]

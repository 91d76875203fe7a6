"""``nova-virt rebuild``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nova_virt_api.cli.command import add_guest, add_timeout
from nova_virt_api.cli.create import add_cloud_init, add_image
from nova_virt_api.cli.given_image import given_cloud_init, given_image
from nova_virt_api.cli.guest_fields import fields_of
from nova_virt_api.cli.output import ShowOne

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence


class Rebuild(ShowOne):
    """Write a guest's boot disk anew and start it. Asks nothing; what was on the disk is lost."""

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        add_guest(parser)
        add_image(parser, "What the boot disk is to hold; what the guest was made from if not given.")
        add_cloud_init(parser)
        add_timeout(parser)

    def take_action(self, parsed_args: argparse.Namespace) -> tuple[Sequence[str], Sequence[Any]]:
        source, cloud_init = given_image(parsed_args), given_cloud_init(parsed_args)
        guest, submit = self.guest(parsed_args.guest), self.compute.submit
        rebuilt = self.finish(
            lambda reached: submit.rebuild(
                guest, source=source, cloud_init=cloud_init, timeout=parsed_args.timeout, on_progress=reached
            )
        )
        return self.dict2columns(fields_of(rebuilt))

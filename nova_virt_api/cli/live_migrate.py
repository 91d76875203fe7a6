"""``nova-virt live-migrate``."""

from __future__ import annotations

import threading
from contextlib import ExitStack
from typing import TYPE_CHECKING

from nova_virt_api.cli.command import Command, add_guest, add_timeout, seconds

if TYPE_CHECKING:
    import argparse

    from nova_virt_api.compute.compute import Compute
    from nova_virt_api.compute.face import OnProgress
    from nova_virt_api.compute.operation import Operation
    from nova_virt_api.model.instance import Instance


class LiveMigrate(Command):
    """Move a running guest to another endpoint, or to another node of the same; it goes on running."""

    epilog = "Ctrl-C leaves the guest where it is."

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        add_guest(parser)
        where = parser.add_mutually_exclusive_group(required=True)
        where.add_argument("--to", metavar="PROFILE", help="The profile of the endpoint that it is to go to.")
        where.add_argument("--node", metavar="NODE", help="The node of its own endpoint that it is to go to.")
        parser.add_argument(
            "--complete-after",
            metavar="SECONDS",
            type=seconds,
            help="Then end the move at the guest's expense: it is slow, or stands still, for a while.",
        )
        add_timeout(parser)

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        guest = self.guest(parsed_args.guest)
        with ExitStack() as exits:
            there = None if parsed_args.to is None else exits.enter_context(self._endpoint(parsed_args.to))
            moved = self.finish(lambda reached: self._begin(guest, there, parsed_args, reached))
        self.say(f"{guest.name} runs on {moved.node}")

    def _endpoint(self, profile: str) -> Compute:
        from nova_virt_api.compute.connect import connect

        return connect(profile=profile, owner=self.app.options.owner)

    def _begin(
        self, guest: Instance, there: Compute | None, parsed_args: argparse.Namespace, reached: OnProgress
    ) -> Operation[Instance]:
        submit = self.compute.submit
        if there is None:
            operation = submit.migrate(guest, node=parsed_args.node, timeout=parsed_args.timeout, on_progress=reached)
        else:
            operation = submit.live_migrate(guest, to=there, timeout=parsed_args.timeout, on_progress=reached)
        if parsed_args.complete_after is not None:
            hasten = threading.Timer(parsed_args.complete_after, operation.complete_now)
            hasten.daemon = True
            hasten.start()
            operation.add_done_callback(lambda _: hasten.cancel())
        return operation

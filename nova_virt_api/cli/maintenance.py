"""``nova-virt maintenance enter`` and ``leave``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nova_virt_api.cli.command import Command, add_timeout

if TYPE_CHECKING:
    import argparse


class MaintenanceEnter(Command):
    """Let no new guest be placed on a node; those that are there stay."""

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("node", metavar="NODE", help="Name or id of the node.")
        parser.add_argument("--reason", metavar="TEXT", required=True, help="For people, one line.")
        add_timeout(parser)

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        node, submit = parsed_args.node, self.compute.submit
        self.about(node)
        self.finish(
            lambda reached: submit.enter_maintenance(
                node, parsed_args.reason, timeout=parsed_args.timeout, on_progress=reached
            )
        )
        self.say(f"{node} takes no new guests")


class MaintenanceLeave(Command):
    """Let guests be placed on a node again."""

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("node", metavar="NODE", help="Name or id of the node.")
        add_timeout(parser)

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        node, submit = parsed_args.node, self.compute.submit
        self.about(node)
        self.finish(lambda reached: submit.leave_maintenance(node, timeout=parsed_args.timeout, on_progress=reached))
        self.say(f"{node} takes guests")

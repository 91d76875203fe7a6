"""``nova-virt checkpoint create``, ``list``, ``revert`` and ``delete``."""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING, Any, Final

from nova_virt_api.cli.command import Command, add_guest, add_timeout
from nova_virt_api.cli.output import Lister, ShowOne

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable, Sequence

    from nova_virt_api.model.checkpoint import CheckpointInfo

COLUMNS: Final = ("name", "created_at", "parent", "is_current", "has_memory", "power_state", "description", "native_id")


class CheckpointCreate(ShowOne):
    """Keep what a guest's disks hold now, so that it can go back to it."""

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        add_guest(parser)
        add_name(parser)
        parser.add_argument("--memory", action="store_true", help="Keep the memory too, if the guest runs.")
        parser.add_argument("--description", metavar="TEXT", default="", help="What to say of it.")
        add_timeout(parser)

    def take_action(self, parsed_args: argparse.Namespace) -> tuple[Sequence[str], Sequence[Any]]:
        guest, submit = self.guest(parsed_args.guest), self.compute.submit
        made = self.finish(
            lambda reached: submit.create_checkpoint(
                guest,
                parsed_args.checkpoint,
                memory=parsed_args.memory,
                description=parsed_args.description,
                timeout=parsed_args.timeout,
                on_progress=reached,
            )
        )
        return COLUMNS, values_of(made)


class CheckpointList(Lister):
    """List a guest's checkpoints, each after the one that it came from."""

    expendable = ("native_id", "description", "power_state")

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        add_guest(parser)

    def take_action(self, parsed_args: argparse.Namespace) -> tuple[Sequence[str], Iterable[Sequence[Any]]]:
        found = self.compute.checkpoints(self.guest(parsed_args.guest))
        return COLUMNS, [values_of(checkpoint) for checkpoint in found]


class CheckpointRevert(Command):
    """Let a guest hold again what it held at a checkpoint; what it holds now is lost. Asks nothing."""

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        add_guest(parser)
        add_name(parser)
        add_timeout(parser)

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        guest, submit, name = self.guest(parsed_args.guest), self.compute.submit, parsed_args.checkpoint
        self.finish(
            lambda reached: submit.revert_to_checkpoint(guest, name, timeout=parsed_args.timeout, on_progress=reached)
        )
        self.say(f"{guest.name} is as it was at {name}")


class CheckpointDelete(Command):
    """Forget a guest's checkpoint; the guest and its other checkpoints stay as they are."""

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        add_guest(parser)
        add_name(parser)
        parser.add_argument("--children", action="store_true", help="Forget all that came from it too.")
        add_timeout(parser)

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        guest, submit, name = self.guest(parsed_args.guest), self.compute.submit, parsed_args.checkpoint
        self.finish(
            lambda reached: submit.delete_checkpoint(
                guest, name, children=parsed_args.children, timeout=parsed_args.timeout, on_progress=reached
            )
        )
        self.say(f"{guest.name} has no checkpoint {name} any more")


def add_name(parser: argparse.ArgumentParser) -> None:
    """The argument that names a checkpoint."""
    parser.add_argument("checkpoint", metavar="NAME", help="The checkpoint.")


def values_of(checkpoint: CheckpointInfo) -> tuple[Any, ...]:
    """A checkpoint in plain values, in the order of the columns; its time as in ISO 8601."""
    created_at = datetime.datetime.fromtimestamp(checkpoint.created_at, datetime.UTC)
    return (
        checkpoint.name,
        created_at.isoformat(timespec="seconds"),
        checkpoint.parent,
        checkpoint.is_current,
        checkpoint.has_memory,
        checkpoint.power_state.value,
        checkpoint.description,
        checkpoint.native_id,
    )

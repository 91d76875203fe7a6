"""``nova-virt share list``, ``attach`` and ``detach``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from nova_virt_api.cli.command import Command, add_guest, add_timeout
from nova_virt_api.cli.output import Lister
from nova_virt_api.model.share import HostDirectory, Share

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable, Sequence

COLUMNS: Final = ("tag", "directory", "read_only")


class ShareList(Lister):
    """List the directories that a guest shares with its host."""

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        add_guest(parser)

    def take_action(self, parsed_args: argparse.Namespace) -> tuple[Sequence[str], Iterable[Sequence[Any]]]:
        found = self.compute.shares(self.guest(parsed_args.guest))
        return COLUMNS, [(share.tag, share.source.path, share.read_only) for share in found]


class ShareAttach(Command):
    """Let a guest use a directory of its host; in the guest: mount -t virtiofs TAG /mnt."""

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        add_guest(parser)
        parser.add_argument("directory", metavar="DIRECTORY", help="Its absolute path on the hypervisor's host.")
        parser.add_argument("--tag", required=True, metavar="TAG", help="By what the guest asks for it.")
        parser.add_argument("--read-only", action="store_true", help="The guest may only read.")
        add_timeout(parser)

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        guest, submit = self.guest(parsed_args.guest), self.compute.submit
        source = HostDirectory(path=parsed_args.directory)
        share = Share(tag=parsed_args.tag, source=source, read_only=parsed_args.read_only)
        self.finish(lambda reached: submit.attach_share(guest, share, timeout=parsed_args.timeout, on_progress=reached))
        self.say(f"{guest.name} shares {source.path} as {share.tag}")


class ShareDetach(Command):
    """Take a share away from a guest; its files stay."""

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        add_guest(parser)
        parser.add_argument("tag", metavar="TAG", help="The share's tag; 'share list' shows it.")
        add_timeout(parser)

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        guest, submit = self.guest(parsed_args.guest), self.compute.submit
        self.finish(
            lambda reached: submit.detach_share(
                guest, parsed_args.tag, timeout=parsed_args.timeout, on_progress=reached
            )
        )
        self.say(f"{guest.name} has no share {parsed_args.tag}")

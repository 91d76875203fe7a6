"""``nova-virt resize``, ``resize-confirm``, ``resize-revert`` and ``migrate``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from nova_virt_api.cli.as_options import as_options
from nova_virt_api.cli.command import Command, add_guest, add_timeout
from nova_virt_api.cli.guest_fields import fields_of
from nova_virt_api.cli.output import ShowOne
from nova_virt_api.errors import InvalidSpec, StateAfter, VirtError
from nova_virt_api.model.size import Size
from nova_virt_api.specfile.said import Said
from nova_virt_api.specfile.size import parse_size

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from nova_virt_api.compute.compute import Compute
    from nova_virt_api.model.instance import Instance
    from nova_virt_api.model.ticket import Ticket

SAME: Final = "="
"""The size of a disk that is to stay as it is."""

SIZE_OPTIONS: Final = {
    field: option
    for name, option in (("vcpus", "--vcpus"), ("memory_bytes", "--memory"), ("disks", "--disk-size"))
    for field in (name, f"size.{name}")
}


class Resize(ShowOne):
    """Give a stopped guest another size; try it, then confirm or revert that. With --live, a running one."""

    epilog = (
        "Start the guest to try it. 'resize-revert' gives back its size and its disks as they were before. With --live"
        " the guest gets CPUs and memory at once, within the --max-vcpus and --max-memory that it was created with, and"
        " there is nothing to confirm or revert."
    )

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        add_guest(parser)
        add_size(parser)
        way = parser.add_mutually_exclusive_group()
        way.add_argument("--live", action="store_true", help="Do it while the guest runs.")
        add_confirm(way, "Keep the new size at once; there is no way back then.")
        add_timeout(parser)

    def take_action(self, parsed_args: argparse.Namespace) -> tuple[Sequence[str], Sequence[Any]]:
        with as_options(SIZE_OPTIONS):
            return self.dict2columns(fields_of(self._resized(parsed_args)))

    def _resized(self, parsed_args: argparse.Namespace) -> Instance:
        size, timeout = given_size(parsed_args), parsed_args.timeout
        if size == Size():
            raise InvalidSpec("size", Said("nothing"), "something to change: --vcpus, --memory or --disk-size")
        guest, compute = self.guest(parsed_args.guest), self.compute
        if parsed_args.live:
            return self.finish(lambda told: compute.submit.resize_live(guest, size, timeout=timeout, on_progress=told))
        resized = self.finish(lambda told: compute.submit.resize(guest, size, timeout=timeout, on_progress=told))
        if not parsed_args.confirm:
            self.note(f"try it; then 'nova-virt resize-confirm {guest.name}' keeps it, 'resize-revert' takes it back")
            return resized
        self.finish(lambda told: compute.submit.confirm_resize(guest, timeout=timeout, on_progress=told))
        return compute.instance(guest, fresh=True)


class ResizeConfirm(Command):
    """Keep a guest's new size; a guest that was moved to another endpoint is removed from this one."""

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        add_guest(parser)
        add_timeout(parser)

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        guest, submit = self.guest(parsed_args.guest), self.compute.submit
        self.finish(lambda told: submit.confirm_resize(guest, timeout=parsed_args.timeout, on_progress=told))
        self.say(f"{guest.name} waits for nothing any more")


class ResizeRevert(Command):
    """Give a guest back its old size, and its disks as they were before the resize. Asks nothing."""

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        add_guest(parser)
        parser.add_argument("--start", action="store_true", help="Start the guest then.")
        add_timeout(parser)

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        guest, submit = self.guest(parsed_args.guest), self.compute.submit
        self.finish(
            lambda told: submit.revert_resize(
                guest, power_on=parsed_args.start, timeout=parsed_args.timeout, on_progress=told
            )
        )
        self.say(f"{guest.name} is as it was before its resize")


class Migrate(ShowOne):
    """Move a stopped guest to the endpoint of another profile."""

    epilog = (
        "Here the guest waits, stopped: 'resize-confirm' removes it once it is well there; to get it back, delete it"
        " there and say 'resize-revert' here."
    )

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        add_guest(parser)
        parser.add_argument("--to", metavar="PROFILE", required=True, help="The profile of the other endpoint.")
        add_size(parser)
        add_confirm(parser, "Remove the guest here once it is there; there is no way back then.")
        add_timeout(parser, "Give up after so many seconds, for each of the steps.")

    def take_action(self, parsed_args: argparse.Namespace) -> tuple[Sequence[str], Sequence[Any]]:
        from nova_virt_api.compute.connect import connect

        timeout = parsed_args.timeout
        with as_options(SIZE_OPTIONS):
            size = given_size(parsed_args)
        guest, submit = self.guest(parsed_args.guest), self.compute.submit
        with connect(profile=parsed_args.to) as there:
            ticket = self.finish(lambda told: submit.prepare_resize(guest, size, timeout=timeout, on_progress=told))
            moved = self._finish_there(there, guest, ticket, timeout)
            if parsed_args.confirm:
                self.finish(lambda told: submit.confirm_resize(guest, timeout=timeout, on_progress=told))
            return self.dict2columns(fields_of(moved))

    def _finish_there(self, there: Compute, guest: Instance, ticket: Ticket, timeout: float | None) -> Instance:
        """Make the guest there; if that fails for sure, it is here again as it was."""
        try:
            return self.finish(lambda told: there.submit.finish_resize(ticket, timeout=timeout, on_progress=told))
        except VirtError as error:
            if error.state_after is not StateAfter.UNKNOWN:
                self.compute.revert_resize(guest)
            raise


def add_size(parser: argparse.ArgumentParser) -> None:
    """What the guest is to have; what is not said stays as it is."""
    parser.add_argument("--memory", metavar="SIZE", help="E.g. 512M or 2G.")
    parser.add_argument("--vcpus", metavar="NUMBER", type=int, help="Virtual CPUs.")
    parser.add_argument(
        "--disk-size",
        metavar="SIZE",
        action="append",
        default=[],
        help=f"Size of a disk, the boot disk first; may be repeated for the others, {SAME!r} leaves one as it is.",
    )


def add_confirm(parser: argparse._ActionsContainer, text: str) -> None:
    """The option that does without a way back."""
    parser.add_argument("--confirm", action="store_true", help=text)


def given_size(parsed_args: argparse.Namespace) -> Size:
    """The size that the options say.

    Raises:
        InvalidSpec: one of them is no size.
    """
    memory = None if parsed_args.memory is None else parse_size("--memory", parsed_args.memory)
    disks = [None if text == SAME else parse_size("--disk-size", text) for text in parsed_args.disk_size]
    return Size(vcpus=parsed_args.vcpus, memory_bytes=memory, disks=disks)

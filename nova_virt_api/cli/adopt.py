"""``nova-virt adopt``."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from nova_virt_api.cli.command import add_timeout
from nova_virt_api.cli.exit_codes import ExitCode, exit_code
from nova_virt_api.cli.output import Lister
from nova_virt_api.errors import InvalidSpec
from nova_virt_api.specfile.said import Said

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable, Sequence

    from nova_virt_api.compute.adoption import Adoption, GuestChoice


class AdoptGuests(Lister):
    """Become the owner of guests of other making, and tell what became of each."""

    epilog = "Ends with 0 if none was refused, otherwise with the number of what was in the way of the first."
    expendable = ("uuid",)

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("guests", metavar="GUEST", nargs="*", help="Name or uuid of a guest.")
        parser.add_argument(
            "--match",
            metavar="PATTERN",
            help="Every guest without an owner whose name matches, e.g. 'ci-*', or '*' for all of them.",
        )
        parser.add_argument("--dry-run", action="store_true", help="Change nothing and tell what would become of each.")
        add_timeout(parser)
        self._code = ExitCode.OK

    def run(self, parsed_args: argparse.Namespace) -> int:
        return super().run(parsed_args) or self._code

    def take_action(self, parsed_args: argparse.Namespace) -> tuple[Sequence[str], Iterable[Sequence[Any]]]:
        chosen = self._chosen(parsed_args)
        self.about(parsed_args.match or ", ".join(parsed_args.guests))
        submit = self.compute.submit
        report = self.finish(
            lambda reached: submit.adopt_all(
                chosen, dry_run=parsed_args.dry_run, timeout=parsed_args.timeout, on_progress=reached
            )
        )
        refused = [entry.error for entry in report if entry.error is not None]
        self._code = exit_code(refused[0]) if refused else ExitCode.OK
        return ("name", "uuid", "outcome", "reason"), [row_of(entry) for entry in report]

    def _chosen(self, parsed_args: argparse.Namespace) -> GuestChoice:
        pattern: str | None = parsed_args.match
        if (pattern is None) == (not parsed_args.guests):
            came = "neither" if pattern is None else "both"
            raise InvalidSpec("GUEST", Said(came), "names of guests, or --match")
        if pattern is not None:
            return lambda guest: guest.owner is None and fnmatchcase(guest.name, pattern)
        return [self.guest(name) for name in parsed_args.guests]


def row_of(entry: Adoption) -> tuple[Any, ...]:
    """What became of a guest, in plain values."""
    name = entry.instance.name if entry.instance is not None else None
    error = entry.error
    reason = None if error is None else error.message + (f"; {error.hint}" if error.hint else "")
    return name, str(entry.guest.uuid), entry.outcome.value, reason

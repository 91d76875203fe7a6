"""``nova-virt delete``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nova_virt_api.cli.command import Command, add_timeout
from nova_virt_api.cli.exit_codes import ExitCode, exit_code
from nova_virt_api.cli.guests import as_uuid
from nova_virt_api.errors import Cancelled, InstanceNotFound, VirtError
from nova_virt_api.model.instance import DiskPolicy

if TYPE_CHECKING:
    import argparse
    from uuid import UUID

    from nova_virt_api.model.instance import Instance


class Delete(Command):
    """Delete guests with all that they own, from any state. Asks nothing."""

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("guests", metavar="GUEST", nargs="+", help="Name or uuid of a guest.")
        parser.add_argument(
            "--keep-disks",
            dest="disks",
            action="store_const",
            const=DiskPolicy.KEEP,
            default=DiskPolicy.DELETE,
            help="Leave its disks where they are.",
        )
        parser.add_argument(
            "--foreign", action="store_true", help="Also a guest of other making; needs --manage all as well."
        )
        parser.add_argument("--missing-ok", action="store_true", help="A guest that is not there is not an error.")
        add_timeout(parser, "Give up after so many seconds for each guest.")

    def take_action(self, parsed_args: argparse.Namespace) -> int:
        code = ExitCode.OK
        for name in dict.fromkeys(parsed_args.guests):
            self.about(name)
            try:
                self._delete(name, parsed_args)
            except Cancelled:
                raise
            except VirtError as error:
                self.app.report.error(error, self.app.subject)
                code = code or exit_code(error)
        return code

    def _delete(self, name: str, parsed_args: argparse.Namespace) -> None:
        target = self._target(name, missing_ok=parsed_args.missing_ok)
        if target is None:
            self.say(f"{name} was not there")
            return
        submit = self.compute.submit
        removed = self.finish(
            lambda reached: submit.destroy(
                target,
                disks=parsed_args.disks,
                foreign=parsed_args.foreign,
                timeout=parsed_args.timeout,
                on_progress=reached,
            )
        )
        if not removed and not parsed_args.missing_ok:
            raise InstanceNotFound(f"there is neither a guest {name} nor anything left of one")
        self.say(f"{name} is deleted" if removed else f"{name} was not there")

    def _target(self, name: str, *, missing_ok: bool) -> Instance | UUID | None:
        """The guest; or the bare uuid of one that is not there, of which something may be left; or nothing."""
        try:
            return self.guest(name)
        except InstanceNotFound:
            uuid = as_uuid(name)
            if uuid is None and not missing_ok:
                raise
            return uuid

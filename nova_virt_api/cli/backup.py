"""``nova-virt backup create``, ``forget``, ``list`` and ``restore``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from nova_virt_api.backups import BackupFolder, submit_backup, submit_restore
from nova_virt_api.cli.command import Command, add_guest, add_timeout
from nova_virt_api.cli.exit_codes import ExitCode
from nova_virt_api.cli.output import Lister, ShowOne
from nova_virt_api.errors import BackupChainBroken
from nova_virt_api.model.check import check
from nova_virt_api.model.image import ImageFormat
from nova_virt_api.model.quiesce import Quiesce

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable, Sequence

    from nova_virt_api.backups import Written
    from nova_virt_api.model.backup import BackupPoint
    from nova_virt_api.model.instance import Instance

QUIESCE = {mode.value.replace("_", "-"): mode for mode in Quiesce}


class BackupCreate(ShowOne):
    """Write a guest's next backup into a directory: the first whole, each other what changed since."""

    epilog = (
        "Where it is not known any more what changed, a full backup is written. Each guest has a directory of its own."
    )

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        add_guest(parser)
        add_directory(parser, "The guest's directory of backups; made if it is not there.")
        parser.add_argument("--full", action="store_true", help="Write everything again.")
        parser.add_argument(
            "--quiesce",
            choices=tuple(QUIESCE),
            default="if-possible",
            help="Whether the guest's agent brings its file systems to rest for that moment.",
        )
        add_timeout(parser)

    def take_action(self, parsed_args: argparse.Namespace) -> tuple[Sequence[str], Sequence[Any]]:
        try:
            written = self._write(parsed_args, full=parsed_args.full)
        except BackupChainBroken as error:
            self.note(f"{error.message}; a full backup is written")
            written = self._write(parsed_args, full=True)
        manifest = written.manifest
        fields = {
            "number": manifest.number,
            "kind": manifest.kind,
            "created": manifest.created.isoformat(timespec="seconds"),
            "quiesced": manifest.quiesced,
            "disks": [disk.id for disk in manifest.disks],
            "read_bytes": written.read_bytes,
            "stored_bytes": written.stored_bytes,
        }
        return self.dict2columns(fields)

    def _write(self, parsed_args: argparse.Namespace, *, full: bool) -> Written:
        guest = self.guest(parsed_args.guest)
        return self.finish(
            lambda reached: submit_backup(
                self.compute,
                guest,
                parsed_args.directory,
                full=full,
                quiesce=QUIESCE[parsed_args.quiesce],
                timeout=parsed_args.timeout,
                on_progress=reached,
            )
        )


class BackupForget(Command):
    """Let the endpoint keep account no more of what changes on a guest's disks."""

    epilog = "Backups that were written stay as good as they are; the next one is a full one."

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        add_guest(parser)
        add_timeout(parser)

    def take_action(self, parsed_args: argparse.Namespace) -> int:
        guest = self.guest(parsed_args.guest)
        points = self.compute.backup_points(guest)
        for point in points:
            self._forget(guest, point, parsed_args.timeout)
        self.say(f"{guest.name}: {len(points)} backup points forgotten")
        return ExitCode.OK

    def _forget(self, guest: Instance, point: BackupPoint, timeout: float | None) -> None:
        submit = self.compute.submit
        self.finish(lambda reached: submit.forget_backup_point(guest, point, timeout=timeout, on_progress=reached))


class BackupList(Lister):
    """List the backups in a directory."""

    expendable = ("uuid", "quiesced", "disks")

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        add_directory(parser, "A directory of backups.")

    def take_action(self, parsed_args: argparse.Namespace) -> tuple[Sequence[str], Iterable[Sequence[Any]]]:
        folder = BackupFolder(parsed_args.directory)
        check(folder.path.is_dir(), "DIRECTORY", str(folder.path), "a directory that exists")
        rows = [
            (
                manifest.number,
                manifest.kind,
                manifest.created.isoformat(timespec="seconds"),
                manifest.name,
                str(manifest.guest),
                manifest.quiesced,
                [disk.id for disk in manifest.disks],
                folder.stored_bytes(manifest),
            )
            for manifest in folder.manifests()
        ]
        return ("number", "kind", "created", "guest", "uuid", "quiesced", "disks", "stored_bytes"), rows


class BackupRestore(Lister):
    """Write the disks of a backup into files that need no others."""

    epilog = "A guest is made of them with 'nova-virt create NAME --image FILE'."

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        add_directory(parser, "A directory of backups.")
        parser.add_argument("target", metavar="TARGET", type=Path, help="The directory to write to; made if need be.")
        parser.add_argument("--number", metavar="N", type=int, help="The backup's number; the newest unless given.")
        parser.add_argument(
            "--image-format", choices=("qcow2", "raw"), default="qcow2", help="What the files are to hold."
        )
        add_timeout(parser)

    def take_action(self, parsed_args: argparse.Namespace) -> tuple[Sequence[str], Iterable[Sequence[Any]]]:
        self.about(str(parsed_args.directory))
        disks = self.finish(
            lambda reached: submit_restore(
                parsed_args.directory,
                parsed_args.target,
                number=parsed_args.number,
                image_format=ImageFormat(parsed_args.image_format),
                timeout=parsed_args.timeout,
                on_progress=reached,
            )
        )
        rows = [(disk.ref, disk.format.value, disk.size_bytes, disk.virtual_size_bytes) for disk in disks]
        return ("file", "format", "size_bytes", "virtual_size_bytes"), rows


def add_directory(parser: argparse.ArgumentParser, text: str) -> None:
    """The argument that names a directory of backups."""
    parser.add_argument("directory", metavar="DIRECTORY", type=Path, help=text)

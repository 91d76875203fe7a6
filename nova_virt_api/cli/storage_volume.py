"""``nova-virt volume create``, ``show``, ``upload``, ``download``, ``resize`` and ``delete``: volumes of pools."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from nova_virt_api.cli.command import Command, add_timeout
from nova_virt_api.cli.create import add_image
from nova_virt_api.cli.exit_codes import ExitCode, exit_code
from nova_virt_api.cli.given_image import given_image
from nova_virt_api.cli.guests import as_uuid
from nova_virt_api.cli.output import ShowOne
from nova_virt_api.errors import Ambiguous, Cancelled, InvalidSpec, VirtError, VolumeNotFound
from nova_virt_api.model.image import ImageFormat, LocalTarget
from nova_virt_api.model.instance import Scope
from nova_virt_api.model.stored_volume import StoredVolume, StoredVolumeSpec
from nova_virt_api.model.volume_connection import FILE_FORMATS
from nova_virt_api.specfile.size import parse_size

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from nova_virt_api.compute.compute import Compute

COLUMNS: Final = ("id", "name", "pool", "owner", "size_bytes", "allocation_bytes", "format", "guests")


class VolumeCreate(ShowOne):
    """Make an empty volume in a pool; guests get it with 'volume attach GUEST stored:NAME'."""

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        add_new_volume(parser)
        parser.add_argument("size", metavar="SIZE", help="How large it is to be, e.g. 20G.")
        add_timeout(parser)

    def take_action(self, parsed_args: argparse.Namespace) -> tuple[Sequence[str], Sequence[Any]]:
        spec, submit = spec_of(parsed_args), self.compute.submit
        made = self.finish(lambda reached: submit.create_volume(spec, timeout=parsed_args.timeout, on_progress=reached))
        return COLUMNS, values_of(made)


class VolumeUpload(ShowOne):
    """Make a volume with an image's content in a pool; nothing that is there is ever written over."""

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        add_new_volume(parser)
        add_image(parser, "What it is to hold.")
        parser.add_argument("--size", metavar="SIZE", help="How large it is to be, if not as large as the image.")
        add_timeout(parser)

    def take_action(self, parsed_args: argparse.Namespace) -> tuple[Sequence[str], Sequence[Any]]:
        spec, source, submit = spec_of(parsed_args), given_image(parsed_args), self.compute.submit
        if source is None:
            raise InvalidSpec("--image", "nothing", "an image, e.g. debian-13.qcow2")
        made = self.finish(
            lambda reached: submit.upload_volume(spec, source, timeout=parsed_args.timeout, on_progress=reached)
        )
        return COLUMNS, values_of(made)


class VolumeShow(ShowOne):
    """Show a volume of a pool, with the guests that use it."""

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        add_stored(parser)

    def take_action(self, parsed_args: argparse.Namespace) -> tuple[Sequence[str], Sequence[Any]]:
        found = find_stored(self.compute, parsed_args.volume, scope=Scope.ALL)
        return COLUMNS, values_of(self.compute.stored_volume(found))


class VolumeResize(ShowOne):
    """Make a volume of a pool larger; one that a running guest uses grows with 'volume extend'."""

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        add_stored(parser)
        parser.add_argument("size", metavar="SIZE", help="How large it is to be, e.g. 40G.")
        add_timeout(parser)

    def take_action(self, parsed_args: argparse.Namespace) -> tuple[Sequence[str], Sequence[Any]]:
        volume, submit = find_stored(self.compute, parsed_args.volume), self.compute.submit
        size = parse_size("SIZE", parsed_args.size)
        grown = self.finish(
            lambda reached: submit.resize_volume(volume, size, timeout=parsed_args.timeout, on_progress=reached)
        )
        return COLUMNS, values_of(grown)


class VolumeDownload(ShowOne):
    """Write what a volume of a pool holds to a new file, in the format that it is kept in."""

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        add_stored(parser)
        parser.add_argument("file", metavar="FILE", help="The file, which must not be there.")
        add_timeout(parser)

    def take_action(self, parsed_args: argparse.Namespace) -> tuple[Sequence[str], Sequence[Any]]:
        volume, submit = find_stored(self.compute, parsed_args.volume), self.compute.submit
        target = LocalTarget(parsed_args.file, volume.format or ImageFormat.RAW)
        image = self.finish(
            lambda reached: submit.download_volume(volume, target, timeout=parsed_args.timeout, on_progress=reached)
        )
        fields = {
            "ref": image.ref,
            "format": image.format.value,
            "size_bytes": image.size_bytes,
            "virtual_size_bytes": image.virtual_size_bytes,
        }
        return self.dict2columns(fields)


class VolumeDelete(Command):
    """Remove volumes of pools that no guest uses, with all that they hold. Asks nothing."""

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("volumes", metavar="VOLUME", nargs="+", help="Name or id of a volume.")
        parser.add_argument("--missing-ok", action="store_true", help="A volume that is not there is not an error.")
        add_timeout(parser, "Give up after so many seconds for each volume.")

    def take_action(self, parsed_args: argparse.Namespace) -> int:
        code = ExitCode.OK
        for name in dict.fromkeys(parsed_args.volumes):
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
        submit = self.compute.submit
        target = self._target(name, missing_ok=parsed_args.missing_ok)
        removed = target is not None and self.finish(
            lambda reached: submit.delete_volume(target, timeout=parsed_args.timeout, on_progress=reached)
        )
        if not removed and not parsed_args.missing_ok:
            raise VolumeNotFound(f"there is neither a volume {name} nor anything left of one")
        self.say(f"{name} is deleted" if removed else f"{name} was not there")

    def _target(self, name: str, *, missing_ok: bool) -> StoredVolume | UUID | None:
        """The volume; or the bare id of one that is not there, of which something may be left; or nothing."""
        try:
            return find_stored(self.compute, name)
        except VolumeNotFound:
            identity = as_uuid(name)
            if identity is None and not missing_ok:
                raise
            return identity


def add_stored(parser: argparse.ArgumentParser) -> None:
    """The argument that names a volume of a pool."""
    parser.add_argument("volume", metavar="VOLUME", help="Its name or id; 'volume list' shows them.")


def add_new_volume(parser: argparse.ArgumentParser) -> None:
    """What says which volume is to be made."""
    parser.add_argument("name", metavar="NAME", help="Its name; asking twice for a name makes one volume.")
    parser.add_argument("--pool", metavar="NAME", help="The pool; may be left out where there is one.")
    parser.add_argument(
        "--volume-format",
        choices=tuple(each.value for each in FILE_FORMATS),
        default=ImageFormat.QCOW2.value,
        help="How it is kept.",
    )
    parser.add_argument(
        "--id", metavar="UUID", help="What it is known by; follows from owner, pool and name if not given."
    )


def spec_of(arguments: argparse.Namespace) -> StoredVolumeSpec:
    """The volume that the arguments ask for.

    Raises:
        InvalidSpec: one of them is wrong.
    """
    identity = None if arguments.id is None else as_uuid(arguments.id)
    if arguments.id is not None and identity is None:
        raise InvalidSpec("--id", arguments.id, "a uuid")
    return StoredVolumeSpec(
        name=arguments.name,
        size_bytes=None if arguments.size is None else parse_size("SIZE", arguments.size),
        pool=arguments.pool,
        format=ImageFormat(arguments.volume_format),
        id=identity,
    )


def find_stored(compute: Compute, name: str, *, scope: Scope = Scope.OWNED) -> StoredVolume:
    """The volume of this name or id.

    Raises:
        VolumeNotFound: there is none.
        Ambiguous: there are several.
    """
    there = compute.stored_volumes(scope=scope)
    found = [volume for volume in there if volume.id == as_uuid(name)]
    found = found or [volume for volume in there if volume.name == name]
    if not found:
        raise VolumeNotFound(f"there is no volume {name}", hint="'nova-virt volume list' shows the volumes there are")
    if len(found) > 1:
        candidates = [f"{volume.id} in pool {volume.pool}" for volume in found]
        raise Ambiguous(f"several volumes are called {name}", candidates, hint="name it by its id")
    return found[0]


def values_of(volume: StoredVolume) -> tuple[Any, ...]:
    """A volume in plain values, in the order of the columns."""
    sizes = (volume.size_bytes, volume.allocation_bytes)
    shape = None if volume.format is None else volume.format.value
    guests = None if volume.guests is None else [str(guest) for guest in volume.guests]
    return (str(volume.id), volume.name, volume.pool, volume.owner, *sizes, shape, guests)

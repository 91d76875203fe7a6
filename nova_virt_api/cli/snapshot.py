"""``nova-virt snapshot``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nova_virt_api.cli.as_options import as_options
from nova_virt_api.cli.command import add_guest, add_timeout
from nova_virt_api.cli.output import ShowOne
from nova_virt_api.model.image import ImageFormat, LocalTarget, NativeTarget
from nova_virt_api.model.quiesce import Quiesce

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

NATIVE = "native:"


class Snapshot(ShowOne):
    """Write a guest's boot disk to an image."""

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        add_guest(parser)
        parser.add_argument(
            "target",
            metavar="TARGET",
            help="A file to write; or native:NAME for an image that stays in one of the backend's pools.",
        )
        parser.add_argument(
            "--image-format", choices=("qcow2", "raw"), default="qcow2", help="What the file is to hold."
        )
        parser.add_argument("--pool", metavar="NAME", help="The pool of a native image.")
        parser.add_argument(
            "--quiesce",
            choices=tuple(each.value for each in Quiesce),
            default=Quiesce.IF_POSSIBLE.value,
            help="Whether a running guest's agent brings its file systems to rest for the moment of the copy.",
        )
        add_timeout(parser)

    def take_action(self, parsed_args: argparse.Namespace) -> tuple[Sequence[str], Sequence[Any]]:
        with as_options({"target.path": "TARGET", "target.name": "TARGET", "target.pool": "--pool"}):
            return self.dict2columns(self._written(parsed_args))

    def _written(self, parsed_args: argparse.Namespace) -> dict[str, Any]:
        guest = self.guest(parsed_args.guest)
        target: LocalTarget | NativeTarget
        if parsed_args.target.startswith(NATIVE):
            target = NativeTarget(parsed_args.target.removeprefix(NATIVE), parsed_args.pool)
        else:
            target = LocalTarget(parsed_args.target, ImageFormat(parsed_args.image_format))
        submit, quiesce = self.compute.submit, Quiesce(parsed_args.quiesce)
        image = self.finish(
            lambda reached: submit.snapshot(
                guest, target, quiesce=quiesce, timeout=parsed_args.timeout, on_progress=reached
            )
        )
        return {
            "ref": image.ref,
            "format": image.format.value,
            "size_bytes": image.size_bytes,
            "virtual_size_bytes": image.virtual_size_bytes,
        }

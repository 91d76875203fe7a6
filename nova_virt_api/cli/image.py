"""``nova-virt image list``, ``prefetch`` and ``prune``: copies of images that the endpoint keeps."""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING, Any, Final

from nova_virt_api.cli.command import add_timeout
from nova_virt_api.cli.create import add_image
from nova_virt_api.cli.given_image import given_image
from nova_virt_api.cli.output import Lister, ShowOne
from nova_virt_api.errors import InvalidSpec

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable, Sequence

    from nova_virt_api.model.image_copy import ImageCopy

COLUMNS: Final = ("id", "pool", "format", "size_bytes", "made_at", "used")
SECONDS_A_DAY: Final = 86400.0


class ImageList(Lister):
    """List the copies of images that guests are made from, in all pools."""

    expendable = ("made_at", "format")

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """It takes none."""

    def take_action(self, parsed_args: argparse.Namespace) -> tuple[Sequence[str], Iterable[Sequence[Any]]]:
        return COLUMNS, [values_of(copy) for copy in self.compute.cached_images()]


class ImagePrefetch(ShowOne):
    """Bring an image into a pool, so that the first guest from it need not wait for that."""

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        add_image(parser, "The image.")
        parser.add_argument("--pool", metavar="NAME", help="The pool; may be left out where there is one.")
        add_timeout(parser)

    def take_action(self, parsed_args: argparse.Namespace) -> tuple[Sequence[str], Sequence[Any]]:
        source, submit = given_image(parsed_args), self.compute.submit
        if source is None:
            raise InvalidSpec("--image", "nothing", "an image, e.g. debian-13.qcow2")
        copy = self.finish(
            lambda reached: submit.prefetch_image(
                source, pool=parsed_args.pool, timeout=parsed_args.timeout, on_progress=reached
            )
        )
        return COLUMNS, values_of(copy)


class ImagePrune(Lister):
    """Remove the copies of images that no disk is based on, and list what was removed."""

    expendable = ("made_at", "format")

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument(
            "--days", type=float, default=0.0, metavar="N", help="Copies that were made within so many days stay."
        )
        add_timeout(parser)

    def take_action(self, parsed_args: argparse.Namespace) -> tuple[Sequence[str], Iterable[Sequence[Any]]]:
        submit, age = self.compute.submit, parsed_args.days * SECONDS_A_DAY
        removed = self.finish(
            lambda reached: submit.prune_images(
                older_than_seconds=age, timeout=parsed_args.timeout, on_progress=reached
            )
        )
        return COLUMNS, [values_of(copy) for copy in removed]


def values_of(copy: ImageCopy) -> tuple[Any, ...]:
    """A copy's columns; its time as in ISO 8601."""
    made_at = datetime.datetime.fromtimestamp(copy.made_at, datetime.UTC).isoformat(timespec="seconds")
    return copy.id, copy.pool, copy.format.value, copy.size_bytes, made_at, copy.used

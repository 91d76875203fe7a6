"""The command: builds the tiny guest image once and tells where it is."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from nova_virt_conformance.guest_image.cache import ensure_image, export
from nova_virt_conformance.guest_image.command import BuildError


def main(arguments: Sequence[str] | None = None) -> int:
    """Build what is missing, print the image's path, and return the exit code."""
    parser = argparse.ArgumentParser(
        prog="python3 -m nova_virt_conformance.guest_image",
        description="Build the tiny bootable guest image, or find the one built before.",
    )
    parser.add_argument("--output", type=Path, metavar="PATH", help="also copy the image there")
    parser.add_argument("--print-path", action="store_true", help="print nothing but the image's path")
    chosen = parser.parse_args(arguments)

    def progress(message: str) -> None:
        if not chosen.print_path:
            print(message, file=sys.stderr)

    try:
        image = ensure_image(progress)
        if chosen.output is not None:
            image = export(image, chosen.output)
    except (BuildError, OSError) as error:
        print(f"guest image: {error}", file=sys.stderr)
        return 1
    print(image)
    return 0


if __name__ == "__main__":
    sys.exit(main())

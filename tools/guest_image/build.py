#!/usr/bin/env python3
"""Builds the tiny guest image once and tells where it is.

Usage: python3 tools/guest_image/build.py [--output PATH] [--print-path]
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from imagebuilder.cache import ensure_image, export
from imagebuilder.command import BuildError


def main(arguments: Sequence[str] | None = None) -> int:
    """Build what is missing, print the image's path, and return the exit code."""
    parser = argparse.ArgumentParser(description="Build the tiny bootable guest image, or find the one built before.")
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

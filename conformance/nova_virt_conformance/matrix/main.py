"""The command nova-virt-matrix: reports in, a page out."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from nova_virt_conformance.matrix.html import render
from nova_virt_conformance.report.file import UnreadableReport, read, write_whole


def main(arguments: list[str] | None = None) -> int:
    """Make the support matrix of some reports.

    Returns:
        0, or 2 when a report cannot be read or the page cannot be written.
    """
    parser = argparse.ArgumentParser(
        prog="nova-virt-matrix", description="Make one HTML page of the reports that nova-virt-conformance wrote."
    )
    parser.add_argument("reports", nargs="+", type=Path, metavar="REPORT", help="a report, as JSON; one column each")
    parser.add_argument("--html", required=True, type=Path, metavar="FILE", help="the page; replaced if it is there")
    given = parser.parse_args(arguments)
    try:
        page = render([read(path) for path in given.reports])
        write_whole(page.encode(), given.html)
    except (OSError, UnreadableReport) as error:
        sys.stderr.write(f"{parser.prog}: {error}\n")
        return 2
    return 0

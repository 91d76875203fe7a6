"""The files that a run is written to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nova_virt_api.errors import ConfigError
from nova_virt_conformance.report.file import write, write_whole

if TYPE_CHECKING:
    import argparse

    from nova_virt_conformance.report.model import Report


def check_outputs(given: argparse.Namespace) -> None:
    """See that the files can be written, before anything takes time.

    Raises:
        ConfigError: one of them is in a folder that is not there, or is a folder.
    """
    for name in ("report", "html", "junit"):
        path = getattr(given, name)
        if path is not None and not path.absolute().parent.is_dir():
            raise ConfigError(f"--{name}", f"there is no folder {path.parent}", hint="make it first")
        if path is not None and path.is_dir():
            raise ConfigError(f"--{name}", f"{path} is a folder", hint="name a file in it")


def write_outputs(given: argparse.Namespace, report: Report) -> None:
    """Write the report in the forms that were asked for; pytest has written the JUnit file itself.

    Raises:
        OSError: a file cannot be written.
    """
    if given.report is not None:
        write(report, given.report)
    if given.html is not None:
        from nova_virt_conformance.matrix.html import render

        write_whole(render([report]).encode(), given.html)

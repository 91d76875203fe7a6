"""The support matrix as one HTML file that needs nothing else: no server, no network."""

from __future__ import annotations

import base64
import hashlib
from importlib.resources import files
from typing import TYPE_CHECKING, Final

import jinja2
import msgspec
from markupsafe import Markup

from nova_virt_conformance.matrix.cell import State
from nova_virt_conformance.matrix.column import Column
from nova_virt_conformance.matrix.rows import ROWS, groups

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nova_virt_conformance.report.model import Report

ENVIRONMENT: Final = jinja2.Environment(
    loader=jinja2.PackageLoader("nova_virt_conformance.matrix"),
    autoescape=True,
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def render(reports: Sequence[Report], *, tests_page: str = "") -> str:
    """The page for one report or several, in the order given.

    Args:
        reports: at least one.
        tests_page: address of the page that lists the kit's tests, if there is one.

    Raises:
        ValueError: there is no report.
    """
    if not reports:
        raise ValueError("a matrix needs at least one report")
    columns = [Column(report) for report in reports]
    script = resource("matrix.js")
    return ENVIRONMENT.get_template("matrix.html").render(
        title=f"Conformance of {reports[0].driver}" if len(reports) == 1 else "Support matrix",
        columns=columns,
        groups=groups(),
        rows=ROWS,
        states=[state for state in State if any(state in dict(column.tally) for column in columns)],
        reports=[msgspec.to_builtins(report) for report in reports],
        tests_page=tests_page,
        style=Markup(resource("matrix.css")),  # noqa: S704  # our own files
        script=Markup(script),  # noqa: S704
        script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
    )


def resource(name: str) -> str:
    """One of the files beside the templates."""
    return files("nova_virt_conformance.matrix").joinpath("templates", name).read_text(encoding="utf-8")

"""A Sphinx extension: pages of the documentation that are filled from reports while they are built.

In a page, a line with nothing but one of :data:`MARKERS` is replaced. Where there are reports, the interactive page is
written beside them, as ``drivers.html``.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from nova_virt_conformance.matrix.html import render
from nova_virt_conformance.matrix.kit_tests import kit_tests
from nova_virt_conformance.matrix.page import matrix_page, profiles_page, tests_page
from nova_virt_conformance.report.file import read, write_whole
from nova_virt_conformance.version import __version__

if TYPE_CHECKING:
    from sphinx.application import Sphinx

    from nova_virt_conformance.report.model import Report

MARKERS: Final = ("<!-- matrix -->", "<!-- profiles -->", "<!-- kit tests -->")
"""What to put where the matrix, the profiles, and the kit's tests by row are wanted."""


def setup(app: Sphinx) -> dict[str, Any]:
    """Tell Sphinx. ``matrix_reports`` is the directory of the reports, below the sources."""
    app.add_config_value("matrix_reports", "matrix/reports", "env", str)
    app.connect("source-read", fill_in)
    app.connect("build-finished", write_interactive)
    return {"version": __version__, "parallel_read_safe": True, "parallel_write_safe": True}


def directory(app: Sphinx) -> Path:
    """Where the reports are."""
    return Path(app.srcdir) / str(app.config.matrix_reports)


def reports(app: Sphinx) -> list[Report]:
    """All reports, in the order of their files' names."""
    return [read(path) for path in sorted(directory(app).glob("*.json"))]


def fill_in(app: Sphinx, _docname: str, source: list[str]) -> None:
    """Replace the markers in one page, and let it be read anew when a report comes, goes or changes."""
    if not any(marker in source[0] for marker in MARKERS):
        return
    for path in (directory(app), *directory(app).glob("*.json")):
        app.env.note_dependency(str(path))
    contents = (matrix_page(reports(app)), profiles_page(), tests_page(kit_tests()))
    for marker, content in zip(MARKERS, contents, strict=True):
        source[0] = source[0].replace(marker, content)


def write_interactive(app: Sphinx, error: Exception | None) -> None:
    """Write the interactive page beside the directory of the reports."""
    found = reports(app)
    if error is None and app.builder.format == "html" and found:
        page = Path(app.outdir) / Path(app.config.matrix_reports).parent / "drivers.html"
        page.parent.mkdir(parents=True, exist_ok=True)
        write_whole(render(found, tests_page="tests.html").encode(), page)

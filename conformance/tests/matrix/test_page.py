"""The pages of the documentation, as Sphinx makes them."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import lxml.html
import pytest

from nova_virt_conformance.matrix.kit_tests import behind, kit_tests
from nova_virt_conformance.matrix.page import matrix_page, plain
from nova_virt_conformance.matrix.rows import ROWS
from nova_virt_conformance.report.file import write
from nova_virt_conformance.suite import gathered

if TYPE_CHECKING:
    from pathlib import Path

    from nova_virt_conformance.report.model import Report

INDEX = """# Matrix
<!-- matrix -->
## Profiles
<!-- profiles -->
```{toctree}
tests
```
"""


class Documentation:
    """A small documentation with a matrix."""

    def __init__(self, root: Path) -> None:
        self.source, self.out = root / "doc", root / "out"
        self.reports = self.source / "reports"
        self.reports.mkdir(parents=True)
        (self.source / "conf.py").write_text(
            'extensions = ["myst_parser", "nova_virt_conformance.matrix.sphinx_extension"]\n'
            'matrix_reports = "reports"\nhtml_theme = "basic"\nsmartquotes = False\n'
        )
        (self.source / "index.md").write_text(INDEX)
        (self.source / "tests.md").write_text("# Tests\n<!-- kit tests -->\n")

    def build(self) -> None:
        command = [sys.executable, "-m", "sphinx", "--fail-on-warning", "--quiet", str(self.source), str(self.out)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
        assert (done.returncode, done.stderr) == (0, "")

    def page(self, name: str) -> Any:
        return lxml.html.fromstring((self.out / f"{name}.html").read_text())


@pytest.fixture
def documentation(tmp_path: Path) -> Documentation:
    return Documentation(tmp_path)


def test_the_matrix_is_filled_from_the_reports(
    documentation: Documentation, reports: tuple[Report, ...], hostile: str
) -> None:
    for report in reports:
        write(report, documentation.reports / f"{report.driver}.json")
    documentation.build()
    page = documentation.page("index")
    (pause,) = page.xpath("//tr[td/p/strong='Pause' or td/strong='Pause']")
    cells = [cell.text_content().strip() for cell in pause.xpath("./td")[1:]]
    assert cells[:2] == ["◌ shown, simulated", "● shown"]
    assert cells[2] == f"– not available: {hostile}"  # noqa: RUF001
    assert not page.xpath("//img | //script[contains(., 'broken out')]")
    assert "tests.html#row-pause" in pause.xpath(".//a/@href")
    assert "not verified: the rig has no hang()" in page.text_content()
    assert documentation.page("drivers").xpath("//tr[@data-row='pause']")


def test_every_link_to_a_row_has_its_target(documentation: Documentation, reports: tuple[Report, ...]) -> None:
    write(reports[0], documentation.reports / "fake.json")
    documentation.build()
    linked = {link for link in documentation.page("index").xpath("//td//a/@href") if "#" in link}
    there = {f"tests.html#{name}" for name in documentation.page("tests").xpath("//@id")}
    assert len(linked) == len(ROWS)
    assert linked <= there


def test_a_new_report_is_seen_by_the_next_build(documentation: Documentation, reports: tuple[Report, ...]) -> None:
    documentation.build()
    assert "There is no report yet." in documentation.page("index").text_content()
    assert not (documentation.out / "drivers.html").exists()
    write(reports[1], documentation.reports / "libvirt.json")
    later = documentation.reports.stat().st_mtime + 5
    os.utime(documentation.reports, (later, later))
    documentation.build()
    assert "QEMU 7.2.22" in documentation.page("index").text_content()


def test_every_test_of_the_kit_is_listed_with_its_sentence() -> None:
    listed = kit_tests()
    assert [test.name for test in listed] == sorted(gathered())
    under_rows = {test.name for row in ROWS for test in behind(row, listed)}
    assert under_rows == {test.name for test in listed if test.coverage.subjects}
    assert all(test.sentence and test.sentence != test.name for test in listed)


def test_text_shows_as_itself() -> None:
    assert plain("a|b\n*c* <d>") == r"a\|b \*c\* \<d\>"


def test_without_a_report_the_page_says_so() -> None:
    assert matrix_page([]).strip() == "There is no report yet."

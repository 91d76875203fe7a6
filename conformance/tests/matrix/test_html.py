"""The page in one file, without looking at it: what is in it, and that nothing gets out of its place."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import lxml.html
import pytest

from nova_virt_conformance.matrix.html import render
from nova_virt_conformance.matrix.main import main
from nova_virt_conformance.matrix.rows import ROWS
from nova_virt_conformance.report.file import encode, write

if TYPE_CHECKING:
    from pathlib import Path

    from nova_virt_conformance.report.model import Report


def embedded_in(page: str) -> Any:
    (data,) = lxml.html.fromstring(page).xpath("//script[@id='reports']/text()")
    return json.loads(data)


def test_every_row_has_a_cell_for_every_report(reports: tuple[Report, ...]) -> None:
    page = lxml.html.fromstring(render(reports))
    rows = page.xpath("//tr[@data-row]")
    assert [row.get("data-row") for row in rows] == [row.key for row in ROWS]
    assert {len(row.xpath("./td")) for row in rows} == {len(reports)}
    assert all(cell.text_content().strip() for row in rows for cell in row.xpath("./td"))


def test_no_reason_gets_out_of_its_place(reports: tuple[Report, ...], hostile: str) -> None:
    page = lxml.html.fromstring(render(reports))
    assert len(page.xpath("//script")) == 2
    assert not page.xpath("//img")
    note = page.xpath("//tr[@data-row='pause']/td[3]//*[@class='note']")[0]
    assert note.text_content() == hostile
    embedded = embedded_in(render(reports))
    assert embedded[2]["note"] == hostile


def test_what_is_embedded_is_the_reports(reports: tuple[Report, ...]) -> None:
    embedded = embedded_in(render(reports))
    for found, report in zip(embedded, reports, strict=True):
        written: dict[str, Any] = json.loads(encode(report))
        assert {key: found[key] for key in written if key not in ("tests", "declared")} == {
            key: written[key] for key in written if key not in ("tests", "declared")
        }
        assert len(found["tests"]) == len(written["tests"])


def test_nothing_is_loaded_from_elsewhere(reports: tuple[Report, ...]) -> None:
    page = lxml.html.fromstring(render(reports))
    assert not page.xpath("//@src")
    assert page.xpath("//link/@href") == ["data:,"]
    assert all(address.startswith("#") for address in page.xpath("//*[local-name()='use']/@href"))
    assert "default-src 'none'" in page.xpath("//meta[@http-equiv='Content-Security-Policy']/@content")[0]


def test_the_page_is_the_same_for_the_same_reports(reports: tuple[Report, ...]) -> None:
    assert render(reports) == render(reports)


def test_a_page_of_no_report_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one report"):
        render([])


def test_the_command_makes_a_page(reports: tuple[Report, ...], tmp_path: Path) -> None:
    paths = [tmp_path / f"{report.driver}.json" for report in reports]
    for path, report in zip(paths, reports, strict=True):
        write(report, path)
    page = tmp_path / "matrix.html"
    assert main([*map(str, paths), "--html", str(page)]) == 0
    assert page.read_text().startswith("<!doctype html>")


@pytest.mark.parametrize("content", [None, "{}", '{"version": "9.0"}'], ids=["missing", "empty", "newer"])
def test_the_command_names_a_report_that_it_cannot_read(
    content: str | None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, page = tmp_path / "example.json", tmp_path / "matrix.html"
    if content is not None:
        path.write_text(content)
    assert main([str(path), "--html", str(page)]) == 2
    assert str(path) in capsys.readouterr().err
    assert not page.exists()

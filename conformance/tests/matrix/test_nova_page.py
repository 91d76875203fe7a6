"""The page that goes through Nova's matrix tells no more than the libvirt report and the tests there are."""

import re
from dataclasses import dataclass
from pathlib import Path

import pytest

from nova_virt_conformance.matrix.cell import State, cell_of
from nova_virt_conformance.matrix.rows import ROWS
from nova_virt_conformance.report.file import read

ROOT = Path(__file__).parents[3]
PAGE = ROOT / "doc/matrix/nova.md"
REPORT = read(ROOT / "doc/matrix/reports/libvirt.json")
KEYS = {row.key: row for row in ROWS}
COMPLETE = 52
"""So many rows Nova calls complete for libvirt on KVM."""


@dataclass(frozen=True)
class Line:
    """One row of Nova's.

    Args:
        key: Nova's name of it.
        shown_by: rows of our matrix, and tests.
        lacking: what it would take to verify it.
    """

    key: str
    shown_by: tuple[str, ...]
    lacking: str


def lines() -> list[Line]:
    """The page's table."""
    cells = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in PAGE.read_text().splitlines()
        if line.startswith("| `")
    ]
    return [Line(key.strip("`"), tuple(re.findall(r"`([^`]+)`", shown)), lacking) for key, _, shown, lacking in cells]


def test_every_row_is_there_once() -> None:
    assert len({line.key for line in lines()}) == len(lines()) == COMPLETE


@pytest.mark.parametrize("line", lines(), ids=lambda line: line.key)
def test_what_shows_a_row_is_there(line: Line) -> None:
    assert line.shown_by
    for name in line.shown_by:
        if "/" in name:
            assert (ROOT / name).exists()
        else:
            state = cell_of(KEYS[name], REPORT).state
            assert state in (State.SHOWN, State.PARTLY) or line.lacking, f"{name}: {state.value}"

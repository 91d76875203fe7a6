"""A column of the support matrix: one report, with a cell for every row."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Final

from nova_virt_conformance.matrix.cell import Cell, State, cell_of
from nova_virt_conformance.matrix.rows import ROWS
from nova_virt_conformance.outcome import Evidence

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nova_virt_conformance.report.model import ProfileVerdict, Report

EVIDENCE_KEYS: Final = {
    Evidence.REAL_BACKEND: "real",
    Evidence.THIRD_PARTY_SIMULATOR: "simulator",
    Evidence.OWN_SIMULATION: "own",
}
"""Names for style sheets."""


@dataclass(frozen=True)
class Column:
    """One report.

    Args:
        report: it.
    """

    report: Report

    @cached_property
    def cells(self) -> Mapping[str, Cell]:
        """The cells by the keys of their rows."""
        return {row.key: cell_of(row, self.report) for row in ROWS}

    @property
    def title(self) -> str:
        """The driver."""
        return self.report.driver

    @property
    def backend(self) -> str:
        """What is behind it, with its version."""
        return f"{self.report.backend} {self.report.backend_version}".strip()

    @property
    def evidence_key(self) -> str:
        """The kind of evidence, for style sheets."""
        return EVIDENCE_KEYS[self.report.evidence]

    @property
    def date(self) -> str:
        """The day of the run."""
        return self.report.started[:10]

    @cached_property
    def tally(self) -> tuple[tuple[State, int], ...]:
        """How many cells say what, best first, without those that none says."""
        counts = Counter(cell.state for cell in self.cells.values())
        return tuple((state, counts[state]) for state in State if counts[state])

    @property
    def profiles(self) -> tuple[ProfileVerdict, ...]:
        """The verdicts on all profiles that the kit of the run had."""
        return self.report.profiles

    @property
    def missed(self) -> ProfileVerdict | None:
        """The first of them that was not reached."""
        return next((verdict for verdict in self.profiles if not verdict.reached), None)

"""The support matrix as pages of the documentation, in Markdown for MyST."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

import jinja2

from nova_virt_conformance.matrix.cell import State
from nova_virt_conformance.matrix.column import Column
from nova_virt_conformance.matrix.kit_tests import behind
from nova_virt_conformance.matrix.rows import groups
from nova_virt_conformance.profile import PROFILES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nova_virt_conformance.matrix.kit_tests import KitTest
    from nova_virt_conformance.matrix.row import Row
    from nova_virt_conformance.report.model import Report

PUNCTUATION: Final = re.compile(r"([!-/:-@\[-`{-~])")

SYMBOLS: Final = {
    State.SHOWN: "●",
    State.SIMULATED: "◌",
    State.PARTLY: "◐",
    State.CLAIMED: "?",
    State.KNOWN_FAILURE: "!",
    State.FAILS: "✗",
    State.UNAVAILABLE: "–",  # noqa: RUF001  # meant as a dash
    State.UNANSWERED: "…",
}
"""One sign for each state; the word always stands beside it."""


def plain(text: object) -> str:
    """Text that shows as itself, on one line, wherever Markdown stands."""
    return PUNCTUATION.sub(r"\\\1", " ".join(str(text).split()))


def anchor(row: Row) -> str:
    """The name by which pages link to a row of the page of tests."""
    return f"row-{row.key.replace('_', '-')}"


ENVIRONMENT: Final = jinja2.Environment(
    loader=jinja2.PackageLoader("nova_virt_conformance.matrix"),
    autoescape=False,  # noqa: S701  # this makes Markdown, and the filter escapes for that
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
ENVIRONMENT.filters |= {"plain": plain, "anchor": anchor}


def matrix_page(reports: Sequence[Report]) -> str:
    """The matrix: what the columns are, then a table for each group of rows.

    Each cell links to the tests behind its row on the page that :func:`tests_page` makes.
    """
    return ENVIRONMENT.get_template("matrix.md").render(
        columns=[Column(report) for report in reports], groups=groups(), symbols=SYMBOLS
    )


def tests_page(tests: tuple[KitTest, ...]) -> str:
    """Every row with the kit's tests behind it."""
    return ENVIRONMENT.get_template("tests.md").render(
        groups=[(group, [(row, behind(row, tests)) for row in rows]) for group, rows in groups()]
    )


def profiles_page() -> str:
    """What each profile asks for."""
    return ENVIRONMENT.get_template("profiles.md").render(profiles=PROFILES, groups=groups())

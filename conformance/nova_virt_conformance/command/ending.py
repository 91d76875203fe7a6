"""The end of a run: what is said last, what is written, and what the process ends with."""

from __future__ import annotations

import traceback
from typing import TYPE_CHECKING

import pytest

from nova_virt_api.errors import VirtError
from nova_virt_conformance.command.arguments import PROGRAM
from nova_virt_conformance.command.exit_codes import ExitCode
from nova_virt_conformance.command.outputs import write_outputs
from nova_virt_conformance.outcome import Outcome
from nova_virt_conformance.summary import lines

if TYPE_CHECKING:
    import argparse

    from nova_virt_conformance.command.screen import Screen
    from nova_virt_conformance.command.teller import Teller
    from nova_virt_conformance.report.model import Report


def ended(given: argparse.Namespace, code: int, teller: Teller, shown: Screen) -> int:
    """Say how a run ended.

    Args:
        given: the command's arguments.
        code: pytest's exit code.
        teller: what was seen of the run.
        shown: where to say it.

    Returns:
        The command's exit code.
    """
    if teller.unread:
        return ExitCode.BROKEN_PIPE
    if teller.problem is not None:
        return not_opened(teller.problem, shown, verbose=given.verbose)
    if teller.bug:
        shown.note(f"{PROGRAM}: internal error, please report it:")
        shown.result(teller.bug)
        return ExitCode.FAILED
    if code == pytest.ExitCode.INTERRUPTED:
        shown.note(
            f"{PROGRAM}: stopped after {teller.done} of {teller.total} tests; what the kit made is removed, "
            "and no report is written"
        )
        return ExitCode.INTERRUPTED
    if code == pytest.ExitCode.NO_TESTS_COLLECTED:
        shown.note(f"{PROGRAM}: no test of the kit matches -k {given.keyword!r}; --list lists them")
        return ExitCode.USAGE
    if code == pytest.ExitCode.USAGE_ERROR or teller.report is None:  # pytest has said why
        return ExitCode.USAGE
    return finished(given, teller.report, shown)


def not_opened(problem: BaseException, shown: Screen, *, verbose: bool) -> int:
    """Say why nothing was run."""
    kind = "" if isinstance(problem, VirtError) else f"{type(problem).__name__}: "
    more = "" if verbose or isinstance(problem, VirtError) else "; --verbose shows where"
    shown.note(f"{PROGRAM}: the endpoint was not opened: {kind}{problem}{more}")
    if verbose:
        shown.result("".join(traceback.format_exception(problem)))
    return ExitCode.NOT_OPENED


def finished(given: argparse.Namespace, report: Report, shown: Screen) -> int:
    """Say what was found, and write it."""
    failed = [test for test in report.tests if test.outcome is Outcome.FAILED and not test.provisional]
    missed = given.profile is not None and not any(
        profile.reached for profile in report.profiles if profile.name == given.profile.name
    )
    for line in lines(report, given.profile.name if given.profile else ""):
        shown.result(line)
    try:
        write_outputs(given, report)
    except OSError as error:
        shown.note(f"{PROGRAM}: the report cannot be written: {error.filename}: {error.strerror}")
        return ExitCode.USAGE
    return ExitCode.FAILED if failed or missed else ExitCode.OK

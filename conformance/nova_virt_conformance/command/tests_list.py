"""The kit's tests for ``--list``: names and sentences, by what they are about."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

from nova_virt_conformance.command.exit_codes import ExitCode
from nova_virt_conformance.command.session import find
from nova_virt_conformance.summary import counted

if TYPE_CHECKING:
    import argparse

    import pytest

    from nova_virt_conformance.command.screen import Screen


def tell_tests(given: argparse.Namespace, shown: Screen) -> int:
    """List the tests that the arguments select; nothing is connected to."""
    tests = find(given)
    for module, of_module in groupby(sorted(tests, key=module_of), module_of):
        shown.result(module)
        for name, cases in groupby(of_module, lambda test: test.originalname):
            listed = list(cases)
            several = f" ({len(listed)} cases)" if len(listed) > 1 else ""
            shown.result(f"  {name}{several}: {(listed[0].function.__doc__ or '').partition(chr(10))[0]}")
    shown.note(counted(len(tests)) if tests else f"no test of the kit matches -k {given.keyword!r}")
    return ExitCode.OK if tests else ExitCode.USAGE


def module_of(test: pytest.Function) -> str:
    """What a test is about: the last part of its module's name."""
    return str(test.function.__module__.rpartition(".")[2])

"""A kit that catches nothing is worth nothing: each broken driver is caught by the test named for it."""

from collections.abc import Callable

import pytest

from nova_virt_api.fake.driver import FakeDriver
from nova_virt_conformance.conformance import TESTS


@pytest.mark.timeout(1800)
def test_mutant_is_caught(mutant: type[FakeDriver], catchers: Callable[[type[FakeDriver]], set[str]]) -> None:
    named: str = vars(mutant)["caught_by"]
    assert mutant.__doc__, "a mutant says what is wrong with it"
    assert named in TESTS, f"the kit has no test called {named}"
    assert named in catchers(mutant), f"{mutant.__name__} ({mutant.__doc__}) got past {named}"


def test_mutants_break_promises_of_every_kind(every_mutant: list[type[FakeDriver]]) -> None:
    assert len(every_mutant) >= 25
    named = {vars(mutant)["caught_by"] for mutant in every_mutant}
    modules = {TESTS[name].__module__.rpartition(".")[2] for name in named}
    assert {"spawn", "destroy", "ownership", "events", "listing", "errors", "secrets", "operations"} <= modules

"""Runs the kit on one mutant until it is caught, in a process of its own: ``run_on_mutant.py MODULE:CLASS REPORTS``."""

import sys
from importlib import import_module
from pathlib import Path
from typing import Final

import pytest

from nova_virt_api.fake import driver as fake
from nova_virt_api.fake.driver import FakeDriver

TESTS: Final = Path(__file__).parents[1] / "drivers" / "test_fake.py"
ENOUGH: Final = 1
"""The first failure ends the run; the test named for the mutant comes first, so only one that escapes takes long."""


class NamedFirst:
    """Runs the test that is named for a mutant before all others."""

    def __init__(self, named: str) -> None:
        self._named = named

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Function]) -> None:
        items.sort(key=lambda item: item.originalname != self._named)


def main(mutant: str, reports: str) -> None:
    module, _, name = mutant.partition(":")
    kind: type[FakeDriver] = getattr(import_module(module), name)
    vars(fake)["FakeDriver"] = kind  # where the entry point finds it
    pytest.main(
        [
            str(TESTS),
            f"--conformance-reports={reports}",
            f"--maxfail={ENOUGH}",
            "--import-mode=importlib",
            "--timeout=10",
            "--assert=plain",  # nobody reads how it failed, and to rewrite the kit takes longer than to run it
            "-pno:cacheprovider",
            "-pno:hypothesispytest",
            "-pno:logging",
            "-q",
            "--tb=short",
        ],
        plugins=[NamedFirst(vars(kind)["caught_by"])],
    )


if __name__ == "__main__":
    main(*sys.argv[1:])

"""Runs the whole kit on one mutant, in a process of its own: ``run_on_mutant.py MODULE:CLASS REPORTS``."""

import sys
from importlib import import_module
from pathlib import Path

import pytest

from nova_virt_api.fake import driver as fake

FAKE = Path(__file__).parents[1] / "drivers" / "test_fake.py"


def main(mutant: str, reports: str) -> None:
    module, _, name = mutant.partition(":")
    vars(fake)["FakeDriver"] = getattr(import_module(module), name)  # where the entry point finds it
    pytest.main(
        [
            str(FAKE),
            f"--conformance-reports={reports}",
            "--import-mode=importlib",
            "--timeout=20",
            "-pno:cacheprovider",
            "-pno:logging",
            "-q",
            "--tb=short",
        ]
    )


if __name__ == "__main__":
    main(*sys.argv[1:])

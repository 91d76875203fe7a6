"""The reference driver passes the whole kit although it sees nothing but decoded copies: it could live elsewhere."""

import subprocess
import sys
from pathlib import Path

from nova_virt_conformance.outcome import Outcome
from nova_virt_conformance.report.file import read

FAKE = Path(__file__).parents[1] / "drivers" / "test_fake.py"


def test_the_fake_driver_passes_through_loopback(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "pytest", str(FAKE), "--import-mode=importlib", "--conformance-loopback"]
    command += [f"--conformance-reports={tmp_path}", "-pno:cacheprovider", "--quiet"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=240)
    assert done.returncode == 0, done.stdout[-5000:]
    report = read(tmp_path / "fake.json")
    assert report.loopback
    assert sum(test.outcome is Outcome.PASSED for test in report.tests) > 300

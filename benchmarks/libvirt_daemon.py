"""A libvirtd of a benchmark's own, the one that the driver's tests use, too; takes root."""

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

DAEMON = Path(__file__).parents[1] / "drivers" / "libvirt" / "tests" / "private_libvirtd.py"


@contextmanager
def private_libvirtd() -> Iterator[str]:
    """The URI of a libvirtd that nobody else uses; its guests end with it."""
    with tempfile.TemporaryDirectory(prefix="nova-virt-", ignore_cleanup_errors=True) as directory:
        command = [sys.executable, str(DAEMON), directory]
        daemon = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert daemon.stdin is not None
        assert daemon.stdout is not None
        try:
            yield json.loads(daemon.stdout.readline())["uri"]
        finally:
            daemon.stdin.close()
            daemon.wait(60)

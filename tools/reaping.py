#!/usr/bin/env python3
"""Start a daemon in the background and collect its descendants when they end, where no proper init does so at once.

libvirtd lets go of each QEMU that it starts; until somebody has collected one that ended, libvirt waits for its end.

    tools/reaping.py libvirtd
"""

import ctypes
import os
import subprocess
import sys
from contextlib import suppress

PR_SET_CHILD_SUBREAPER = 36  # prctl(2): orphaned descendants become children of this process


def main() -> int:
    """Detach, start the command, and stay until the last descendant has ended."""
    if os.fork():
        return 0
    os.setsid()
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1)
    nowhere = subprocess.DEVNULL
    subprocess.Popen(sys.argv[1:], cwd="/", stdin=nowhere, stdout=nowhere, stderr=nowhere)
    for stream in (sys.stdin, sys.stdout, sys.stderr):
        stream.close()
    with suppress(ChildProcessError):
        while True:
            os.wait()
    return 0


if __name__ == "__main__":
    sys.exit(main())

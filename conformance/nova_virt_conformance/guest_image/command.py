"""Runs the build's external programs, and says how to get one that is missing."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Final

# Which Debian and Ubuntu package brings each program the builder calls.
PACKAGE_OF: Final = {
    "apt-cache": "apt",
    "apt-get": "apt",
    "depmod": "kmod",
    "dpkg-deb": "dpkg",
    "mcopy": "mtools",
    "mformat": "mtools",
    "mmd": "mtools",
    "qemu-img": "qemu-utils",
    "zstd": "zstd",
}


class BuildError(Exception):
    """The image cannot be built; the message is one line and names the fix."""


class CommandError(BuildError):
    """An external program ran and failed."""


def find(program: str) -> str:
    """Return the program's path; administrators' folders count, since `depmod` lives there."""
    path = os.pathsep.join((os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"))
    found = shutil.which(program, path=path)
    if found is None:
        raise BuildError(f"{program} is not installed: run 'apt-get install {PACKAGE_OF.get(program, program)}'")
    return found


def run(*command: str, cwd: Path | None = None) -> str:
    """Run a command to its end and return what it printed.

    Raises:
        BuildError: the program is missing.
        CommandError: it failed; its last line of complaint is in the message.
    """
    arguments: Sequence[str] = [find(command[0]), *command[1:]]
    environment = {**os.environ, "LC_ALL": "C", "MTOOLS_SKIP_CHECK": "1"}
    done = subprocess.run(arguments, cwd=cwd, env=environment, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        complaint = (done.stderr.strip() or done.stdout.strip() or "no message").splitlines()[-1]
        raise CommandError(f"{' '.join(command[:3])} failed with exit code {done.returncode}: {complaint}")
    return done.stdout

"""Which commit a driver was tested at."""

from __future__ import annotations

import inspect
import subprocess
from pathlib import Path


def commit_of(kind: type) -> str:
    """The commit of the checkout that a class was loaded from, ``+`` behind it if there are changes; empty if unknown.

    An installed copy has none, even where the environment that it is in lies inside a checkout.
    """
    file = Path(inspect.getfile(kind))
    try:
        git(file, "ls-files", "--error-unmatch", file.name)
        changed = git(file, "status", "--porcelain", "--untracked-files=no", ".")
        return git(file, "rev-parse", "HEAD") + ("+" if changed else "")
    except (OSError, subprocess.SubprocessError):
        return ""


def git(file: Path, *arguments: str) -> str:
    """What git says in a file's folder."""
    command = ["git", "-C", str(file.parent), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=10).stdout.strip()

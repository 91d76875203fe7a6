"""Compares the kit's reports of this run with those that the support matrix is made of: CHECKED_IN NEW."""

import sys
from pathlib import Path

from nova_virt_conformance.report.difference import differences
from nova_virt_conformance.report.file import read


def main(checked_in: Path, new: Path) -> int:
    """Say what differs; 0 when nothing does."""
    found = []
    known = sorted(checked_in.glob("*.json"))
    if not known:
        print(f"there is no report in {checked_in}: make reports, and commit them")
        return 1
    for path in known:
        ran = new / path.name
        told = differences(read(path), read(ran)) if ran.exists() else ["the kit was not run on it"]
        found += [f"{path.stem}: {line}" for line in told]
    for line in found:
        print(line)
    if found:
        print("the support matrix does not say what the tests do; if it is meant: make reports, and commit them")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(*map(Path, sys.argv[1:])))

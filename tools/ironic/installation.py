"""The venv into which `make ironic` installs Ironic, apart from the one in which tests run."""

from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
BUILD: Final = ROOT / "build" / "ironic"
BIN: Final = BUILD / "venv" / "bin"


class NotInstalledError(RuntimeError):
    """Something that the test backend needs is not on this machine; the text says how to get it."""


def program(name: str) -> Path:
    """Give the path of one of the venv's programs.

    Raises:
        NotInstalledError: the venv is not there.
    """
    path = BIN / name
    if not path.exists():
        raise NotInstalledError(f"{path} is missing: run `make ironic`")
    return path


def version(distribution: str) -> str:
    """Give the version of one of the venv's distributions, by which things made from it are kept."""
    program("python")
    found = next(BIN.parent.glob(f"lib/python*/site-packages/{distribution}-[0-9]*.dist-info"), None)
    if found is None:
        raise NotInstalledError(f"{distribution} is not in {BIN.parent}: run `make ironic`")
    return found.name.removeprefix(f"{distribution}-").removesuffix(".dist-info")

"""Where `make vcsim` puts the simulator."""

from pathlib import Path
from typing import Final

PROGRAM: Final = Path(__file__).parents[2] / "build" / "vcsim" / "vcsim"


class NotInstalledError(RuntimeError):
    """The simulator is not on this machine; the text says how to get it."""


def program() -> Path:
    """Give the path of the simulator.

    Raises:
        NotInstalledError: it is not there.
    """
    if not PROGRAM.exists():
        raise NotInstalledError(f"{PROGRAM} is missing: run `make vcsim`")
    return PROGRAM

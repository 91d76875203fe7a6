"""How Nova finds a driver: a class for each name, and the place of ``nova.virt.ext``."""

from __future__ import annotations

import functools
import importlib
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from nova_virt_bridge.driver import BridgeDriver

DIRECTORY: Final = Path(__file__).parents[1] / "nova" / "virt"
"""Where this distribution was installed, the shim among it."""


@functools.cache
def driver_class(name: str) -> type[BridgeDriver]:
    """Nova's driver over the installed driver of this name.

    Raises:
        AttributeError: no installed distribution offers it; Nova logs this and does not start.
    """
    if name.startswith("_"):
        raise AttributeError(name)
    from nova_virt_api.loading import list_drivers

    known = sorted({offer.name for offer in list_drivers()})
    if name not in known:
        raise AttributeError(f"no driver {name!r} is installed, there are: {', '.join(known)}")
    from nova_virt_bridge.driver import BridgeDriver

    return type(f"{name.title()}BridgeDriver", (BridgeDriver,), {"driver_name": name, "__doc__": BridgeDriver.__doc__})


def place() -> None:
    """Make ``nova.virt.ext`` importable where Nova was installed into another directory than this distribution.

    Python looks for a module of a package only where that package is. So this adds our directory, which holds the shim
    and nothing else, to where it looks. Does nothing where Nova has the shim already. Idempotent.
    """
    package = importlib.import_module("nova.virt")
    if not any((Path(directory) / "ext.py").exists() for directory in package.__path__):
        package.__path__.append(str(DIRECTORY))

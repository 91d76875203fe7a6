"""The kit's tests, a module for each thing that they are about."""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable


def gathered() -> dict[str, Callable[..., Any]]:
    """All tests by name.

    Raises:
        ValueError: two have the same name.
    """
    found: dict[str, Callable[..., Any]] = {}
    for info in iter_modules(__path__):
        module = import_module(f"{__name__}.{info.name}")
        own = {name: member for name, member in vars(module).items() if name.startswith("test_")}
        twice = own.keys() & found.keys()
        if twice:
            raise ValueError(f"{module.__name__}: there already is a test called {', '.join(sorted(twice))}")
        found |= own
    return found

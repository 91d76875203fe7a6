"""The types of the contract that cross it, read from the contract itself."""

from __future__ import annotations

import enum
from dataclasses import is_dataclass
from importlib import import_module
from pkgutil import iter_modules
from typing import Final

import nova_virt_api.model
from nova_virt_api import capability, errors, events
from nova_virt_api.driver import health_check, operation
from nova_virt_api.errors import StateAfter, VirtError
from nova_virt_api.model.spec import Extra


def crossing_types() -> dict[str, type]:
    """Every dataclass and enum that a driver is given or gives, by name.

    Raises:
        ValueError: two have the same name.
    """
    names = [info.name for info in iter_modules(nova_virt_api.model.__path__) if info.name != "record"]
    model = [import_module(f"{nova_virt_api.model.__name__}.{name}") for name in names]
    found: dict[str, type] = {}
    for module in (*model, capability, events, health_check, operation):
        for name, member in vars(module).items():
            if not isinstance(member, type) or member.__module__ != module.__name__ or member is Extra:
                continue
            if is_dataclass(member) or issubclass(member, enum.Enum):
                if name in found:
                    raise ValueError(f"{module.__name__}.{name}: there already is a type of this name")
                found[name] = member
    return {**found, StateAfter.__name__: StateAfter}


def error_classes() -> dict[str, type[VirtError]]:
    """Every error of the contract by its code.

    Raises:
        ValueError: two have the same code.
    """
    classes = [member for member in vars(errors).values() if isinstance(member, type) and issubclass(member, VirtError)]
    found = {kind.code: kind for kind in classes}
    if len(found) != len(classes):
        raise ValueError("two classes of errors have the same code")
    return found


CROSSING: Final = crossing_types()
ERRORS: Final = error_classes()

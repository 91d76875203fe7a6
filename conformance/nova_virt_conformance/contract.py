"""What the contract asks for, read from the contract itself: methods, and the errors that each documents."""

from __future__ import annotations

import inspect
import re
from importlib import import_module
from pkgutil import iter_modules
from typing import TYPE_CHECKING, Final

import nova_virt_api.driver
from nova_virt_api import errors
from nova_virt_api.driver.driver import Driver
from nova_virt_api.driver.role import Role

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

RAISES: Final = re.compile(r"^\s*Raises:\n((?:\s+.*\n?)+)", re.MULTILINE)
NAMED: Final = re.compile(r"^\s+(\w+): ", re.MULTILINE)

READS: Final = frozenset(
    {"capabilities", "inventory", "instances", "instance", "leftovers", "nodes", "storage_pools", "networks"}
) | {
    "backup_extents",
    "backup_points",
    "cached_images",
    "checkpoints",
    "console",
    "console_log",
    "interfaces",
    "diagnostics",
    "guest_info",
    "metrics",
    "read_backup",
    "check_adoptable",
    "stored_volume",
    "stored_volumes",
    "volume_connector",
    "volumes",
    "shares",
    "devices",
}
"""Methods that take no operation."""

OF_EVERY_METHOD: Final = frozenset(
    {
        errors.ConnectionLost,
        errors.Unavailable,
        errors.AuthenticationFailed,
        errors.PermissionDenied,
        errors.BackendError,
        errors.NotSupported,
        errors.Ambiguous,
    }
)
"""What every method may raise without saying so; see :class:`nova_virt_api.driver.driver.Driver`."""

OF_EVERY_VERB: Final = frozenset({errors.Cancelled, errors.Timeout, errors.HookFailed})
"""What comes to a verb from its operation."""


def roles() -> tuple[type[Role], ...]:
    """The contract's roles, in the order of their names."""
    for module in iter_modules(nova_virt_api.driver.__path__):
        import_module(f"{nova_virt_api.driver.__name__}.{module.name}")
    found = [role for role in Role.__subclasses__() if role.__module__.startswith(nova_virt_api.driver.__name__)]
    return tuple(sorted(found, key=lambda role: role.__name__))


def methods() -> dict[str, Callable[..., object]]:
    """Every method of the contract by its qualified name, e.g. ``Driver.spawn``."""
    owners: tuple[type, ...] = (Driver, *roles())
    return {f"{owner.__name__}.{name}": getattr(owner, name) for owner in owners for name in names_of(owner)}


def names_of(owner: type) -> Iterator[str]:
    """The public methods that one class of the contract adds."""
    for name, member in vars(owner).items():
        if not name.startswith("_") and inspect.isfunction(inspect.unwrap(getattr(member, "__func__", member))):
            yield name


def documented_errors(method: Callable[..., object]) -> frozenset[type[errors.VirtError]]:
    """The errors in a method's docstring."""
    section = RAISES.search(inspect.getdoc(method) or "")
    named = NAMED.findall(section.group(1)) if section else []
    return frozenset(getattr(errors, name) for name in named)


def allowed_errors(name: str, method: Callable[..., object]) -> tuple[type[errors.VirtError], ...]:
    """All that a method may raise: what it documents, what every method may, and for verbs what comes to them.

    Args:
        name: its name without the class.
        method: the contract's method.
    """
    of_its_kind = frozenset[type[errors.VirtError]]() if name in READS else OF_EVERY_VERB
    return tuple(documented_errors(method) | OF_EVERY_METHOD | of_its_kind)

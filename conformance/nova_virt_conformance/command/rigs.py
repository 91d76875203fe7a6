"""Finding a driver's rig: the entry point of the driver's name in the group of rigs."""

from __future__ import annotations

from importlib.metadata import EntryPoint, entry_points
from typing import Final

from nova_virt_api.errors import ConfigError
from nova_virt_conformance.rig import Rig

GROUP: Final = "nova_virt_conformance.rigs.v1"


def find_rig(driver: str) -> type[Rig] | None:
    """The rig that an installed distribution offers for a driver; None if none does.

    Raises:
        ConfigError: there are two, or it cannot be used.
    """
    found: dict[str, EntryPoint] = {point.value: point for point in entry_points(group=GROUP, name=driver)}
    if len(found) > 1:
        raise ConfigError("rig", f"driver {driver!r} has two: {', '.join(sorted(found))}", hint="uninstall one of them")
    for point in found.values():
        return loaded(point)
    return None


def loaded(point: EntryPoint) -> type[Rig]:
    """The class that an entry point names."""
    of = point.dist.name if point.dist is not None else "its authors"
    try:
        kind = point.load()
    except Exception as error:  # whatever a rig does while it is imported
        raise ConfigError(
            "rig", f"{point.value} cannot be imported: {type(error).__name__}: {error}", hint=f"report it to {of}"
        ) from error
    if not (isinstance(kind, type) and issubclass(kind, Rig)):
        raise ConfigError("rig", f"{point.value} is not a Rig", hint=f"report it to {of}")
    return kind

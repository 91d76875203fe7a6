"""Load one driver by its name; each way in which that fails has its own error."""

from __future__ import annotations

from dataclasses import dataclass

from nova_virt_api.driver.driver import Driver
from nova_virt_api.errors import ConfigError, DriverImportError, DriverLoadError
from nova_virt_api.loading.compatibility import incompatibility
from nova_virt_api.loading.install_hint import install_hint
from nova_virt_api.loading.offer import Offer, offers
from nova_virt_api.loading.selection import select


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedDriver:
    """A driver's class, imported and checked; nothing is connected yet.

    Args:
        name: the name that it was asked for by.
        driver_class: the class.
        distribution: the distribution that it came from.
        version: the distribution's version.
    """

    name: str
    driver_class: type[Driver]
    distribution: str
    version: str


def load_driver(name: str) -> LoadedDriver:
    """Import the driver of that name, and no other one.

    Its distribution's range of versions is checked before its code runs. Broken or unfit drivers of other names do not
    matter.

    Args:
        name: name of the entry point, e.g. ``libvirt``.

    Raises:
        DriverNotFound: no installed distribution offers it.
        DuplicateDriver: more than one does.
        DriverVersionError: it was made for another version of this API.
        DriverImportError: it cannot be imported, or what it names is not a complete driver.
    """
    if not isinstance(name, str):
        raise ConfigError("driver", f"must be a driver's name, got a {type(name).__name__}")
    offer = select(name, offers())
    problem = incompatibility(offer)
    if problem is not None:
        raise problem
    return LoadedDriver(name=name, driver_class=imported(offer), distribution=offer.distribution, version=offer.version)


def imported(offer: Offer) -> type[Driver]:
    """The class that an offer names."""
    try:
        found = offer.entry_point.load()
    except (Exception, SystemExit) as error:  # whatever a driver does while it is imported
        raise import_failed(offer, error) from error
    if not (isinstance(found, type) and issubclass(found, Driver)):
        raise not_a_driver(offer, "does not inherit nova_virt_api.driver.driver.Driver")
    missing = sorted(getattr(found, "__abstractmethods__", ()))
    if missing:
        raise not_a_driver(offer, f"lacks {', '.join(missing)}")
    return found


def import_failed(offer: Offer, error: BaseException) -> DriverLoadError:
    """The error for a driver whose module raises while it is imported."""
    text = " ".join(f"{type(error).__name__}: {error}".split())
    return DriverImportError(
        offer.name,
        f"driver {offer.name!r} of {offer} cannot be imported: {text[:300]}",
        hint=remedy(offer, error),
    )


def remedy(offer: Offer, error: BaseException) -> str:
    """What to do about a failed import."""
    own = offer.entry_point.value.partition(":")[0].partition(".")[0].strip()
    missing = (getattr(error, "name", None) or "").partition(".")[0]
    if isinstance(error, ImportError) and missing != own:
        return install_hint(offer) or f"install what it requires: pip install {offer.distribution}"
    if isinstance(error, ModuleNotFoundError):
        return f"its files are incomplete: pip install --force-reinstall --no-deps {offer.distribution}"
    return f"report it to the authors of {offer.distribution}"


def not_a_driver(offer: Offer, why: str) -> DriverLoadError:
    """The error for an entry point that leads to something else than a driver."""
    return DriverImportError(
        offer.name,
        f"driver {offer.name!r} of {offer} is not one: {offer.entry_point.value} {why}",
        hint=f"report it to the authors of {offer.distribution}",
    )

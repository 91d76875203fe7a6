"""Which drivers are installed, and what is wrong with those that cannot be loaded."""

from dataclasses import dataclass

from nova_virt_api.errors import DriverLoadError
from nova_virt_api.loading.compatibility import incompatibility, required_range
from nova_virt_api.loading.offer import Offer, offers
from nova_virt_api.loading.selection import duplicate


@dataclass(frozen=True, slots=True, kw_only=True)
class InstalledDriver:
    """A driver that an installed distribution offers, as its metadata tells.

    Args:
        name: name to connect with.
        distribution: the distribution that offers it.
        version: the distribution's version.
        target: the class, as ``module:attribute``.
        requires: the distribution's requirement on nova-virt-api; empty for the drivers that are part of it.
        problem: why it would not be loaded, as far as that shows without importing it.
    """

    name: str
    distribution: str
    version: str
    target: str
    requires: str
    problem: DriverLoadError | None = None


def list_drivers() -> tuple[InstalledDriver, ...]:
    """Every installed driver, sorted by name. Imports none of them, so a broken one is listed and disturbs nobody."""
    found = offers()
    drivers = [
        InstalledDriver(
            name=offer.name,
            distribution=offer.distribution,
            version=offer.version,
            target=offer.entry_point.value,
            requires=required_range(offer),
            problem=problem_of(offer, found),
        )
        for offer in found
    ]
    return tuple(sorted(drivers, key=lambda driver: (driver.name, driver.distribution)))


def problem_of(offer: Offer, found: tuple[Offer, ...]) -> DriverLoadError | None:
    """What is wrong with an offer, as far as the metadata of all tell."""
    rivals = [other for other in found if other.name == offer.name and other.for_this_major]
    if offer.for_this_major and len(rivals) > 1:
        return duplicate(offer.name, rivals)
    return incompatibility(offer)

"""Whether a driver supports the API that is running: its range lives once, in its ``Requires-Dist``."""

import re
from typing import TYPE_CHECKING, Final

from nova_virt_api.errors import DriverVersionError
from nova_virt_api.loading.offer import COMMON, Offer, canonical
from nova_virt_api.version import API_VERSION, __version__

if TYPE_CHECKING:
    from packaging.requirements import Requirement
    from packaging.specifiers import Specifier

MAJOR: Final = API_VERSION[0]
REQUIRED_NAME: Final = re.compile(r"\s*([A-Za-z0-9][A-Za-z0-9._-]*)")


def required_range(offer: Offer) -> str:
    """The versions of nova-virt-api that a driver's distribution asks for, as text; empty if it does not say."""
    return ", ".join(common_requirements(offer))


def incompatibility(offer: Offer) -> DriverVersionError | None:
    """Why a driver does not fit the API that is running, or None if it does. Does not import the driver."""
    if not offer.for_this_major:
        return other_major(offer)
    if offer.embedded:
        return None
    lines = common_requirements(offer)
    if not lines:
        return DriverVersionError(
            offer.name,
            f"driver {offer.name!r} of {offer} does not say which versions of {COMMON} it supports",
            hint=f"its authors add {COMMON}>={MAJOR}.{API_VERSION[1]},<{MAJOR + 1} to its requirements",
        )
    return out_of_range(offer, lines)


def common_requirements(offer: Offer) -> list[str]:
    """The lines of a distribution's requirements that are about the common package."""
    lines = offer.source.requires or ()
    return [line for line in lines if (name := REQUIRED_NAME.match(line)) and canonical(name[1]) == COMMON]


def out_of_range(offer: Offer, lines: list[str]) -> DriverVersionError | None:
    """The error for a driver whose requirements exclude the running version, or None."""
    from packaging.requirements import InvalidRequirement, Requirement

    try:
        requirements = [Requirement(line) for line in lines]
    except InvalidRequirement as error:
        return DriverVersionError(
            offer.name,
            f"driver {offer.name!r} of {offer} states its range of {COMMON} in a form that cannot be read: {lines}",
            hint=f"report it to the authors of {offer.distribution} ({str(error).splitlines()[0]})",
        )
    for requirement in filter(applies, requirements):
        if not requirement.specifier.contains(__version__, prereleases=True):
            return mismatch(offer, requirement)
    return None


def applies(requirement: "Requirement") -> bool:
    """Whether a requirement holds here and without extras."""
    return requirement.marker is None or requirement.marker.evaluate({"extra": ""})


def mismatch(offer: Offer, requirement: "Requirement") -> DriverVersionError:
    """The error that names both versions, the end to change and how."""
    wanted = f"{COMMON}{requirement.specifier}"
    if any(asks_for_newer(specifier) for specifier in requirement.specifier):
        hint = f"upgrade {COMMON}: pip install --upgrade '{wanted}'"
    else:
        hint = (
            f"upgrade the driver: pip install --upgrade {offer.distribution}"
            f"; as long as it has no newer release: pip install '{wanted}'"
        )
    return DriverVersionError(
        offer.name,
        f"driver {offer.name!r} of {offer} needs {wanted}, but {COMMON} {__version__} is installed",
        hint=hint,
    )


def asks_for_newer(specifier: "Specifier") -> bool:
    """Whether one violated condition would be met by a newer version of the common package."""
    from packaging.version import InvalidVersion, Version

    if specifier.operator in {"<", "<=", "!="} or specifier.contains(__version__, prereleases=True):
        return False
    try:
        return Version(specifier.version.removesuffix(".*")) >= Version(__version__)
    except InvalidVersion:
        return False


def other_major(offer: Offer) -> DriverVersionError:
    """The error for a driver of another major, which its entry-point group tells."""
    end, line = (COMMON, f"'{COMMON}>={offer.major}'") if offer.major > MAJOR else ("the driver", offer.distribution)
    return DriverVersionError(
        offer.name,
        f"driver {offer.name!r} of {offer} is made for version {offer.major} of the driver API, {COMMON} {__version__}"
        f" has version {MAJOR}",
        hint=f"upgrade {end}: pip install --upgrade {line}",
    )

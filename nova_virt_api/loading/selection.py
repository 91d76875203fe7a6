"""Pick the one offer of a driver's name, or say why there is none or more than one."""

from collections.abc import Iterable, Sequence

from nova_virt_api.errors import DriverLoadError, DriverNotFound, DuplicateDriver, shorten
from nova_virt_api.loading.compatibility import other_major
from nova_virt_api.loading.offer import Offer


def select(name: str, found: Sequence[Offer]) -> Offer:
    """The only offer of that name for this major of the API.

    Raises:
        DriverNotFound: nobody offers it.
        DriverVersionError: it is offered for another major only.
        DuplicateDriver: more than one distribution offers it.
    """
    named = [offer for offer in found if offer.name == name]
    fitting = [offer for offer in named if offer.for_this_major]
    if len(fitting) == 1:
        return fitting[0]
    if fitting:
        raise duplicate(name, fitting)
    raise other_major(named[0]) if named else not_found(name, found)


def duplicate(name: str, rivals: Sequence[Offer]) -> DriverLoadError:
    """The error for a name that is offered more than once."""
    sources = unique(str(offer) for offer in rivals)
    removable = unique(offer.distribution for offer in rivals if not offer.embedded)
    if len(sources) == 1:
        message = f"{sources[0]} offers the driver {name!r} {len(rivals)} times"
        return DuplicateDriver(name, message, hint=f"report it to the authors of {rivals[0].distribution}")
    message = f"driver {name!r} is offered by {' and by '.join(sources)}"
    choice = " or ".join(f"pip uninstall {distribution}" for distribution in removable)
    keep = "keep one of them: " if len(removable) == len(sources) else ""
    return DuplicateDriver(name, message, hint=f"{keep}{choice}")


def not_found(name: str, found: Iterable[Offer]) -> DriverLoadError:
    """The error for a name that nobody offers."""
    from difflib import get_close_matches

    names = sorted({offer.name for offer in found if offer.for_this_major})
    installed = f"installed are: {', '.join(names)}" if names else "none is installed"
    close = get_close_matches(name, names, n=1)
    if close:
        hint = f"did you mean {close[0]!r}?"
    elif name.replace("-", "").replace("_", "").isalnum() and name.isascii() and len(name) <= 40:
        package = f"nova-virt-{name.lower().replace('_', '-')}"
        hint = (
            f"pip install {package}, if there is such a package; what it needs from the system is said at"
            f" https://pypi.org/project/{package}/"
        )
    else:
        hint = "a driver's name is made of letters, digits, - and _"
    return DriverNotFound(name, f"no driver {shorten(name)} is installed ({installed})", hint=hint)


def unique(texts: Iterable[str]) -> list[str]:
    """The texts without repetitions, in order."""
    return list(dict.fromkeys(texts))

"""What the fake driver can do: everything, unless a switch or an option says otherwise."""

from collections.abc import Mapping
from typing import Final

from nova_virt_api.capability import Capability, Feature
from nova_virt_api.driver.role import roles_of
from nova_virt_api.model.capabilities import AVAILABLE, Availability, Capabilities, unavailable
from nova_virt_api.toolkit.poller import SLOWEST
from nova_virt_api.version import __version__

BACKEND: Final = "fake"


def capabilities_of(
    driver_class: type, withdrawn: Mapping[Capability | Feature, str], *, persisted: bool
) -> Capabilities:
    """An answer for every role of the driver's class and every feature.

    Args:
        driver_class: the driver's class.
        withdrawn: what was switched off, with the reason.
        persisted: whether the world is kept in a file.
    """
    answers: dict[Capability | Feature, Availability] = {
        role.capability: AVAILABLE for role in roles_of(driver_class) if role.capability is not None
    }
    answers |= dict.fromkeys(Feature, AVAILABLE)
    answers[Feature.EXTRAS] = unavailable("the fake hypervisor has nothing that only it has")
    if persisted:
        answers[Feature.EVERY_TRANSITION] = unavailable("other processes change the world, which is then compared")
    answers |= {what: unavailable(reason) for what, reason in withdrawn.items()}
    return Capabilities(
        driver="fake",
        driver_version=__version__,
        backend=BACKEND,
        backend_version=__version__,
        answers=answers,
        event_latency_seconds=SLOWEST if persisted else 0.0,
    )

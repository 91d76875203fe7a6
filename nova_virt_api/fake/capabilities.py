"""What the fake driver can do: everything, unless a switch or an option says otherwise."""

from collections.abc import Mapping
from typing import Final

from nova_virt_api.capability import Capability, Feature
from nova_virt_api.driver.endpoint import Endpoint, Manage
from nova_virt_api.driver.role import roles_of
from nova_virt_api.fake.shape import Shape
from nova_virt_api.model.capabilities import AVAILABLE, Availability, Capabilities, unavailable
from nova_virt_api.toolkit.poller import SLOWEST
from nova_virt_api.version import __version__

BACKEND: Final = "fake"

LIVE: Final = (
    Feature.LIVE_VCPUS,
    Feature.LIVE_VCPUS_REMOVAL,
    Feature.LIVE_MEMORY,
    Feature.LIVE_MEMORY_REMOVAL,
)
SHARING: Final = (Capability.SHARES, Feature.ATTACH_SHARES, Feature.SHARE_READ_ONLY)


def capabilities_of(
    driver_class: type, withdrawn: Mapping[Capability | Feature, str], missing: Mapping[Capability | Feature, str]
) -> Capabilities:
    """An answer for every role of the driver's class and every feature.

    Args:
        driver_class: the driver's class.
        withdrawn: what was switched off, with the reason.
        missing: what this endpoint does not have as it was connected, with the reason.
    """
    answers: dict[Capability | Feature, Availability] = {
        role.capability: AVAILABLE for role in roles_of(driver_class) if role.capability is not None
    }
    answers |= dict.fromkeys(Feature, AVAILABLE)
    answers[Feature.EXTRAS] = unavailable("the fake hypervisor has nothing that only it has")
    answers |= {what: unavailable(reason) for what, reason in {**missing, **withdrawn}.items()}
    return Capabilities(
        driver="fake",
        driver_version=__version__,
        backend=BACKEND,
        backend_version=__version__,
        answers=answers,
        event_latency_seconds=SLOWEST if Feature.EVERY_TRANSITION in missing else 0.0,
    )


def missing_at(endpoint: Endpoint, shape: Shape, *, persisted: bool) -> dict[Capability | Feature, str]:
    """What an endpoint does not have as it was connected, with the reason.

    Args:
        endpoint: the endpoint as configured.
        shape: of its world.
        persisted: whether the world is kept in a file.
    """
    missing: dict[Capability | Feature, str] = {}
    if not shape.whole_nodes:
        missing[Feature.WHOLE_NODES] = "guests are virtual; the option 'whole_nodes' changes that"
    if not shape.dedicated_cpus:
        missing[Feature.DEDICATED_CPUS] = "no processors are set aside; the option 'dedicated_cpus' changes that"
    if len(shape.nodes) < 2:
        missing[Feature.MIGRATE_WITHIN] = "there is one host; the option 'nodes' changes that"
    if shape.whole_nodes:
        missing[Capability.CLONE] = "a machine cannot be copied"
        missing[Capability.LIVE_MIGRATION] = "what runs on a machine stays on it"
        missing |= dict.fromkeys(LIVE, "a machine has what it has")
        missing |= dict.fromkeys(SHARING, "a machine has no host whose directories it could use")
    if endpoint.manage is Manage.ALL:
        missing[Capability.LIVE_MIGRATION] = 'a connection with manage="all" writes no marks'
        missing[Capability.ADOPT] = 'a connection with manage="all" writes no marks'
        missing[Capability.STORAGE_VOLUMES] = 'a connection with manage="all" writes no marks'
    if persisted:
        missing[Feature.EVERY_TRANSITION] = "other processes change the world, which is then compared"
    return missing

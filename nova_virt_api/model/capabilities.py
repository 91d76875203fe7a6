"""An endpoint's answer to what it can do."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from nova_virt_api.capability import Capability, Feature
from nova_virt_api.errors import NotSupported


@dataclass(frozen=True, slots=True)
class Availability:
    """Whether something is there and, if not, why.

    Args:
        available: whether it is there.
        reason: in a few words why it is not; empty when it is.
    """

    available: bool
    reason: str = ""


AVAILABLE = Availability(True)


def unavailable(reason: str) -> Availability:
    """Not there, for this reason."""
    return Availability(False, reason)


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """What an endpoint, or one of its nodes, can do.

    Args:
        driver: name of the driver.
        driver_version: version of its distribution.
        backend: what is behind it, e.g. ``QEMU``.
        backend_version: its version.
        answers: one answer for every role of the driver's class and every feature it knows of.
        staleness_seconds: how old a read may be that was not asked to be fresh; 0 means always current.
        event_latency_seconds: within what time a change reaches a watcher, usually.
    """

    driver: str
    driver_version: str
    backend: str
    backend_version: str
    answers: Mapping[Capability | Feature, Availability] = field(default_factory=dict)
    staleness_seconds: float = 0.0
    event_latency_seconds: float

    def __post_init__(self) -> None:
        object.__setattr__(self, "answers", MappingProxyType(dict(self.answers)))

    def answer(self, what: Capability | Feature) -> Availability:
        """The answer for one role or feature; what was never heard of is not available."""
        return self.answers.get(what, Availability(False, "the driver does not know it"))

    def has(self, what: Capability | Feature) -> bool:
        """Whether a role or feature is there."""
        return self.answer(what).available

    def require(self, what: Capability | Feature, field: str = "") -> None:
        """Raise :class:`NotSupported` with the endpoint's reason unless the role or feature is there."""
        answer = self.answer(what)
        if not answer.available:
            raise NotSupported(what, field, answer.reason)

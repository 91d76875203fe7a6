"""How the errors of copying guests are brought about."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from nova_virt_api.capability import Capability, Feature
from nova_virt_api.errors import GuestAgentUnavailable, InstanceExists, InvalidSpec, VirtError
from nova_virt_api.model.instance import PowerState
from nova_virt_api.model.nic import Nic
from nova_virt_api.model.quiesce import Quiesce
from nova_virt_conformance.calls import copy_of
from nova_virt_conformance.scene import NOWHERE, Recipe, Scene

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nova_virt_conformance.lab import Lab


@contextmanager
def unknown_network(lab: Lab, _: str, __: type[VirtError]) -> Iterator[Scene]:
    """A copy on a network that is not there."""
    lab.require(Capability.CLONE, Feature.CLONE_NICS)
    guest = lab.guest(PowerState.SHUTDOWN)
    spec = copy_of(guest, nics=(Nic(network=NOWHERE),))
    yield Scene(lambda: lab.compute.clone(guest, spec, timeout=lab.patience), guest)


@contextmanager
def uuid_of_another(lab: Lab, _: str, __: type[VirtError]) -> Iterator[Scene]:
    """A copy with the uuid of a guest that is there."""
    lab.require(Capability.CLONE)
    guest, other = lab.guest(PowerState.SHUTDOWN), lab.guest(PowerState.SHUTDOWN)
    spec = copy_of(guest, uuid=other.uuid)
    yield Scene(lambda: lab.compute.clone(guest, spec, timeout=lab.patience), guest)


@contextmanager
def no_rest_for_a_clone(lab: Lab, _: str, __: type[VirtError]) -> Iterator[Scene]:
    """A copy for which a guest without an agent must come to rest."""
    lab.require(Capability.CLONE, Feature.CLONE_LIVE, Feature.CLONE_QUIESCE)
    guest = lab.guest(PowerState.RUNNING)
    with lab.rig.without_agent(guest):
        yield Scene(
            lambda: lab.compute.clone(guest, copy_of(guest), quiesce=Quiesce.REQUIRED, timeout=lab.patience), guest
        )


OF_CLONES: Final[dict[tuple[str, type[VirtError]], Recipe]] = {
    ("Clone.clone", GuestAgentUnavailable): no_rest_for_a_clone,
    ("Clone.clone", InstanceExists): uuid_of_another,
    ("Clone.clone", InvalidSpec): unknown_network,
}
"""Ways that serve one method."""

"""How errors of the role ``Guest`` are brought about, and how its methods are called in the simplest way."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Final

from nova_virt_api.capability import Feature
from nova_virt_api.errors import (
    Busy,
    GuestAgentUnavailable,
    InstanceNotFound,
    InvalidState,
    PermissionDenied,
    VirtError,
)
from nova_virt_api.model.image import LocalTarget
from nova_virt_api.model.instance import PowerState
from nova_virt_api.model.quiesce import Quiesce
from nova_virt_api.model.secret import Secret
from nova_virt_conformance.scene import Recipe, Scene, provoked

if TYPE_CHECKING:
    from nova_virt_api.compute.compute import Compute
    from nova_virt_api.compute.face import GuestLike
    from nova_virt_conformance.lab import Lab

USER: Final = "root"
PASSWORD: Final = "conformance-inside-4711"  # noqa: S105 - it opens nothing


def ask(compute: Compute, guest: GuestLike, lab: Lab) -> None:
    """Ask what it tells of itself."""
    compute.guest_info(guest)


def set_password(compute: Compute, guest: GuestLike, lab: Lab) -> None:
    """Set the password of a user who is named, so that nothing has to be asked before."""
    lab.require(Feature.GUEST_PASSWORD)
    lab.secrets.add([PASSWORD])
    compute.set_password(guest, Secret(PASSWORD), user=USER, timeout=lab.patience)


def quiesce(compute: Compute, guest: GuestLike, lab: Lab) -> None:
    """Bring it to rest."""
    lab.require(Feature.GUEST_QUIESCE)
    compute.quiesce(guest, timeout=lab.patience)


def unquiesce(compute: Compute, guest: GuestLike, lab: Lab) -> None:
    """Let it write again."""
    lab.require(Feature.GUEST_QUIESCE)
    compute.unquiesce(guest, timeout=lab.patience)


CALLS: Final[dict[str, Callable[[Compute, GuestLike, Lab], None]]] = {
    "Guest.guest_info": ask,
    "Guest.set_password": set_password,
    "Guest.quiesce": quiesce,
    "Guest.unquiesce": unquiesce,
}
"""The methods of the role by name. None is among the kit's verbs, since blank guests have no agent."""

ACTING: Final = tuple(name for name in CALLS if name != "Guest.guest_info")


@contextmanager
def no_such_guest(lab: Lab, method: str, _: type[VirtError]) -> Iterator[Scene]:
    """A guest that is not there."""
    yield Scene(lambda: CALLS[method](lab.compute, uuid.uuid4(), lab))


@contextmanager
def somebody_elses(lab: Lab, method: str, _: type[VirtError]) -> Iterator[Scene]:
    """Somebody else's guest."""
    guest = lab.other.spawn(lab.spec(), timeout=lab.patience)
    yield Scene(lambda: CALLS[method](lab.compute, guest, lab), guest)


@contextmanager
def stopped_guest(lab: Lab, method: str, _: type[VirtError]) -> Iterator[Scene]:
    """A guest that does not run."""
    guest = lab.guest(PowerState.SHUTDOWN)
    yield Scene(lambda: CALLS[method](lab.compute, guest, lab), guest)


@contextmanager
def silent_agent(lab: Lab, method: str, _: type[VirtError]) -> Iterator[Scene]:
    """A guest without an agent that answers."""
    guest = lab.guest(PowerState.RUNNING)
    with lab.rig.without_agent(guest):
        yield Scene(lambda: CALLS[method](lab.compute, guest, lab), guest)


@contextmanager
def agent_at_fault(lab: Lab, method: str, error: type[VirtError]) -> Iterator[Scene]:
    """A guest of which the backend does not pass on to its agent what it is told."""
    guest = lab.guest(PowerState.RUNNING)
    with provoked(lab, method, error, guest):
        yield Scene(partial(CALLS[method], lab.compute, guest, lab), guest)


@contextmanager
def no_rest_for_a_snapshot(lab: Lab, _: str, __: type[VirtError]) -> Iterator[Scene]:
    """A snapshot for which a guest without an agent must come to rest."""
    lab.require(Feature.SNAPSHOT_LIVE, Feature.SNAPSHOT_QUIESCE)
    guest = lab.guest(PowerState.RUNNING)
    target = LocalTarget(lab.directory / "never.qcow2")
    with lab.rig.without_agent(guest):
        yield Scene(lambda: lab.compute.snapshot(guest, target, quiesce=Quiesce.REQUIRED, timeout=lab.patience), guest)


WAYS: Final[dict[type[VirtError], Recipe]] = {
    InstanceNotFound: no_such_guest,
    InvalidState: stopped_guest,
    GuestAgentUnavailable: silent_agent,
}

OF_AGENTS: Final[dict[tuple[str, type[VirtError]], Recipe]] = {
    **{(method, error): way for method in CALLS for error, way in WAYS.items()},
    **{(method, PermissionDenied): somebody_elses for method in ACTING},
    **{(method, Busy): agent_at_fault for method in ACTING},
    ("Snapshot.snapshot", GuestAgentUnavailable): no_rest_for_a_snapshot,
}
"""Ways that serve one method."""

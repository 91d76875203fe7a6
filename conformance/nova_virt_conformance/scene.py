"""A call that has to fail: how it is set up, and how a method of the contract is called in the simplest way."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeAlias

from nova_virt_api.compute.guard import guarded
from nova_virt_api.driver.adopt import Adopt
from nova_virt_api.errors import Busy, VirtError
from nova_virt_api.model.disk import Disk
from nova_virt_api.model.image import ImageSource
from nova_virt_api.model.instance import Instance, PowerState
from nova_virt_api.model.spec import InstanceSpec
from nova_virt_conformance.outcome import NotApplicable
from nova_virt_conformance.verb import Verb
from nova_virt_conformance.verbs import VERBS

if TYPE_CHECKING:
    from nova_virt_conformance.lab import Lab

NOWHERE: Final = "conformance-not-there"

BRIEF: Final = 5.0
"""Seconds; as long as its deadline allows, a driver may wait for who works on a guest, and some backends wait too."""


@dataclass(frozen=True, slots=True)
class Scene:
    """All is set so that a call has to fail.

    Args:
        call: makes the call.
        guest: the guest that it is about, if there is one.
        unless: why the call may succeed all the same; empty if it may not.
    """

    call: Callable[[], object]
    guest: Instance | None = None
    unless: str = ""


Recipe: TypeAlias = Callable[["Lab", str, type[VirtError]], AbstractContextManager[Scene]]
"""Sets the scene for a method, by its qualified name, and an error."""


@contextmanager
def refused_by_the_backend(lab: Lab, method: str, error: type[VirtError]) -> Iterator[Scene]:
    """A request in order, which the backend refuses as the rig lets it."""
    if method == "Driver.spawn":
        spec = lab.spec()
        scene = Scene(lambda: lab.compute.spawn(spec, timeout=lab.patience))
    else:
        guest = guest_for(lab, method)
        scene = Scene(lambda: act(lab, method, guest), guest)
    with provoked(lab, method, error, scene.guest):
        yield scene


@contextmanager
def provoked(lab: Lab, method: str, error: type[VirtError], guest: Instance | None) -> Iterator[None]:
    """The backend refuses what a method asks of it; to wait for whoever works on a guest there is little time."""
    with lab.rig.provoke(lab.compute, method, error, guest), lab.hurried(BRIEF if error is Busy else lab.patience):
        yield


def act(lab: Lab, method: str, guest: Instance) -> object:
    """Call a method for a guest in the simplest way."""
    match method:
        case "Driver.instance":
            return lab.compute.instance(guest, fresh=True)
        case "Driver.destroy":
            return lab.compute.destroy(guest, timeout=lab.patience)
        case "Adopt.adopt":
            return lab.compute.adopt(guest, timeout=lab.patience)
        case "Adopt.release":
            return lab.compute.submit.release(guest, timeout=lab.patience).result()
        case "Adopt.check_adoptable":
            role = lab.compute.role(Adopt)
            return guarded("adopt", guest.ref, lambda: role.check_adoptable(guest.ref))
    return verb_of(lab, method).call(lab.compute, guest, lab)


def verb_of(lab: Lab, method: str) -> Verb:
    """What is known of a verb, of the first way to call it that the endpoint has.

    Raises:
        NotApplicable: it has none.
    """
    ways = [verb for verb in VERBS if verb.method.__qualname__ == method]
    answers = lab.compute.capabilities()
    for verb in ways:
        if all(answers.has(what) for what in verb.required):
            return verb
    raise NotApplicable(f"{method}: {answers.answer(ways[0].required[0]).reason}")


def guest_for(lab: Lab, method: str) -> Instance:
    """A new guest for which a method has something to do."""
    state = workable_state(lab, method)
    found = any(verb.method.__qualname__ == method for verb in VERBS)
    return verb_of(lab, method).guest(lab, state) if found else lab.guest(state)


def workable_state(lab: Lab, method: str) -> PowerState:
    """A state in which a method has something to do."""
    if method == "Driver.destroy":
        return PowerState.RUNNING
    if method.startswith("Adopt."):
        return PowerState.SHUTDOWN
    becomes = verb_of(lab, method).becomes
    changing = (state for state, after in becomes.items() if after is not state)
    return next(changing, PowerState.SHUTDOWN if PowerState.SHUTDOWN in becomes else next(iter(becomes)))


def from_image(lab: Lab, source: ImageSource) -> InstanceSpec:
    """A guest whose disk comes from an image."""
    return lab.spec(disks=(Disk(source=source),))

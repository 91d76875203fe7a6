"""How each documented error of the contract is brought about: by asking for what cannot be, else by the rig."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from nova_virt_api.capability import Feature
from nova_virt_api.driver.operation import Stage
from nova_virt_api.errors import (
    Ambiguous,
    AuthenticationFailed,
    Busy,
    ImageNotFound,
    ImageRejected,
    InstanceExists,
    InstanceNotFound,
    InvalidSpec,
    InvalidState,
    NotSupported,
    PermissionDenied,
    Unavailable,
    VirtError,
)
from nova_virt_api.model.console import ConsoleKind
from nova_virt_api.model.disk import Disk
from nova_virt_api.model.image import ImageFormat, ImageSource, LocalFile, LocalTarget
from nova_virt_api.model.instance import Instance, PowerState
from nova_virt_api.model.placement import Placement
from nova_virt_api.model.spec import InstanceSpec, InstanceUpdate
from nova_virt_api.model.units import MiB
from nova_virt_conformance.outcome import NotApplicable, NotVerified
from nova_virt_conformance.verbs import STATES, VERBS, Verb

if TYPE_CHECKING:
    from nova_virt_conformance.lab import Lab

PATIENCE: Final = 60.0
BRIEF: Final = 3.0
"""Seconds; as long as its deadline allows, a driver may wait for who works on a guest."""

NOWHERE: Final = "conformance-not-there"


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


def scene(lab: Lab, method: str, error: type[VirtError]) -> AbstractContextManager[Scene]:
    """Set everything so that a method has to raise an error."""
    return SPECIAL.get((method, error), GENERAL.get(error, refused_by_the_backend))(lab, method, error)


def callable_methods() -> frozenset[str]:
    """The methods that the kit knows how to call; later versions of the contract may have others."""
    named = {method for method, _ in SPECIAL}
    return frozenset({verb.method.__qualname__ for verb in VERBS} | named)


# --- the general ways -------------------------------------------------------------------------------------------------


@contextmanager
def unknown_guest(lab: Lab, method: str, _: type[VirtError]) -> Iterator[Scene]:
    """A guest that is not there."""
    nobody = Instance(
        uuid=uuid.uuid4(),
        name=NOWHERE,
        power_state=PowerState.SHUTDOWN,
        native_id=NOWHERE,
        vcpus=1,
        memory_bytes=MiB(32),
    )
    yield Scene(lambda: act(lab, method, nobody))


@contextmanager
def guest_of_another_owner(lab: Lab, method: str, _: type[VirtError]) -> Iterator[Scene]:
    """Somebody else's guest."""
    guest = lab.other.spawn(lab.spec(), timeout=PATIENCE)
    yield Scene(lambda: act(lab, method, guest), guest)


@contextmanager
def guest_in_a_wrong_state(lab: Lab, method: str, error: type[VirtError]) -> Iterator[Scene]:
    """A guest in a state that the verb does not allow; where it allows all, the backend has to refuse."""
    verb = verb_of(lab, method)
    live = verb.only_with.items()
    refused = [state for state, feature in live if not lab.compute.capabilities().has(feature)]
    for state in (*refused, *(state for state in STATES if state not in verb.becomes)):
        try:
            guest = lab.guest(state)
        except (NotApplicable, NotVerified):
            continue
        yield Scene(partial(act, lab, method, guest), guest)
        return
    with refused_by_the_backend(lab, method, error) as made:
        yield made


@contextmanager
def refused_by_the_backend(lab: Lab, method: str, error: type[VirtError]) -> Iterator[Scene]:
    """A request in order, which the backend refuses as the rig lets it."""
    if method == "Driver.spawn":
        guest, spec = None, lab.spec()
        call: Callable[[], object] = lambda: lab.compute.spawn(spec, timeout=PATIENCE)  # noqa: E731
    else:
        made = lab.guest(workable_state(lab, method))
        guest, call = made, lambda: act(lab, method, made)
    with lab.rig.provoke(lab.compute, method, error, guest):
        yield Scene(call, guest)


@contextmanager
def two_claim_the_uuid(lab: Lab, method: str, _: type[VirtError]) -> Iterator[Scene]:
    """Two objects that claim one uuid."""
    spec = lab.spec(power_on=False)
    guest = lab.compute.spawn(spec, timeout=PATIENCE)
    calls: dict[str, Callable[[], object]] = {
        "Driver.spawn": lambda: lab.compute.spawn(spec, timeout=PATIENCE),
        "Driver.instance": lambda: lab.compute.instance(guest.uuid, fresh=True),
        "Driver.destroy": lambda: lab.compute.destroy(guest.uuid, timeout=PATIENCE),
    }
    with lab.rig.claim_twice(guest):
        yield Scene(calls[method], guest)


@contextmanager
def made_by_another_process(lab: Lab, method: str, _: type[VirtError]) -> Iterator[Scene]:
    """A guest whose spawn another connection, which plays another process, has not finished."""
    spec, arrived, leave = lab.spec(), threading.Event(), threading.Event()

    def hold(_: object) -> None:
        arrived.set()
        leave.wait(PATIENCE)

    operation = lab.second.submit.spawn(spec, timeout=PATIENCE, hooks={Stage.BEFORE_START: hold})
    try:
        operation.add_done_callback(lambda _: arrived.set())
        arrived.wait(PATIENCE)
        assert not operation.done(), f"the spawn never came to its hook: {operation.error or 'it is done'}"
        calls: dict[str, Callable[[], object]] = {
            "Driver.spawn": lambda: lab.compute.spawn(spec, timeout=BRIEF),
            "Driver.destroy": lambda: lab.compute.destroy(spec.uuid, timeout=BRIEF),
        }
        yield Scene(calls[method])
    finally:
        leave.set()
        operation.wait(PATIENCE)
    assert operation.result().power_state is PowerState.RUNNING, "the other process was disturbed"


# --- ways of single methods -------------------------------------------------------------------------------------------


@contextmanager
def unknown_node(lab: Lab, method: str, _: type[VirtError]) -> Iterator[Scene]:
    """A node that is not there."""
    read: Callable[[str], object] = getattr(lab.compute, method.rpartition(".")[2])
    yield Scene(lambda: read(NOWHERE))


@contextmanager
def closed_door(lab: Lab, _: str, error: type[VirtError]) -> Iterator[Scene]:
    """An endpoint that does not answer, or does not accept the account."""
    options: dict[str, Any] = dict(lab.rig.broken_options(error))
    yield Scene(lambda: lab.connect(**options))


@contextmanager
def unknown_pool(lab: Lab, _: str, __: type[VirtError]) -> Iterator[Scene]:
    """A spec that names a pool that is not there."""
    spec = lab.spec(placement=Placement(pool=NOWHERE))
    yield Scene(lambda: lab.compute.spawn(spec, timeout=PATIENCE))


@contextmanager
def another_spec(lab: Lab, _: str, __: type[VirtError]) -> Iterator[Scene]:
    """A spec that has the uuid of a guest that was made from another."""
    spec = lab.spec(power_on=False)
    guest = lab.compute.spawn(spec, timeout=PATIENCE)
    other = lab.spec(uuid=spec.uuid, name=spec.name, vcpus=spec.vcpus + 1, power_on=False)
    yield Scene(lambda: lab.compute.spawn(other, timeout=PATIENCE), guest)


@contextmanager
def taken_name(lab: Lab, _: str, __: type[VirtError]) -> Iterator[Scene]:
    """A name that another guest has."""
    lab.require(Feature.UPDATE_NAME)
    guest, other = lab.spawn(power_on=False), lab.spawn(power_on=False)
    update = InstanceUpdate(name=other.name)
    yield Scene(
        lambda: lab.compute.update(guest, update, timeout=PATIENCE), guest, unless="names need not be unique here"
    )


@contextmanager
def missing_image(lab: Lab, _: str, __: type[VirtError]) -> Iterator[Scene]:
    """A file that is not there."""
    spec = from_image(lab, LocalFile(lab.directory / f"{NOWHERE}.qcow2"))
    yield Scene(lambda: lab.compute.spawn(spec, timeout=PATIENCE))


@contextmanager
def wrong_image(lab: Lab, _: str, __: type[VirtError]) -> Iterator[Scene]:
    """A file that is not of the format that it is said to be."""
    path = lab.directory / "not-an-image.qcow2"
    path.write_bytes(bytes(MiB(1)))
    spec = from_image(lab, LocalFile(path, format=ImageFormat.QCOW2))
    yield Scene(lambda: lab.compute.spawn(spec, timeout=PATIENCE))
    path.unlink()


@contextmanager
def target_without_a_directory(lab: Lab, _: str, __: type[VirtError]) -> Iterator[Scene]:
    """A snapshot's target in a directory that is not there."""
    guest = lab.guest(PowerState.SHUTDOWN)
    target = LocalTarget(lab.directory / NOWHERE / "snapshot.qcow2")
    yield Scene(lambda: lab.compute.snapshot(guest, target, timeout=PATIENCE), guest)


@contextmanager
def unknown_console(lab: Lab, _: str, __: type[VirtError]) -> Iterator[Scene]:
    """A kind of console that the guest does not have: one after the other."""
    guest = lab.guest(PowerState.RUNNING)

    def ask_for_each() -> None:
        for kind in ConsoleKind:
            lab.compute.console(guest, kind)

    yield Scene(ask_for_each, guest, unless="the guest has every kind of console")


@contextmanager
def foreign_console_log(lab: Lab, _: str, __: type[VirtError]) -> Iterator[Scene]:
    """The log of a guest of other making."""
    with lab.rig.foreign_guest("conformance-no-log") as foreign:
        guest = lab.compute.instance(foreign, fresh=True)
        yield Scene(lambda: lab.compute.console_log(guest), guest, unless="guests of other making have a log here too")


# --- parts ------------------------------------------------------------------------------------------------------------


def act(lab: Lab, method: str, guest: Instance) -> object:
    """Call a method for a guest in the simplest way."""
    if method == "Driver.instance":
        return lab.compute.instance(guest, fresh=True)
    if method == "Driver.destroy":
        return lab.compute.destroy(guest, timeout=PATIENCE)
    return verb_of(lab, method).call(lab.compute, guest, lab.directory)


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


def workable_state(lab: Lab, method: str) -> PowerState:
    """A state in which a method has something to do."""
    if method == "Driver.destroy":
        return PowerState.RUNNING
    becomes = verb_of(lab, method).becomes
    return next((state for state, after in becomes.items() if after is not state), PowerState.SHUTDOWN)


def from_image(lab: Lab, source: ImageSource) -> InstanceSpec:
    """A guest whose disk comes from an image."""
    return lab.spec(disks=(Disk(source=source),))


GENERAL: Final[dict[type[VirtError], Recipe]] = {
    Ambiguous: two_claim_the_uuid,
    InstanceNotFound: unknown_guest,
    InvalidState: guest_in_a_wrong_state,
    PermissionDenied: guest_of_another_owner,
}
"""Ways that serve every method; what is not here is the rig's to provoke."""

SPECIAL: Final[dict[tuple[str, type[VirtError]], Recipe]] = {
    ("Console.console", NotSupported): unknown_console,
    ("ConsoleLog.console_log", NotSupported): foreign_console_log,
    ("Driver.capabilities", InvalidSpec): unknown_node,
    ("Driver.destroy", Busy): made_by_another_process,
    ("Driver.instance", InstanceNotFound): unknown_guest,
    ("Driver.inventory", InvalidSpec): unknown_node,
    ("Driver.open", AuthenticationFailed): closed_door,
    ("Driver.open", Unavailable): closed_door,
    ("Driver.spawn", Busy): made_by_another_process,
    ("Driver.spawn", ImageNotFound): missing_image,
    ("Driver.spawn", ImageRejected): wrong_image,
    ("Driver.spawn", InstanceExists): another_spec,
    ("Driver.spawn", InvalidSpec): unknown_pool,
    ("Driver.update", InstanceExists): taken_name,
    ("Snapshot.snapshot", InvalidSpec): target_without_a_directory,
}
"""Ways that serve one method."""

"""How each documented error of the contract is brought about: by asking for what cannot be, else by the rig."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from nova_virt_api.capability import Capability, Feature
from nova_virt_api.driver.operation import Stage
from nova_virt_api.errors import (
    Ambiguous,
    AuthenticationFailed,
    Busy,
    InstanceExists,
    InstanceNotFound,
    InvalidSpec,
    InvalidState,
    NoCapacity,
    NotSupported,
    PermissionDenied,
    Unavailable,
    VirtError,
)
from nova_virt_api.model.console import ConsoleKind
from nova_virt_api.model.image import LocalTarget
from nova_virt_api.model.instance import Instance, PowerState
from nova_virt_api.model.placement import Placement
from nova_virt_api.model.spec import InstanceUpdate
from nova_virt_api.model.units import MiB
from nova_virt_conformance.agent_provocations import OF_AGENTS
from nova_virt_conformance.backup_provocations import OF_BACKUPS
from nova_virt_conformance.clone_provocations import OF_CLONES
from nova_virt_conformance.copy_provocations import OF_COPIES
from nova_virt_conformance.image_provocations import OF_IMAGES
from nova_virt_conformance.migration_provocations import OF_MIGRATION
from nova_virt_conformance.outcome import NotApplicable, NotVerified
from nova_virt_conformance.resize_provocations import OF_RESIZE
from nova_virt_conformance.role_provocations import OF_ROLES, rescued
from nova_virt_conformance.scene import BRIEF, NOWHERE, Recipe, Scene, act, refused_by_the_backend, verb_of
from nova_virt_conformance.stored_volume_provocations import OF_STORED_VOLUMES
from nova_virt_conformance.verb import STATES
from nova_virt_conformance.verbs import VERBS

if TYPE_CHECKING:
    from nova_virt_conformance.lab import Lab


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
    guest = lab.other.spawn(lab.spec(), timeout=lab.patience)
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
    if verb.while_rescued is False and lab.compute.capabilities().has(Capability.RESCUE):
        guest = rescued(lab)
        yield Scene(partial(act, lab, method, guest), guest)
        return
    with refused_by_the_backend(lab, method, error) as made:
        yield made


@contextmanager
def two_claim_the_uuid(lab: Lab, method: str, _: type[VirtError]) -> Iterator[Scene]:
    """Two objects that claim one uuid."""
    spec = lab.spec(power_on=False)
    guest = lab.compute.spawn(spec, timeout=lab.patience)
    calls: dict[str, Callable[[], object]] = {
        "Driver.spawn": lambda: lab.compute.spawn(spec, timeout=lab.patience),
        "Driver.instance": lambda: lab.compute.instance(guest.uuid, fresh=True),
        "Driver.destroy": lambda: lab.compute.destroy(guest.uuid, timeout=lab.patience),
    }
    with lab.rig.claim_twice(guest):
        yield Scene(calls[method], guest)


@contextmanager
def made_by_another_process(lab: Lab, method: str, _: type[VirtError]) -> Iterator[Scene]:
    """A guest whose spawn another connection, which plays another process, has not finished."""
    spec, arrived, leave = lab.spec(), threading.Event(), threading.Event()

    def hold(_: object) -> None:
        arrived.set()
        leave.wait(lab.patience)

    operation = lab.second.submit.spawn(spec, timeout=lab.patience, hooks={Stage.BEFORE_START: hold})
    try:
        operation.add_done_callback(lambda _: arrived.set())
        arrived.wait(lab.patience)
        assert not operation.done(), f"the spawn never came to its hook: {operation.error or 'it is done'}"
        calls: dict[str, Callable[[], object]] = {
            "Driver.spawn": lambda: lab.compute.spawn(spec, timeout=BRIEF),
            "Driver.destroy": lambda: lab.compute.destroy(spec.uuid, timeout=BRIEF),
        }
        yield Scene(calls[method])
    finally:
        leave.set()
        operation.wait(lab.patience)
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
    yield Scene(lambda: lab.compute.spawn(spec, timeout=lab.patience))


@contextmanager
def another_spec(lab: Lab, _: str, __: type[VirtError]) -> Iterator[Scene]:
    """A spec that has the uuid of a guest that was made from another."""
    spec = lab.spec(power_on=False)
    guest = lab.compute.spawn(spec, timeout=lab.patience)
    other = lab.spec(uuid=spec.uuid, name=spec.name, vcpus=spec.vcpus + 1, power_on=False)
    yield Scene(lambda: lab.compute.spawn(other, timeout=lab.patience), guest)


@contextmanager
def taken_name(lab: Lab, _: str, __: type[VirtError]) -> Iterator[Scene]:
    """A name that another guest has."""
    lab.require(Feature.UPDATE_NAME)
    guest, other = lab.spawn(power_on=False), lab.spawn(power_on=False)
    update = InstanceUpdate(name=other.name)
    yield Scene(
        lambda: lab.compute.update(guest, update, timeout=lab.patience), guest, unless="names need not be unique here"
    )


@contextmanager
def no_room(lab: Lab, method: str, error: type[VirtError]) -> Iterator[Scene]:
    """A node that another guest is, where guests are whole nodes."""
    if not lab.whole_nodes:
        with refused_by_the_backend(lab, method, error) as made:
            yield made
        return
    there = lab.spawn(power_on=False)
    spec = lab.spec(placement=Placement(node=there.node, pool=lab.target.pool))
    yield Scene(lambda: lab.compute.spawn(spec, timeout=lab.patience))


@contextmanager
def target_without_a_directory(lab: Lab, _: str, __: type[VirtError]) -> Iterator[Scene]:
    """A snapshot's target in a directory that is not there."""
    guest = lab.guest(PowerState.SHUTDOWN)
    target = LocalTarget(lab.directory / NOWHERE / "snapshot.qcow2")
    yield Scene(lambda: lab.compute.snapshot(guest, target, timeout=lab.patience), guest)


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


GENERAL: Final[dict[type[VirtError], Recipe]] = {
    Ambiguous: two_claim_the_uuid,
    InstanceNotFound: unknown_guest,
    InvalidState: guest_in_a_wrong_state,
    PermissionDenied: guest_of_another_owner,
}
"""Ways that serve every method; what is not here is the rig's to provoke."""

SPECIAL: Final[dict[tuple[str, type[VirtError]], Recipe]] = {
    **OF_IMAGES,
    **OF_MIGRATION,
    **OF_ROLES,
    **OF_AGENTS,
    **OF_RESIZE,
    **OF_BACKUPS,
    **OF_COPIES,
    **OF_STORED_VOLUMES,
    **OF_CLONES,
    ("Console.console", NotSupported): unknown_console,
    ("ConsoleLog.console_log", NotSupported): foreign_console_log,
    ("Driver.capabilities", InvalidSpec): unknown_node,
    ("Driver.destroy", Busy): made_by_another_process,
    ("Driver.instance", InstanceNotFound): unknown_guest,
    ("Driver.inventory", InvalidSpec): unknown_node,
    ("Driver.open", AuthenticationFailed): closed_door,
    ("Driver.open", Unavailable): closed_door,
    ("Driver.spawn", Busy): made_by_another_process,
    ("Driver.spawn", InstanceExists): another_spec,
    ("Driver.spawn", InvalidSpec): unknown_pool,
    ("Driver.spawn", NoCapacity): no_room,
    ("Driver.update", InstanceExists): taken_name,
    ("Snapshot.snapshot", InvalidSpec): target_without_a_directory,
}
"""Ways that serve one method."""

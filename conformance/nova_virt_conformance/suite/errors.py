"""Errors: every documented one, brought about and looked at; and what a lost connection does."""

from __future__ import annotations

import pickle
import re
from typing import Any, Final

import pytest

from nova_virt_api.capability import Capability
from nova_virt_api.driver.driver import Driver
from nova_virt_api.driver.role import Role
from nova_virt_api.errors import (
    Ambiguous,
    ConnectionLost,
    ImageRejected,
    InstanceNotFound,
    InvalidSpec,
    InvalidState,
    NoCapacity,
    NotSupported,
    StateAfter,
    StorageError,
    Unavailable,
    VirtError,
)
from nova_virt_api.model.instance import Instance, PowerState
from nova_virt_conformance.contract import documented_errors, methods, roles
from nova_virt_conformance.covers import covers
from nova_virt_conformance.lab import Lab
from nova_virt_conformance.outcome import NotApplicable
from nova_virt_conformance.promise import Promise
from nova_virt_conformance.provocations import callable_methods, scene
from nova_virt_conformance.scene import Scene
from nova_virt_conformance.verb import Verb
from nova_virt_conformance.verbs import IDEMPOTENT

METHODS: Final = methods()
ROLES: Final[dict[str, type[Role]]] = {role.__name__: role for role in roles()}

TELLING: Final[dict[type[VirtError], str]] = {
    Ambiguous: "candidates",
    ImageRejected: "why",
    InvalidSpec: "allowed",
    InvalidState: "required",
    NoCapacity: "resource",
    NotSupported: "reason",
}
"""Errors that say by a field of their own what to do about them."""

NATIVE_DETAIL: Final = re.compile(r"Traceback|\bat 0x[0-9a-f]+|<class |File \"")
"""What only the driver's authors can read."""

FACTS: Final = ("uuid", "name", "owner", "power_state", "lifecycle", "native_id", "vcpus", "memory_bytes", "labels")
"""What tells whether a guest was changed."""


def documented() -> list[Any]:
    """Every method with each error that it documents, as test cases."""
    known = callable_methods()
    return [
        pytest.param(name, kind, id=f"{name}-{kind.__name__}", marks=marks_of(name, kind))
        for name in sorted(METHODS.keys() & known)
        for kind in sorted(documented_errors(METHODS[name]), key=lambda kind: kind.__name__)
    ]


def marks_of(method: str, kind: type[VirtError]) -> tuple[pytest.MarkDecorator, ...]:
    """What a case counts for: what every driver promises, or only the role without which there is none."""
    role = ROLES.get(method.partition(".")[0])
    subject = Promise.ERRORS if role is None or role.capability is None else role.capability
    return (covers(subject, METHODS[method], kind),)


@pytest.mark.parametrize(("method", "kind"), documented())
def test_documented_error(lab: Lab, method: str, kind: type[VirtError]) -> None:
    """The documented error comes, of the right class, with all that it has to say, and tells truly what was changed."""
    with scene(lab, method, kind) as made:
        before = None if made.guest is None else facts(lab, made.guest)
        error = raised_by(made, kind)
        check_error(error, kind)
        if before is not None and made.guest is not None:
            check_guest(lab, made.guest, before, error)


@covers(Promise.ERRORS, Promise.RECOVERY, Driver.instances, Driver.instance, Driver.inventory)
def test_reads_of_a_lost_connection(lab: Lab, running: Instance) -> None:
    """Without its connection a read fails as ConnectionLost or Unavailable, and works again with it."""
    compute = lab.connect()
    node = running.node
    reads = {
        "instances": lambda: compute.instances(fresh=True),
        "instance": lambda: compute.instance(running, fresh=True),
        "inventory": lambda: compute.inventory(node),
        "leftovers": compute.leftovers,
    }
    with lab.rig.cut_connection(compute):
        for name, read in reads.items():
            with pytest.raises(VirtError) as caught:
                read()
            check_lost(caught.value, name)
        pools = (compute.storage_pools,) if lab.target.pools else ()
        networks = (compute.networks,) if lab.target.networks else ()
        for may_know in (compute.capabilities, compute.nodes, *pools, *networks):
            check_answers_or_is_lost(may_know)
    assert compute.instance(running, fresh=True).power_state is PowerState.RUNNING
    for read in reads.values():
        read()
    lab.disconnect(compute)


@covers(Promise.ERRORS, Promise.RECOVERY)
@pytest.mark.parametrize("verb", [pytest.param(v, id=v.name, marks=v.marks) for v in IDEMPOTENT if v.name != "console"])
def test_verb_on_a_lost_connection(lab: Lab, verb: Verb) -> None:
    """Without its connection a verb fails as ConnectionLost or Unavailable, and is done when it is called again."""
    state = next(state for state in verb.becomes if state not in verb.may_refuse)
    guest = verb.guest(lab, state)
    compute = lab.connect()
    with lab.rig.cut_connection(compute):
        with pytest.raises(VirtError) as caught:
            verb.call(compute, guest, lab)
        check_lost(caught.value, verb.name)
    verb.call(compute, guest, lab)
    assert lab.compute.instance(guest, fresh=True).power_state is verb.becomes[state]
    lab.disconnect(compute)


def raised_by(made: Scene, kind: type[VirtError]) -> VirtError:
    """The error that the scene's call raises.

    Raises:
        NotApplicable: it raised none, and the scene says why that is all right.
        AssertionError: it raised none, or another one.
    """
    try:
        made.call()
    except kind as error:
        return error
    except VirtError as error:
        pytest.fail(f"instead of {kind.__name__} came {type(error).__name__}: {error}")
    if made.unless:
        raise NotApplicable(made.unless)
    pytest.fail(f"{kind.__name__} was not raised")


def check_error(error: VirtError, kind: type[VirtError]) -> None:
    """See that an error says what happened, to what, and what to do, and can be kept and sent."""
    assert (error.code, error.retryable) == (kind.code, kind.retryable), "the error has another code than its class"
    assert error.message.strip(), "the error has no message"
    assert error.verb, "the error does not say what was being done"
    assert "\n" not in error.public_message, "the error is longer than a line"
    assert not NATIVE_DETAIL.search(error.public_message), f"native detail in: {error.public_message}"
    cause = error.__cause__
    if cause is not None and not isinstance(cause, VirtError):
        assert type(cause).__name__ not in error.public_message, f"native detail in: {error.public_message}"
    field = TELLING.get(kind)
    telling = error.hint or error.retryable or kind is InstanceNotFound or (field and getattr(error, field))
    assert telling, f"the error does not say what to do: {error.public_message}"
    copy = pickle.loads(pickle.dumps(error))  # noqa: S301 - just made
    assert type(copy) is type(error)
    assert vars(copy) == vars(error), "the error is another one after it was pickled"


def check_guest(lab: Lab, guest: Instance, before: dict[str, Any], error: VirtError) -> None:
    """See that a guest is as the error says: changed or not."""
    assert error.state_after is not StateAfter.UNKNOWN, "the driver does not know what it did"
    after = facts(lab, guest)
    if error.state_after is StateAfter.UNCHANGED:
        assert after == before, "the error says that nothing was changed"
        assert not error.leftovers, "the error says that nothing was changed, and names leftovers"
    else:
        assert after != before or error.leftovers, "the error says that something was changed, and nothing was"
    if isinstance(error, StorageError) and after is None:
        assert error.leftovers, "what could not be removed is not named"


def facts(lab: Lab, guest: Instance) -> dict[str, Any] | None:
    """What is known of a guest; None when it is gone."""
    try:
        seen = lab.second.instance(guest, fresh=True)
    except InstanceNotFound:
        return None
    kept = lab.second.checkpoints(guest) if lab.second.capabilities().has(Capability.CHECKPOINT) else ()
    return {name: getattr(seen, name) for name in FACTS} | {"checkpoints": kept}


def check_lost(error: VirtError, what: str) -> None:
    """See that an error is one that says: try again."""
    lost = isinstance(error, ConnectionLost | Unavailable)
    assert lost, f"{what} without a connection ended in {type(error).__name__}: {error}"
    assert error.retryable


def check_answers_or_is_lost(read: Any) -> None:
    """See that a read which may know the answer gives it, or says that the connection is lost."""
    try:
        assert read()
    except VirtError as error:
        check_lost(error, read.__name__)

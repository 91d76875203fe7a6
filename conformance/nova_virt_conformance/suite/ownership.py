"""Guests of other owners and of other making: seen by everybody, touched by nobody who may not."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

from nova_virt_api.driver.driver import Driver
from nova_virt_api.driver.endpoint import Manage
from nova_virt_api.errors import Ambiguous, InstanceExists, PermissionDenied, StateAfter, VirtError
from nova_virt_api.model.identity import InstanceRef
from nova_virt_api.model.instance import Instance, Lifecycle, PowerOff, PowerState, Scope
from nova_virt_conformance.aftermath import leaving_as_is, present
from nova_virt_conformance.contract import READS
from nova_virt_conformance.covers import covers
from nova_virt_conformance.lab import Lab
from nova_virt_conformance.promise import Promise
from nova_virt_conformance.verb import Verb
from nova_virt_conformance.verbs import VERBS

if TYPE_CHECKING:
    from collections.abc import Iterator


def new_name() -> str:
    """A name for a guest of other making, which nobody else has."""
    return f"conformance-foreign-{uuid4().hex[:8]}"


def verbs_in(lab: Lab, state: PowerState) -> Iterator[Verb]:
    """The verbs of this endpoint that an owner could use in this state, so that only ownership can be in the way."""
    capabilities = lab.compute.capabilities()
    for verb in VERBS:
        wanted = [*verb.required, *([verb.only_with[state]] if state in verb.only_with else [])]
        usable = state in verb.becomes and state not in verb.may_refuse
        if usable and verb.method.__name__ not in READS and all(capabilities.has(what) for what in wanted):
            yield verb


def check_denied(lab: Lab, guest: Instance) -> None:
    """See that every verb is refused for a guest and changes nothing of it."""
    passed = []
    with leaving_as_is(lab, guest.uuid, "a refused verb"):
        for verb in verbs_in(lab, guest.power_state):
            if not denied(lab, verb, guest):
                passed.append(verb.name)
        for foreign in (False, True):
            with pytest.raises(PermissionDenied):
                lab.compute.destroy(guest, foreign=foreign, timeout=lab.patience)
    assert not passed, f"not refused as PermissionDenied: {', '.join(passed)}"


def denied(lab: Lab, verb: Verb, guest: Instance) -> bool:
    """Call a verb; whether it was refused as it should."""
    try:
        verb.call(lab.compute, guest, lab)
    except PermissionDenied as error:
        return error.state_after is StateAfter.UNCHANGED
    except VirtError:
        return False
    return False


# --- another owner's --------------------------------------------------------------------------------------------------


@covers(Promise.OWNERSHIP, Driver.instances)
def test_guest_of_another_owner_is_seen(lab: Lab) -> None:
    """A guest of another owner is listed with its owner's name and is not owned; Scope.OWNED leaves it out."""
    theirs = lab.other.spawn(lab.spec(power_on=False), timeout=lab.patience)
    ours = lab.spawn(power_on=False)
    seen = lab.compute.instance(theirs, fresh=True)
    assert (seen.owner, seen.owned) == (lab.target.other_owner, False)
    owned = [guest.uuid for guest in lab.compute.instances(scope=Scope.OWNED, fresh=True)]
    assert ours.uuid in owned
    assert theirs.uuid not in owned
    assert all(present(lab, guest.uuid) for guest in (ours, theirs))
    assert lab.second.instance(ours, fresh=True).owned


@covers(Promise.OWNERSHIP, Driver.power_on, Driver.power_off, Driver.reboot, Driver.destroy)
def test_guest_of_another_owner_is_not_touched(lab: Lab) -> None:
    """Every verb on a running guest of another owner is PermissionDenied and changes nothing."""
    theirs = lab.other.spawn(lab.spec(labels={"conformance": "theirs"}), timeout=lab.patience)
    check_denied(lab, theirs)


@covers(Promise.OWNERSHIP, Driver.power_on, Driver.power_off, Driver.reboot, Driver.destroy)
def test_stopped_guest_of_another_owner_is_not_touched(lab: Lab) -> None:
    """Every verb on a stopped guest of another owner is PermissionDenied and changes nothing."""
    check_denied(lab, lab.other.spawn(lab.spec(power_on=False), timeout=lab.patience))


# --- nobody's ---------------------------------------------------------------------------------------------------------


@covers(Promise.OWNERSHIP, Driver.instances)
def test_foreign_guest_is_seen(lab: Lab) -> None:
    """A guest that was made natively is listed without owner, as READY; Scope.OWNED leaves it out."""
    name = new_name()
    with lab.rig.foreign_guest(name) as uuid:
        seen = lab.compute.instance(uuid, fresh=True)
        assert (seen.name, seen.owner, seen.owned) == (name, None, False)
        assert (seen.power_state, seen.lifecycle) == (PowerState.SHUTDOWN, Lifecycle.READY)
        assert present(lab, uuid)
        assert uuid not in [guest.uuid for guest in lab.compute.instances(scope=Scope.OWNED, fresh=True)]
        assert not any(leftover.uuid == uuid for leftover in lab.compute.leftovers())


@covers(Promise.OWNERSHIP, Driver.power_on, Driver.power_off, Driver.reboot, Driver.destroy)
def test_foreign_guest_is_not_touched(lab: Lab) -> None:
    """Every verb on a guest of other making is PermissionDenied and changes nothing."""
    with lab.rig.foreign_guest(new_name()) as uuid:
        check_denied(lab, lab.compute.instance(uuid, fresh=True))


@covers(Promise.OWNERSHIP, Driver.spawn)
def test_uuid_of_a_foreign_guest_is_refused(lab: Lab) -> None:
    """A spawn with the uuid of a guest of other making is InstanceExists, and the guest stays as it is."""
    with lab.rig.foreign_guest(new_name()) as uuid:
        with leaving_as_is(lab, uuid, "a refused spawn"), pytest.raises(InstanceExists):
            lab.compute.spawn(lab.spec(uuid=uuid), timeout=lab.patience)
        assert lab.compute.instance(uuid, fresh=True).owner is None


@covers(Promise.OWNERSHIP, Driver.instances)
def test_native_copy_is_foreign(lab: Lab, stopped: Instance) -> None:
    """A copy that somebody made of our guest is nobody's, whatever is written on it; the original stays ours."""
    with lab.rig.native_copy(stopped, new_name()) as uuid:
        copy = lab.compute.instance(uuid, fresh=True)
        assert copy.uuid != stopped.uuid
        assert (copy.owner, copy.owned) == (None, False)
        check_denied(lab, copy)
        assert lab.compute.instance(stopped, fresh=True).owned
        lab.compute.destroy(stopped, timeout=lab.patience)
        assert present(lab, uuid), "the copy went with the original"


# --- two claim one uuid -----------------------------------------------------------------------------------------------


@covers(Promise.OWNERSHIP, Driver.instance, Driver.spawn, Driver.destroy, Driver.power_on)
def test_uuid_that_is_claimed_twice_is_ambiguous(lab: Lab) -> None:
    """While two objects claim a uuid, what is asked of it is Ambiguous, and neither of them is touched."""
    spec = lab.spec(power_on=False)
    guest = lab.compute.spawn(spec, timeout=lab.patience)
    with leaving_as_is(lab, guest.uuid, "the time of the second claim"), lab.rig.claim_twice(guest):
        before = frozenset(lab.objects())
        anyone = InstanceRef(uuid=guest.uuid)
        with pytest.raises(Ambiguous):
            lab.compute.instance(anyone, fresh=True)
        with pytest.raises(Ambiguous):
            lab.compute.spawn(spec, timeout=lab.patience)
        with pytest.raises(Ambiguous):
            lab.compute.destroy(anyone, timeout=lab.patience)
        with pytest.raises(Ambiguous):
            lab.compute.power_on(anyone, timeout=lab.patience)
        assert frozenset(lab.objects()) == before


# --- manage="all" -----------------------------------------------------------------------------------------------------


@covers(Promise.OWNERSHIP, Driver.power_on, Driver.power_off, Driver.destroy)
def test_manage_all_changes_foreign_guests_and_marks_none(lab: Lab) -> None:
    """With manage="all" a guest of other making can be started and stopped, stays nobody's, and goes if so said."""
    everything = lab.connect(manage=Manage.ALL)
    with lab.rig.foreign_guest(new_name()) as uuid:
        everything.power_on(uuid, timeout=lab.patience)
        assert lab.compute.instance(uuid, fresh=True).power_state is PowerState.RUNNING
        everything.power_off(uuid, mode=PowerOff.HARD, timeout=lab.patience)
        seen = lab.compute.instance(uuid, fresh=True)
        assert (seen.owner, seen.owned, seen.power_state) == (None, False, PowerState.SHUTDOWN)
        with leaving_as_is(lab, uuid, "a refused destroy"), pytest.raises(PermissionDenied):
            everything.destroy(uuid, timeout=lab.patience)
        assert everything.destroy(uuid, foreign=True, timeout=lab.patience) is True
        assert not present(lab, uuid)
        assert everything.destroy(uuid, foreign=True, timeout=lab.patience) is False


@covers(Promise.OWNERSHIP, Driver.spawn, Driver.destroy)
def test_manage_all_makes_guests_without_an_owner(lab: Lab) -> None:
    """A guest that is made with manage="all" bears no mark, so it is nobody's; the same spec finds it again."""
    everything = lab.connect(manage=Manage.ALL)
    spec = lab.spec(power_on=False)
    made = everything.spawn(spec, timeout=lab.patience)
    try:
        seen = lab.compute.instance(made, fresh=True)
        assert (seen.owner, seen.owned, seen.lifecycle) == (None, False, Lifecycle.READY)
        with leaving_as_is(lab, seen.uuid, "the same spawn again"):
            assert everything.spawn(spec, timeout=lab.patience).native_id == made.native_id
    finally:
        everything.destroy(made, foreign=True, timeout=lab.patience)

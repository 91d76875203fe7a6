"""Reading guests: all of them, in few requests, as they are now."""

from __future__ import annotations

import dataclasses
import time
from typing import Final
from uuid import UUID, uuid4

import pytest

from nova_virt_api.compute.compute import Compute
from nova_virt_api.driver.driver import Driver
from nova_virt_api.errors import InstanceNotFound
from nova_virt_api.model.instance import Condition, Health, Instance, Lifecycle, PowerOff, PowerState, Scope
from nova_virt_api.model.labels import Labels
from nova_virt_conformance.covers import covers
from nova_virt_conformance.lab import Lab
from nova_virt_conformance.promise import Promise

MORE_GUESTS: Final = 4
NO_DELAY: Final = 5.0
"""Seconds by which a guest that does not answer may at most delay a listing."""

SLACK: Final = 0.5


@covers(Promise.LISTING, Driver.instances, Driver.instance)
def test_guest_is_shown_as_asked(lab: Lab) -> None:
    """A guest is listed with the name, size, labels, owner and uuid that it was asked for with."""
    spec = lab.spec(vcpus=2, labels={"conformance": "listing"}, power_on=False)
    made = lab.compute.spawn(spec, timeout=lab.patience)
    listed = one_of(lab.compute, spec.uuid)
    assert listed == made == lab.compute.instance(spec.uuid, fresh=True)
    assert (listed.name, dict(listed.labels)) == (spec.name, dict(spec.labels))
    assert listed.power_state is PowerState.SHUTDOWN
    lab.check_size(listed, spec)
    assert (listed.owner, listed.owned, listed.lifecycle) == (lab.target.owner, True, Lifecycle.READY)
    assert listed.health.condition is Condition.OK


@covers(Promise.LISTING, Driver.instances)
def test_every_guest_is_well_formed(lab: Lab, running: Instance) -> None:
    """Every guest listed, whoever made it, has all fields filled as documented, and ids of its own."""
    guests = lab.compute.instances(fresh=True)
    assert running.uuid in {guest.uuid for guest in guests}
    assert len({guest.native_id for guest in guests}) == len(guests), "a native id twice"
    for guest in guests:
        check_well_formed(guest)


@covers(Promise.LISTING, Driver.instances, Driver.instance)
def test_foreign_guests_are_listed(lab: Lab) -> None:
    """A guest that was made without this API is listed as nobody's, and not among the owned ones."""
    with lab.rig.foreign_guest("conformance-foreign") as uuid:
        guest = one_of(lab.compute, uuid)
        assert (guest.owner, guest.owned, guest.lifecycle) == (None, False, Lifecycle.READY)
        assert lab.compute.instance(uuid, fresh=True) == guest
        assert uuid not in {owned.uuid for owned in lab.compute.instances(scope=Scope.OWNED, fresh=True)}
        check_well_formed(guest)


@covers(Promise.LISTING, Promise.OWNERSHIP, Driver.instances)
def test_guests_of_another_owner_are_listed(lab: Lab) -> None:
    """A guest of another owner is listed with that owner's name, and not among the owned ones."""
    guest = lab.other.spawn(lab.spec(power_on=False), timeout=lab.patience)
    seen = one_of(lab.compute, guest.uuid)
    assert (seen.owner, seen.owned) == (lab.target.other_owner, False)
    assert guest.uuid not in {owned.uuid for owned in lab.compute.instances(scope=Scope.OWNED, fresh=True)}


@covers(Promise.LISTING, Driver.instances)
def test_unchanged_guests_are_the_same_objects(lab: Lab) -> None:
    """Two listings between which a guest did not change have the same object for it."""
    guest, other = lab.spawn(power_on=False), lab.spawn(power_on=False)
    lab.compute.instances(fresh=True)
    driver = lab.raw(lab.compute)
    first = {seen.uuid: seen for seen in driver.instances(fresh=True)}
    lab.compute.power_on(other, timeout=lab.patience)
    second = {seen.uuid: seen for seen in driver.instances(fresh=True)}
    assert second[guest.uuid] is first[guest.uuid], "a guest that did not change is a new object in the next listing"
    assert second[other.uuid] != first[other.uuid], "a guest that was started is shown as before"


@covers(Promise.LISTING, Driver.instances, Driver.instance, Driver.power_on, Driver.power_off, Driver.destroy)
def test_reads_see_all_earlier_changes(lab: Lab) -> None:
    """Right after a verb, reads of the same connection show what it did, without being asked to be fresh."""
    compute = lab.compute
    compute.instances()
    guest = lab.spawn(power_on=False)
    assert_shown(compute, guest, PowerState.SHUTDOWN)
    compute.power_on(guest, timeout=lab.patience)
    assert_shown(compute, guest, PowerState.RUNNING)
    compute.power_off(guest, mode=PowerOff.HARD, timeout=lab.patience)
    assert_shown(compute, guest, PowerState.SHUTDOWN)
    compute.destroy(guest, timeout=lab.patience)
    assert guest.uuid not in {seen.uuid for seen in compute.instances()}
    with pytest.raises(InstanceNotFound):
        compute.instance(guest)


@covers(Promise.LISTING, Driver.instances, Driver.instance)
def test_changes_of_others_are_seen(lab: Lab, stopped: Instance) -> None:
    """What another connection did is seen at once by a fresh read, and by any read within the declared staleness."""
    reader = lab.second
    reader.instances()
    lab.compute.power_on(stopped, timeout=lab.patience)
    done = time.monotonic()
    assert reader.instance(stopped, fresh=True).power_state is PowerState.RUNNING
    lab.compute.power_off(stopped, mode=PowerOff.HARD, timeout=lab.patience)
    done = time.monotonic()
    within = reader.capabilities().staleness_seconds + SLACK
    while one_of(reader, stopped.uuid, fresh=False).power_state is not PowerState.SHUTDOWN:
        assert time.monotonic() - done < within, f"still not seen after {within:.1f} s"
    assert one_of(reader, stopped.uuid).power_state is PowerState.SHUTDOWN


@covers(Promise.LISTING, Driver.instances, Driver.instance)
def test_guest_removed_natively_is_not_listed(lab: Lab, stopped: Instance) -> None:
    """A guest that somebody removed natively is in no fresh listing any more."""
    lab.rig.vanish(stopped)
    assert stopped.uuid not in {guest.uuid for guest in lab.compute.instances(fresh=True) if ready(guest)}
    with pytest.raises(InstanceNotFound):
        lab.compute.instance(stopped, fresh=True)


@covers(Promise.LISTING, Driver.instance)
def test_unknown_guest(compute: Compute) -> None:
    """A guest that is not there is an InstanceNotFound, whatever native id it is said to have."""
    with pytest.raises(InstanceNotFound):
        compute.instance(uuid4(), fresh=True)
    with pytest.raises(InstanceNotFound):
        compute.instance(uuid4())


@covers(Promise.LISTING, Driver.instances)
def test_listing_is_bulk(lab: Lab) -> None:
    """A listing takes as many requests for many guests as it takes for one."""
    first = lab.spawn()
    few = requests_of_a_listing(lab)
    for number in range(MORE_GUESTS):
        lab.spawn(power_on=number % 2 == 0)
    many = requests_of_a_listing(lab)
    assert first.uuid in {guest.uuid for guest in lab.compute.instances()}
    assert many <= few, f"{few} requests to list n guests, {many} to list n + {MORE_GUESTS}"


@covers(Promise.LISTING, Driver.instances)
def test_hung_guest_delays_nothing(lab: Lab) -> None:
    """A guest that does not answer is listed as UNRESPONSIVE, and delays neither the listing nor other guests."""
    hung, other = lab.spawn(), lab.spawn()
    with lab.rig.hang(hung):
        seen = listing_with(lab, hung.uuid, Condition.UNRESPONSIVE)
        assert seen[other.uuid].health.condition is Condition.OK
        assert seen[other.uuid].power_state is PowerState.RUNNING
        lab.compute.power_off(other, mode=PowerOff.HARD, timeout=lab.patience)
    listing_with(lab, hung.uuid, Condition.OK)


def listing_with(lab: Lab, guest: UUID, condition: Condition) -> dict[UUID, Instance]:
    """A listing that shows the guest in this condition, which takes as long as it takes the backend to notice.

    Raises:
        AssertionError: none did, or one was delayed.
    """
    end = time.monotonic() + lab.patience
    while True:
        began = time.monotonic()
        seen = {one.uuid: one for one in lab.compute.instances(fresh=True)}
        took = time.monotonic() - began
        assert took < NO_DELAY, f"a listing took {took:.1f} s"
        assert guest in seen, "the guest is not listed"
        if seen[guest].health.condition is condition:
            return seen
        shown = seen[guest].health
        assert time.monotonic() < end, f"the guest should be {condition.value} and is {shown.condition.value}"


def requests_of_a_listing(lab: Lab) -> int:
    """Requests that a listing takes; the least of several, as caches fill and events come."""
    counts = []
    for _ in range(3):
        before = lab.rig.requests(lab.compute)
        lab.compute.instances()
        counts.append(lab.rig.requests(lab.compute) - before)
    return min(counts)


def one_of(compute: Compute, uuid: UUID, *, fresh: bool = True) -> Instance:
    """One guest, from the listing of all."""
    found = [guest for guest in compute.instances(fresh=fresh) if guest.uuid == uuid]
    assert len(found) == 1, f"the guest is listed {len(found)} times"
    return found[0]


def assert_shown(compute: Compute, guest: Instance, state: PowerState) -> None:
    """A read of either kind shows the state."""
    assert compute.instance(guest).power_state is state
    assert one_of(compute, guest.uuid, fresh=False).power_state is state


def ready(guest: Instance) -> bool:
    """Whether a guest is not one that is being made or removed."""
    return guest.lifecycle is Lifecycle.READY


def check_well_formed(guest: Instance) -> None:
    """See that each field of a guest is what it is documented to be."""
    text = f"guest {guest.name}"
    assert type(guest) is Instance, f"{text} is a {type(guest).__name__}"
    assert dataclasses.replace(guest) == guest
    assert isinstance(guest.uuid, UUID), f"{text}: uuid is {guest.uuid!r}"
    assert guest.native_id, f"{text} has no native id"
    assert guest.name, f"the guest {guest.uuid} has no name"
    assert isinstance(guest.power_state, PowerState), f"{text}: power state is {guest.power_state!r}"
    assert isinstance(guest.lifecycle, Lifecycle), f"{text}: lifecycle is {guest.lifecycle!r}"
    assert isinstance(guest.health, Health), f"{text}: health is {guest.health!r}"
    assert guest.health.condition is Condition.OK or guest.health.reason, f"{text}: not healthy and nobody says why"
    assert guest.vcpus >= 1, f"{text} has {guest.vcpus} virtual CPUs"
    assert guest.memory_bytes >= 1, f"{text} has {guest.memory_bytes} bytes of memory"
    assert isinstance(guest.labels, Labels), f"{text}: labels are a {type(guest.labels).__name__}, not frozen Labels"
    assert guest.addresses is None or isinstance(guest.addresses, tuple), f"{text}: addresses are no tuple"
    assert not (guest.owned and guest.owner is None), f"{text} is owned by nobody"

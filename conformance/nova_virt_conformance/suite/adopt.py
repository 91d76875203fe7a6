"""Becoming the owner of guests that were made by other means, and giving them back."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

from nova_virt_api.capability import Capability
from nova_virt_api.compute.guard import guarded
from nova_virt_api.driver.adopt import Adopt
from nova_virt_api.driver.driver import Driver
from nova_virt_api.errors import InstanceExists, PermissionDenied
from nova_virt_api.model.instance import Instance, Lifecycle, PowerOff, PowerState, Scope
from nova_virt_conformance.aftermath import check_gone, leaving_as_is, leaving_nothing
from nova_virt_conformance.covers import covers
from nova_virt_conformance.lab import Lab
from nova_virt_conformance.verb import difference, shown

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def adoptable(lab: Lab) -> Iterator[Instance]:
    """A guest of other making, which is nobody's again, or gone, in the end."""
    with lab.rig.adoptable_guest(f"conformance-adopt-{uuid4().hex[:8]}") as uuid:
        guest = lab.compute.instance(uuid, fresh=True)
        yield guest
        if any(owned.uuid == uuid for owned in lab.compute.instances(scope=Scope.OWNED, fresh=True)):
            lab.compute.release(guest, timeout=lab.patience)


@covers(Capability.ADOPT, Adopt.adopt, Driver.instances)
def test_adopted_guest_is_owned_and_otherwise_as_it_was(lab: Lab) -> None:
    """An adopted guest is owned by who adopted it, for everybody, with the uuid that it had; nothing else changes."""
    with adoptable(lab) as guest:
        before = lab.rig.hardware(guest.uuid)
        made = lab.compute.adopt(guest, timeout=lab.patience)
        wanted = shown(guest) | {"owner": lab.target.owner, "lifecycle": Lifecycle.READY}
        for seen in (made, *(each.instance(guest, fresh=True) for each in (lab.compute, lab.second, lab.other))):
            assert not (wrong := difference(wanted, shown(seen))), f"after it was adopted: {wrong}"
        assert lab.rig.hardware(guest.uuid) == before
        assert guest.uuid in {owned.uuid for owned in lab.second.instances(scope=Scope.OWNED, fresh=True)}
        assert not [leftover for leftover in lab.compute.leftovers() if leftover.uuid == guest.uuid]


@covers(Capability.ADOPT, Adopt.adopt, Driver.power_on, Driver.power_off)
def test_adopted_guest_can_be_used(lab: Lab) -> None:
    """An adopted guest is started and stopped like any other, also by the owner's next process."""
    with adoptable(lab) as guest:
        lab.compute.adopt(guest, timeout=lab.patience)
        lab.compute.power_on(guest, timeout=lab.patience)
        assert lab.second.instance(guest, fresh=True).power_state is PowerState.RUNNING
        lab.second.power_off(guest, mode=PowerOff.HARD, timeout=lab.patience)
        assert lab.compute.instance(guest, fresh=True).power_state is PowerState.SHUTDOWN


@covers(Capability.ADOPT, Adopt.adopt, Driver.destroy)
def test_adopted_guest_can_be_destroyed(lab: Lab) -> None:
    """An adopted guest is destroyed like any other; nothing of the adoption is left."""
    with leaving_nothing(lab, "an adopted guest's life"), adoptable(lab) as guest:
        lab.compute.adopt(guest, timeout=lab.patience)
        assert lab.compute.destroy(guest, timeout=lab.patience) is True
    check_gone(lab, guest.uuid)


@covers(Capability.ADOPT, Adopt.adopt)
def test_adopt_is_idempotent(lab: Lab, stopped: Instance) -> None:
    """A guest of this owner, made or adopted, stays as it is when it is adopted."""
    with leaving_as_is(lab, stopped.uuid, "an adoption"):
        assert lab.compute.adopt(stopped, timeout=lab.patience).owned
    with adoptable(lab) as guest:
        lab.compute.adopt(guest, timeout=lab.patience)
        with leaving_as_is(lab, guest.uuid, "the same adoption again"):
            assert lab.second.adopt(guest, timeout=lab.patience).uuid == guest.uuid


@covers(Capability.ADOPT, Adopt.adopt, Adopt.release)
def test_release_undoes_adopt(lab: Lab) -> None:
    """A guest that was adopted and released is nobody's and just as it was before; nothing is left of the adoption."""
    with adoptable(lab) as guest, leaving_as_is(lab, guest.uuid, "an adoption and its end"):
        lab.compute.adopt(guest, timeout=lab.patience)
        lab.second.release(guest, timeout=lab.patience)
        assert not lab.compute.instance(guest, fresh=True).owned


@covers(Capability.ADOPT, Adopt.release, Driver.power_on)
def test_released_guest_is_not_touched(lab: Lab) -> None:
    """A released guest is refused to verbs; releasing it again changes nothing."""
    with adoptable(lab) as guest:
        lab.compute.adopt(guest, timeout=lab.patience)
        lab.compute.release(guest, timeout=lab.patience)
        with leaving_as_is(lab, guest.uuid, "a refused verb"):
            with pytest.raises(PermissionDenied):
                lab.compute.power_on(guest, timeout=lab.patience)
            lab.compute.release(guest, timeout=lab.patience)


@covers(Capability.ADOPT, Adopt.adopt, Adopt.check_adoptable)
def test_guest_of_another_owner_is_not_adopted(lab: Lab) -> None:
    """A guest that another owner has adopted is theirs: neither adopted nor released by anybody else."""
    with adoptable(lab) as guest:
        lab.other.adopt(guest, timeout=lab.patience)
        with leaving_as_is(lab, guest.uuid, "a refused adoption"):
            for refused in (lab.compute.adopt, lab.compute.release):
                with pytest.raises(PermissionDenied):
                    refused(guest, timeout=lab.patience)
            with pytest.raises(PermissionDenied):
                check(lab, guest)
        lab.other.release(guest, timeout=lab.patience)


@covers(Capability.ADOPT, Adopt.check_adoptable)
def test_check_adoptable_changes_nothing(lab: Lab) -> None:
    """Asking whether a guest can be adopted says nothing where it can, and changes nothing."""
    with adoptable(lab) as guest, leaving_as_is(lab, guest.uuid, "the question"):
        check(lab, guest)


@covers(Capability.ADOPT, Adopt.adopt, Driver.spawn)
def test_spawn_does_not_find_an_adopted_guest(lab: Lab) -> None:
    """A spawn with the uuid of an adopted guest is InstanceExists, since the guest was not asked for by that spec."""
    with adoptable(lab) as guest:
        lab.compute.adopt(guest, timeout=lab.patience)
        spec = lab.spec(uuid=guest.uuid, name=guest.name)
        with leaving_as_is(lab, guest.uuid, "a refused spawn"), pytest.raises(InstanceExists):
            lab.compute.spawn(spec, timeout=lab.patience)


def check(lab: Lab, guest: Instance) -> None:
    """Ask whether a guest can be adopted."""
    role = lab.compute.role(Adopt)
    guarded("adopt", guest.ref, lambda: role.check_adoptable(guest.ref))

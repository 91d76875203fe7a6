"""Changing a guest's name and labels in place."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from nova_virt_api.capability import Feature
from nova_virt_api.driver.driver import Driver
from nova_virt_api.errors import InstanceExists, InstanceNotFound
from nova_virt_api.model.instance import Instance, PowerOff, PowerState
from nova_virt_api.model.spec import InstanceUpdate
from nova_virt_conformance.aftermath import SHOWN, leaving_as_is, picture
from nova_virt_conformance.covers import covers, needs
from nova_virt_conformance.lab import Lab
from nova_virt_conformance.promise import Promise
from nova_virt_conformance.suite.spec_fields import AWKWARD_LABELS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nova_virt_api.compute.compute import Compute


def relabel(lab: Lab, compute: Compute, guest: Instance, labels: Mapping[str, str]) -> Instance:
    """Give a guest these labels."""
    return compute.update(guest, InstanceUpdate(labels=labels), timeout=lab.patience)


def rename(lab: Lab, guest: Instance, name: str) -> Instance:
    """Give a guest this name."""
    return lab.compute.update(guest, InstanceUpdate(name=name), timeout=lab.patience)


def check_labels(lab: Lab, guest: Instance, labels: Mapping[str, str]) -> None:
    """See that a guest has these labels and no others, whoever looks."""
    for compute in (lab.compute, lab.second, lab.other):
        assert dict(compute.instance(guest, fresh=True).labels) == labels


@covers(Promise.UPDATE, Feature.UPDATE_LABELS, Driver.update)
def test_update_replaces_all_labels(lab: Lab) -> None:
    """The new labels take the place of all that were there; everybody sees them."""
    guest = lab.spawn(labels={"goes": "1", "changes": "2"}, power_on=False)
    labels = {"changes": "3", "comes": "4"}
    assert dict(relabel(lab, lab.compute, guest, labels).labels) == labels
    check_labels(lab, guest, labels)
    assert dict(relabel(lab, lab.second, guest, {}).labels) == {}
    check_labels(lab, guest, {})


@covers(Promise.UPDATE, Feature.UPDATE_LABELS, Driver.update)
def test_update_takes_any_labels(lab: Lab, running: Instance) -> None:
    """A running guest takes 64 labels, among them the longest and most awkward ones, and keeps them when stopped."""
    labels = AWKWARD_LABELS | {f"label-{number}": str(number) for number in range(64 - len(AWKWARD_LABELS))}
    relabel(lab, lab.compute, running, labels)
    check_labels(lab, running, labels)
    lab.compute.power_off(running, mode=PowerOff.HARD, timeout=lab.patience)
    check_labels(lab, running, labels)


@covers(Promise.UPDATE, Feature.UPDATE_LABELS, Driver.update)
def test_update_is_idempotent(lab: Lab, running: Instance) -> None:
    """The same change again changes nothing."""
    labels = {"conformance": "again"}
    began = time.monotonic()
    relabel(lab, lab.compute, running, labels)
    times = 9 if time.monotonic() - began < 1.0 else 1
    with leaving_as_is(lab, running.uuid, "the same update again"):
        for _ in range(times):
            relabel(lab, lab.compute, running, labels)


@covers(Promise.UPDATE, Feature.UPDATE_LABELS, Driver.update)
def test_update_of_labels_changes_nothing_else(lab: Lab, running: Instance) -> None:
    """All but the labels stays as it was, on the backend too."""
    before = picture(lab, running.uuid)
    relabel(lab, lab.compute, running, {"conformance": "changed"})
    after = picture(lab, running.uuid)
    assert after["labels"] != before["labels"]
    assert [name for name in before if before[name] != after[name]] == ["labels"]


@covers(Promise.UPDATE, Driver.update)
def test_update_of_nothing_changes_nothing(lab: Lab, running: Instance) -> None:
    """A change in which no field is given returns the guest as it is."""
    with leaving_as_is(lab, running.uuid, "an empty update"):
        same = lab.compute.update(running, InstanceUpdate(), timeout=lab.patience)
    assert same.uuid == running.uuid


@covers(Promise.UPDATE, Feature.UPDATE_NAME, Driver.update)
def test_renamed_guest_has_its_new_name_only(lab: Lab, stopped: Instance) -> None:
    """A renamed guest is found by its new name and not by the old one, over any connection; nothing else changes."""
    name = f"{stopped.name}-renamed"
    before = lab.rig.hardware(stopped.uuid)
    renamed = rename(lab, stopped, name)
    assert renamed.name == name
    for compute in (lab.compute, lab.second):
        seen = compute.instance(stopped, fresh=True)
        changed = [field for field in SHOWN if getattr(seen, field) != getattr(stopped, field)]
        assert changed == ["name"]
        assert compute.find(name).uuid == stopped.uuid
        with pytest.raises(InstanceNotFound):
            compute.find(stopped.name)
    assert lab.rig.hardware(stopped.uuid) == before


@covers(Promise.UPDATE, Feature.UPDATE_NAME, Driver.update, Driver.power_on, Driver.destroy)
def test_renamed_guest_starts_and_goes(lab: Lab, stopped: Instance) -> None:
    """A guest that was renamed can be started, renamed again once it is off, and destroyed with all that it owned."""
    rename(lab, stopped, f"{stopped.name}-2")
    lab.compute.power_on(stopped, timeout=lab.patience)
    assert lab.compute.instance(stopped, fresh=True).power_state is PowerState.RUNNING
    lab.compute.power_off(stopped, mode=PowerOff.HARD, timeout=lab.patience)
    assert rename(lab, stopped, stopped.name).name == stopped.name
    assert lab.compute.destroy(stopped, timeout=lab.patience) is True


@covers(Promise.UPDATE, Feature.UPDATE_NAME, Driver.update)
@needs(Feature.UPDATE_LABELS)
def test_update_of_name_and_labels_at_once(lab: Lab, stopped: Instance) -> None:
    """One call changes both."""
    update = InstanceUpdate(name=f"{stopped.name}-both", labels={"conformance": "both"})
    changed = lab.compute.update(stopped, update, timeout=lab.patience)
    assert (changed.name, dict(changed.labels)) == (update.name, {"conformance": "both"})


@covers(Promise.UPDATE, Feature.UPDATE_NAME, Driver.update)
def test_rename_to_a_taken_name(lab: Lab) -> None:
    """A name that another guest has is given to this one too, or is InstanceExists and changes nothing."""
    first, second = (lab.spawn(power_on=False) for _ in range(2))
    try:
        rename(lab, second, first.name)
    except InstanceExists:
        assert lab.compute.instance(second, fresh=True).name == second.name
    else:
        assert lab.compute.instance(second, fresh=True).name == first.name
    assert lab.compute.instance(first, fresh=True).name == first.name

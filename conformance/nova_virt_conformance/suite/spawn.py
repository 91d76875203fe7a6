"""Making guests: the guest is what was asked for, once, and a spawn that fails leaves nothing."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import pytest

from nova_virt_api.capability import Feature
from nova_virt_api.compute.operation import Operation, OperationState
from nova_virt_api.driver.driver import Driver
from nova_virt_api.driver.operation import Stage
from nova_virt_api.errors import (
    Ambiguous,
    HookFailed,
    InstanceExists,
    InstanceNotFound,
    InvalidSpec,
    StateAfter,
)
from nova_virt_api.model.instance import Instance, Lifecycle, PowerOff, PowerState
from nova_virt_api.model.nic import Nic
from nova_virt_api.model.placement import Placement
from nova_virt_api.model.spec import InstanceSpec, InstanceUpdate
from nova_virt_api.model.units import MiB
from nova_virt_conformance.aftermath import check_gone, leaving_as_is, leaving_nothing, present
from nova_virt_conformance.covers import covers, needs
from nova_virt_conformance.lab import Lab
from nova_virt_conformance.outcome import NotApplicable
from nova_virt_conformance.promise import Promise

if TYPE_CHECKING:
    from collections.abc import Callable
    from uuid import UUID

HOOKS: Final = (Stage.NETWORK_READY, Stage.DISKS_READY, Stage.BEFORE_START)
NOT_YET_RUNNING: Final = (None, PowerState.SHUTDOWN, PowerState.NOSTATE)
MISSING: Final = "conformance-no-such-place"

each_hook = pytest.mark.parametrize("stage", HOOKS, ids=lambda stage: stage.name.lower())


# --- the guest is as asked --------------------------------------------------------------------------------------------


@covers(Promise.SPAWN, Driver.spawn, Driver.instances, Driver.instance)
def test_spawned_guest_is_as_asked(lab: Lab) -> None:
    """The guest that spawn returns, and the one that is listed, have what the spec says, run, and are owned."""
    spec = lab.spec(vcpus=2, memory_bytes=MiB(48), labels={"conformance": "as asked"})
    made = lab.compute.spawn(spec, timeout=lab.patience)
    listed = [guest for guest in lab.compute.instances(fresh=True) if guest.uuid == spec.uuid]
    assert len(listed) == 1, f"the new guest is listed {len(listed)} times"
    for guest in (made, *listed, lab.compute.instance(spec.uuid, fresh=True)):
        check_as_asked(lab, guest, spec)
        assert guest.power_state is PowerState.RUNNING
        assert guest.native_id == made.native_id != ""
        assert guest.node in {node.name for node in lab.compute.nodes()}


@covers(Promise.SPAWN, Driver.spawn)
def test_spawn_without_power_leaves_the_guest_stopped(lab: Lab) -> None:
    """With power_on=False the guest is made, complete, and not started; it can be started later."""
    spec = lab.spec(power_on=False)
    made = lab.compute.spawn(spec, timeout=lab.patience)
    for guest in (made, lab.compute.instance(made, fresh=True)):
        check_as_asked(lab, guest, spec)
        assert guest.power_state is PowerState.SHUTDOWN
    lab.compute.power_on(made, timeout=lab.patience)
    assert lab.compute.instance(made, fresh=True).power_state is PowerState.RUNNING


def check_as_asked(lab: Lab, guest: Instance, spec: InstanceSpec) -> None:
    """See that a guest shows what its spec says; a whole machine may have more CPUs and memory."""
    assert (guest.uuid, guest.name, guest.labels) == (spec.uuid, spec.name, spec.labels)
    lab.check_size(guest, spec)
    assert (guest.owner, guest.owned, guest.lifecycle) == (lab.target.owner, True, Lifecycle.READY)


# --- once -------------------------------------------------------------------------------------------------------------


@covers(Promise.SPAWN, Driver.spawn)
def test_same_spawn_is_the_same_guest(lab: Lab) -> None:
    """The same spec again, also over another connection, returns the guest that is there and makes no second one."""
    spec = lab.spec(power_on=False)
    made = lab.compute.spawn(spec, timeout=lab.patience)
    with leaving_as_is(lab, spec.uuid, "the same spawn again"):
        began = time.monotonic()
        again = [lab.compute.spawn(spec, timeout=lab.patience)]
        times = 8 if time.monotonic() - began < 1.0 else 0
        again += [lab.compute.spawn(spec, timeout=lab.patience) for _ in range(times)]
        again.append(lab.second.spawn(spec, timeout=lab.patience))
    assert {(guest.uuid, guest.native_id) for guest in again} == {(made.uuid, made.native_id)}
    assert [guest.uuid for guest in lab.compute.instances(fresh=True)].count(spec.uuid) == 1


def not_at_all(_: Lab, __: Instance) -> None:
    """Change nothing more."""


def relabelled(lab: Lab, guest: Instance) -> None:
    """Change its labels."""
    lab.compute.update(guest, InstanceUpdate(labels={"conformance": "changed"}), timeout=lab.patience)


def renamed(lab: Lab, guest: Instance) -> None:
    """Change its name."""
    lab.compute.update(guest, InstanceUpdate(name=f"{guest.name}-renamed"), timeout=lab.patience)


@covers(Promise.SPAWN, Driver.spawn)
@pytest.mark.parametrize(
    "changed",
    [
        pytest.param(not_at_all, id="stopped"),
        pytest.param(relabelled, id="relabelled", marks=needs(Feature.UPDATE_LABELS)),
        pytest.param(renamed, id="renamed", marks=needs(Feature.UPDATE_NAME)),
    ],
)
def test_same_spawn_returns_a_changed_guest_as_it_is(lab: Lab, changed: Callable[[Lab, Instance], None]) -> None:
    """What was first asked for counts: the same spec finds a guest that was stopped or updated, and leaves it so."""
    spec = lab.spec(labels={"conformance": "first"})
    made = lab.compute.spawn(spec, timeout=lab.patience)
    lab.compute.power_off(made, mode=PowerOff.HARD, timeout=lab.patience)
    changed(lab, made)
    with leaving_as_is(lab, spec.uuid, "the same spawn again"):
        again = lab.second.spawn(spec, timeout=lab.patience)
    assert again.native_id == made.native_id
    assert again.power_state is PowerState.SHUTDOWN


@covers(Promise.SPAWN, Driver.spawn)
def test_other_spec_for_the_same_uuid_is_refused(lab: Lab, spec: InstanceSpec) -> None:
    """A uuid that was asked for with another spec is InstanceExists, whatever differs; the guest stays as it is."""
    lab.compute.spawn(spec, timeout=lab.patience)
    differences: dict[str, Any] = {
        "name": f"{spec.name}-2",
        "vcpus": spec.vcpus + 1,
        "memory_bytes": spec.memory_bytes + MiB(1),
        "labels": {"conformance": "other"},
        "power_on": False,
    }
    with leaving_as_is(lab, spec.uuid, "a refused spawn"):
        for field, value in differences.items():
            with pytest.raises(InstanceExists) as caught:
                lab.compute.spawn(replace(spec, **{field: value}), timeout=lab.patience)
            assert caught.value.state_after is StateAfter.UNCHANGED, field


@covers(Promise.OWNERSHIP, Driver.spawn)
def test_uuid_of_another_owner_is_refused(lab: Lab) -> None:
    """The same spec from another owner is InstanceExists; the guest stays whose it is."""
    spec = lab.spec(power_on=False)
    lab.other.spawn(spec, timeout=lab.patience)
    with leaving_as_is(lab, spec.uuid, "a refused spawn"), pytest.raises(InstanceExists):
        lab.compute.spawn(spec, timeout=lab.patience)
    assert lab.compute.instance(spec.uuid, fresh=True).owner == lab.target.other_owner


@covers(Promise.SPAWN, Driver.spawn)
def test_taken_name_makes_a_second_guest_or_is_refused(lab: Lab) -> None:
    """A second guest of the same name is a guest of its own, or InstanceExists where names must be unique."""
    first = lab.spawn(power_on=False)
    spec = lab.spec(name=first.name, power_on=False)
    try:
        lab.compute.spawn(spec, timeout=lab.patience)
    except InstanceExists:
        assert lab.compute.find(first.name).uuid == first.uuid
        assert not present(lab, spec.uuid)
    else:
        assert lab.compute.instance(spec.uuid, fresh=True).name == lab.compute.instance(first, fresh=True).name
        with pytest.raises(Ambiguous):
            lab.compute.find(first.name)


# --- places -----------------------------------------------------------------------------------------------------------


@covers(Promise.SPAWN)
@pytest.mark.parametrize("field", ["node", "pool", "folder", "host"])
def test_placement_that_is_not_there_is_refused(lab: Lab, field: str) -> None:
    """A placement that names a place which is not there is InvalidSpec and names the field; nothing is made."""
    places = {"pool": lab.target.pool} | {field: MISSING}
    check_refused(lab, lab.spec(placement=Placement(**places)), f"placement.{field}")  # type: ignore[arg-type]


@covers(Promise.SPAWN, Driver.spawn)
def test_network_that_is_not_there_is_refused(lab: Lab) -> None:
    """A NIC on a network which is not there is InvalidSpec and names the NIC; nothing is made."""
    check_refused(lab, lab.spec(nics=(Nic(network=MISSING),)), "nics[0].network")


@covers(Promise.SPAWN, Driver.spawn)
def test_pool_of_a_disk_that_is_not_there_is_refused(lab: Lab) -> None:
    """A disk in a storage pool which is not there is InvalidSpec and names the disk; nothing is made."""
    check_refused(lab, lab.spec(disks=(replace(lab.disk(), pool=MISSING),)), "disks[0].pool")


def check_refused(lab: Lab, spec: InstanceSpec, field: str) -> None:
    """See that a spec is refused for this field, and that nothing comes of it."""
    with leaving_nothing(lab, "a refused spawn"), pytest.raises(InvalidSpec) as caught:
        lab.compute.spawn(spec, timeout=lab.patience)
    assert caught.value.field == field
    assert not present(lab, spec.uuid)


@covers(Promise.SPAWN, Driver.spawn)
@pytest.mark.parametrize("kind", ["pool", "network"])
def test_only_place_may_be_left_out(lab: Lab, kind: str) -> None:
    """Where there is exactly one storage pool, or one network, a spec need not name it."""
    count = len(lab.compute.storage_pools() if kind == "pool" else lab.compute.networks())
    if count != 1:
        raise NotApplicable(f"there are {count} of them here")
    unnamed: dict[str, Any] = {"placement": Placement()} if kind == "pool" else {"nics": (Nic(),)}
    assert lab.spawn(power_on=False, **unnamed).lifecycle is Lifecycle.READY


# --- stages and hooks -------------------------------------------------------------------------------------------------


@covers(Promise.SPAWN, Driver.spawn)
def test_hooks_run_once_each_and_before_the_guest_does(lab: Lab, spec: InstanceSpec) -> None:
    """A spawn reaches NETWORK_READY and DISKS_READY, then BEFORE_START, once each; before, no guest runs."""
    reached: list[Stage] = []
    seen: list[PowerState | None] = []

    def hook(stage: Stage) -> Callable[[Operation[Any]], None]:
        def note(_: Operation[Any]) -> None:
            reached.append(stage)
            seen.append(power_state(lab, spec.uuid))

        return note

    guest = lab.compute.spawn(spec, timeout=lab.patience, hooks={stage: hook(stage) for stage in HOOKS})
    assert sorted(reached, key=HOOKS.index) == list(HOOKS), f"the hooks ran at: {[stage.value for stage in reached]}"
    assert reached[-1] is Stage.BEFORE_START
    assert all(state in NOT_YET_RUNNING for state in seen), f"the guest was seen as {seen} from within its hooks"
    assert guest.power_state is PowerState.RUNNING


@covers(Promise.SPAWN, Driver.spawn)
@each_hook
def test_spawn_whose_hook_fails_leaves_nothing(lab: Lab, spec: InstanceSpec, stage: Stage) -> None:
    """A hook that raises makes the spawn fail with HookFailed, which names the stage; all that was made is removed."""
    fault = RuntimeError("no cable")

    def hook(_: Operation[Any]) -> None:
        raise fault

    with leaving_nothing(lab, "the failed spawn"), pytest.raises(HookFailed) as caught:
        lab.compute.spawn(spec, timeout=lab.patience, hooks={stage: hook})
    assert caught.value.stage == stage.value
    assert caught.value.__cause__ is fault
    assert caught.value.state_after is StateAfter.UNCHANGED
    assert not caught.value.leftovers
    check_gone(lab, spec.uuid)


@covers(Promise.SPAWN, Driver.spawn, Driver.destroy)
def test_spawn_cancelled_at_any_stage_leaves_nothing_or_a_guest(lab: Lab, spec: InstanceSpec) -> None:
    """A cancel at any stage ends in CANCELLED with nothing left, or comes too late and the guest is whole."""
    for stage in stages_of_a_spawn(lab, spec):
        with leaving_nothing(lab, f"the spawn that was cancelled at '{stage}'"):
            operation = lab.compute.submit.spawn(spec, timeout=lab.patience, on_progress=cancelling_at(stage))
            assert operation.wait(lab.patience), f"the spawn did not end after it was cancelled at '{stage}'"
            if operation.state is OperationState.COMPLETED:
                assert lab.compute.instance(spec.uuid, fresh=True).power_state is PowerState.RUNNING
                assert lab.compute.destroy(spec.uuid, timeout=lab.patience)
            else:
                assert operation.state is OperationState.CANCELLED, f"at '{stage}': {operation.error}"
        check_gone(lab, spec.uuid)


def stages_of_a_spawn(lab: Lab, spec: InstanceSpec) -> list[str]:
    """The stages that a spawn goes through here, in order; the guest is gone again."""
    stages: list[str] = []
    lab.compute.spawn(spec, timeout=lab.patience, on_progress=lambda operation: stages.append(operation.stage))
    lab.compute.destroy(spec.uuid, timeout=lab.patience)
    return list(dict.fromkeys(stages))


def cancelling_at(stage: str) -> Callable[[Operation[Any]], None]:
    """Cancels an operation when it reaches a stage."""

    def look(operation: Operation[Any]) -> None:
        if operation.stage == stage:
            operation.cancel()

    return look


def power_state(lab: Lab, guest: UUID) -> PowerState | None:
    """A guest's power state; None when there is none, or only a machine that is made ready for it and may be on."""
    try:
        seen = lab.second.instance(guest, fresh=True)
    except InstanceNotFound:
        return None
    return None if lab.whole_nodes and seen.lifecycle is Lifecycle.BUILDING else seen.power_state

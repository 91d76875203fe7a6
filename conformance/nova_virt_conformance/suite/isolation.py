"""Isolation: a driver could live in another process, since all that crosses the contract survives being sent.

These tests work through a connection of which both sides see decoded copies only. A run with ``--conformance-loopback``
does so for all tests; every other run encodes and decodes what each call of each test is asked and answers.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, Final

import pytest

from nova_virt_api.capability import Capability, Feature
from nova_virt_api.compute.compute import Compute
from nova_virt_api.compute.operation import Operation, OperationState
from nova_virt_api.driver.console import Console
from nova_virt_api.driver.console_log import ConsoleLog
from nova_virt_api.driver.driver import Driver
from nova_virt_api.driver.operation import Stage
from nova_virt_api.driver.pause import Pause
from nova_virt_api.driver.snapshot import Snapshot
from nova_virt_api.driver.suspend import Suspend
from nova_virt_api.errors import (
    Cancelled,
    HookFailed,
    InstanceExists,
    InstanceNotFound,
    InvalidState,
    Timeout,
    VirtError,
)
from nova_virt_api.model.capabilities import Capabilities
from nova_virt_api.model.cloud_init import CloudInit
from nova_virt_api.model.instance import Instance, PowerOff, PowerState
from nova_virt_api.model.spec import InstanceUpdate
from nova_virt_conformance.calls import console, console_log, snapshot
from nova_virt_conformance.covers import covers, needs
from nova_virt_conformance.event_log import SLACK, subscribed
from nova_virt_conformance.lab import Lab
from nova_virt_conformance.loopback.codec import Codec
from nova_virt_conformance.outcome import NotApplicable
from nova_virt_conformance.promise import Promise

HOOKED: Final = (Stage.DISKS_READY, Stage.BEFORE_START)


@covers(
    Promise.ISOLATION,
    Driver.capabilities,
    Driver.nodes,
    Driver.inventory,
    Driver.instances,
    Driver.instance,
    Driver.storage_pools,
    Driver.networks,
    Driver.leftovers,
    Driver.doctor,
)
def test_reads_can_be_sent(lab: Lab, stopped: Instance) -> None:
    """What reads answer is the same for a user in another process."""
    with apart(lab) as far:
        near = lab.compute
        assert unmeasured(far.capabilities()) == unmeasured(near.capabilities())
        assert sorted(node.name for node in far.nodes()) == sorted(node.name for node in near.nodes())
        assert far.inventory(stopped.node).node == near.inventory(stopped.node).node
        assert {pool.name for pool in far.storage_pools()} == {pool.name for pool in near.storage_pools()}
        assert {network.name for network in far.networks()} == {network.name for network in near.networks()}
        assert far.instance(stopped, fresh=True) == near.instance(stopped, fresh=True)
        assert stopped.uuid in {guest.uuid for guest in far.instances(fresh=True)}
        assert stopped.uuid not in {leftover.uuid for leftover in far.leftovers()}
        assert {check.name for check in lab.driver(far).doctor()} == {check.name for check in lab.driver(near).doctor()}


def unmeasured(found: Capabilities) -> Capabilities:
    """The same without what each connection may measure for itself."""
    return replace(found, staleness_seconds=0.0, event_latency_seconds=0.0)


@covers(Promise.ISOLATION, Driver.spawn, Driver.power_on, Driver.power_off, Driver.reboot, Driver.destroy)
def test_verbs_can_be_sent(lab: Lab) -> None:
    """A guest's life can be led from another process."""
    with apart(lab) as far:
        spec = lab.spec(power_on=False, labels={"conformance": "apart"})
        guest = far.spawn(spec, timeout=lab.patience)
        assert dict(guest.labels) == dict(spec.labels)
        far.power_on(guest, timeout=lab.patience)
        far.reboot(guest, mode=PowerOff.HARD, timeout=lab.patience)
        assert far.instance(guest).power_state is PowerState.RUNNING
        far.power_off(guest, mode=PowerOff.HARD, grace_seconds=0.0, timeout=lab.patience)
        assert far.instance(guest).power_state is PowerState.SHUTDOWN
        assert far.destroy(guest, timeout=lab.patience) is True
        assert far.destroy(guest, timeout=lab.patience) is False


@covers(Promise.ISOLATION, Driver.spawn)
def test_request_that_was_sent_is_the_same_request(lab: Lab) -> None:
    """A spec that was encoded and decoded has the same fingerprint, so its spawn finds the guest."""
    spec = lab.spec(power_on=False, labels={"conformance": "twice"})
    guest = lab.compute.spawn(spec, timeout=lab.patience)
    with apart(lab) as far:
        assert far.spawn(spec, timeout=lab.patience).native_id == guest.native_id


@covers(Promise.ISOLATION, Driver.spawn)
@needs(Feature.CLOUD_INIT)
def test_first_boot_data_can_be_sent(lab: Lab) -> None:
    """First-boot data arrives as it was given."""
    data = CloudInit(
        user_data="#cloud-config\nruncmd: ['echo \U0001f600 ä \\\\']\n", ssh_authorized_keys=["ssh-ed25519 A"]
    )
    spec = lab.spec(power_on=False, cloud_init=data)
    guest = lab.compute.spawn(spec, timeout=lab.patience)
    with apart(lab) as far:
        assert far.spawn(spec, timeout=lab.patience).native_id == guest.native_id


@covers(Promise.ISOLATION, Driver.update)
@needs(Feature.UPDATE_LABELS)
def test_update_can_be_sent(lab: Lab, stopped: Instance) -> None:
    """An update, and the guest that comes of it, can be sent."""
    with apart(lab) as far:
        changed = far.update(stopped, InstanceUpdate(labels={"conformance": "apart"}), timeout=lab.patience)
        assert dict(changed.labels) == {"conformance": "apart"}
    assert dict(lab.compute.instance(stopped, fresh=True).labels) == {"conformance": "apart"}


@covers(Promise.ISOLATION, Capability.PAUSE, Pause.pause, Pause.unpause)
def test_pause_can_be_sent(lab: Lab, running: Instance) -> None:
    """Pause and unpause can be sent."""
    with apart(lab) as far:
        far.pause(running, timeout=lab.patience)
        assert far.instance(running).power_state is PowerState.PAUSED
        far.unpause(running, timeout=lab.patience)
        assert far.instance(running).power_state is PowerState.RUNNING


@covers(Promise.ISOLATION, Capability.SUSPEND, Suspend.suspend, Suspend.resume)
def test_suspend_can_be_sent(lab: Lab, running: Instance) -> None:
    """Suspend and resume can be sent."""
    with apart(lab) as far:
        far.suspend(running, timeout=lab.patience)
        assert far.instance(running).power_state is PowerState.SUSPENDED
        far.resume(running, timeout=lab.patience)
        assert far.instance(running).power_state is PowerState.RUNNING


@covers(Promise.ISOLATION, Capability.SNAPSHOT, Snapshot.snapshot)
def test_snapshot_can_be_sent(lab: Lab, stopped: Instance) -> None:
    """A snapshot's target, and what is known of the image, can be sent."""
    with apart(lab) as far:
        snapshot(far, stopped, lab)
    (lab.directory / f"{stopped.uuid}.qcow2").unlink()


@covers(Promise.ISOLATION, Capability.CONSOLE, Console.console)
def test_console_can_be_sent(lab: Lab, running: Instance) -> None:
    """A console's address, with its ticket, can be sent."""
    near = console(lab.compute, running, lab)
    with apart(lab) as far:
        assert type(console(far, running, lab)) is type(near)


@covers(Promise.ISOLATION, Capability.CONSOLE_LOG, ConsoleLog.console_log)
def test_console_log_can_be_sent(lab: Lab, stopped: Instance) -> None:
    """What a guest wrote can be sent, whatever bytes that are."""
    with apart(lab) as far:
        assert console_log(far, stopped, lab) == console_log(lab.compute, stopped, lab)


@covers(Promise.ISOLATION, Promise.ERRORS, Driver.instance, Driver.spawn)
def test_errors_can_be_sent(lab: Lab) -> None:
    """An error arrives as the class of the contract, with all that it says."""
    spec = lab.spec(power_on=False)
    guest = lab.compute.spawn(spec, timeout=lab.patience)
    other = lab.spec(uuid=spec.uuid, name=spec.name, vcpus=2, power_on=False)
    with apart(lab) as far:
        for compute in (lab.compute, far):
            with pytest.raises(InstanceExists) as exists:
                compute.spawn(other, timeout=lab.patience)
            with pytest.raises(InstanceNotFound) as missing:
                compute.instance(lab.spec().uuid)
            check_told(exists.value, InstanceExists)
            check_told(missing.value, InstanceNotFound)
        assert far.instance(guest).uuid == guest.uuid


@covers(Promise.ISOLATION, Capability.PAUSE, Pause.pause)
def test_refusal_can_be_sent(lab: Lab, stopped: Instance) -> None:
    """The states of an InvalidState are states on the other side too."""
    with apart(lab) as far, pytest.raises(InvalidState) as caught:
        far.pause(stopped, timeout=lab.patience)
    assert caught.value.current is PowerState.SHUTDOWN
    assert PowerState.RUNNING in caught.value.required


@covers(Promise.ISOLATION, Promise.EVENTS, Driver.events)
def test_events_can_be_sent(lab: Lab, stopped: Instance) -> None:
    """Events reach a watcher in another process, and end when it says so."""
    with apart(lab) as far:
        within = far.capabilities().event_latency_seconds + SLACK
        with subscribed(lab.driver(far)) as log:
            lab.compute.power_on(stopped, timeout=lab.patience)
            assert log.wait(lambda: log.shows(stopped.uuid, PowerState.RUNNING), within), f"told: {log.events}"
            lab.compute.destroy(stopped, timeout=lab.patience)
            assert log.wait(lambda: log.gone(stopped.uuid), within), f"told: {log.events}"


@covers(Promise.ISOLATION, Promise.OPERATIONS, Driver.spawn)
def test_stages_progress_and_hooks_can_be_sent(lab: Lab) -> None:
    """Stages and progress come back while the verb runs, and hooks run where the caller is."""
    reached: list[str] = []
    stages: list[str] = []

    def note(operation: Operation[Any]) -> None:
        stages.append(operation.stage)

    hooks = dict.fromkeys(HOOKED, lambda operation: reached.append(operation.stage))
    with apart(lab) as far:
        far.spawn(lab.spec(), timeout=lab.patience, hooks=hooks, on_progress=note)
    assert sorted(reached) == sorted(stage.value for stage in HOOKED)
    assert Stage.BEFORE_START.value in stages


@covers(Promise.ISOLATION, Promise.OPERATIONS, Driver.spawn)
def test_failure_of_a_hook_comes_home(lab: Lab) -> None:
    """A hook's own exception, which cannot be sent, is the cause of the error all the same; nothing is left."""
    trouble = RuntimeError("the hook's own")

    def fail(_: Operation[Any]) -> None:
        raise trouble

    with apart(lab) as far, pytest.raises(HookFailed) as caught:
        far.spawn(lab.spec(), timeout=lab.patience, hooks={Stage.DISKS_READY: fail})
    assert caught.value.__cause__ is trouble


@covers(Promise.ISOLATION, Promise.OPERATIONS, Driver.spawn)
def test_cancel_can_be_sent(lab: Lab) -> None:
    """A request to cancel reaches the driver in another process, and the spawn leaves nothing."""

    def give_up(operation: Operation[Any]) -> None:
        operation.cancel()

    with apart(lab) as far:
        operation = far.submit.spawn(lab.spec(), hooks={Stage.DISKS_READY: give_up})
        with pytest.raises(Cancelled):
            operation.result()
        assert operation.state is OperationState.CANCELLED


@covers(Promise.ISOLATION, Promise.OPERATIONS, Driver.spawn)
def test_deadline_can_be_sent(lab: Lab) -> None:
    """A deadline that passes ends the work of a driver in another process; nothing is left."""

    def dawdle(operation: Operation[Any]) -> None:
        time.sleep(max(0.0, operation.deadline - time.monotonic()) + 0.01)

    with apart(lab) as far:
        operation = far.submit.spawn(lab.spec(), timeout=0.3, hooks={Stage.DISKS_READY: dawdle})
        with pytest.raises(Timeout):
            operation.result()
        assert operation.wait(lab.patience), "the spawn went on after its deadline"


@covers(Promise.ISOLATION, Feature.EXTRAS)
def test_extras_can_be_sent(lab: Lab) -> None:
    """The driver's own types for specs are ones that can be sent."""
    extras = lab.raw(lab.compute).extras
    if not extras:
        raise NotApplicable("the driver has no types of its own")
    codec = Codec(extras)
    for kind in extras:
        assert codec.knows(kind), (
            f"{kind.__name__} cannot be sent; let it be a frozen dataclass of the contract's types"
        )


@contextmanager
def apart(lab: Lab) -> Iterator[Compute]:
    """A connection whose driver could be in another process."""
    compute = lab.connect_apart()
    try:
        yield compute
    finally:
        lab.disconnect(compute)


def check_told(error: VirtError, kind: type[VirtError]) -> None:
    """See that an error has what one of its class has."""
    assert type(error) is kind
    assert (error.code, error.retryable) == (kind.code, kind.retryable)
    assert error.message
    assert error.public_message

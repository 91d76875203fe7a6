"""Counters of all guests in one call."""

from __future__ import annotations

import dataclasses
import time
from typing import TYPE_CHECKING, Final

from nova_virt_api.capability import Capability
from nova_virt_api.driver.driver import Driver
from nova_virt_api.driver.metrics import Metrics
from nova_virt_api.model.instance import Instance, PowerOff
from nova_virt_api.model.metrics import DiskMetrics, GuestMetrics, NicMetrics
from nova_virt_conformance.covers import covers
from nova_virt_conformance.lab import Lab
from nova_virt_conformance.outcome import NotApplicable

if TYPE_CHECKING:
    from collections.abc import Iterable
    from uuid import UUID

    from nova_virt_api.compute.compute import Compute

SLACK: Final = 5.0
"""Seconds by which clocks may differ."""


@covers(Capability.METRICS, Metrics.metrics)
def test_samples_are_well_formed(lab: Lab, running: Instance) -> None:
    """Each sample is of one guest; what is counted is a number that is not negative."""
    for compute in (lab.compute, lab.other):
        began = time.time()
        samples = compute.metrics()
        assert len({sample.uuid for sample in samples}) == len(samples), "a guest twice"
        for sample in samples:
            assert type(sample) is GuestMetrics
            assert began - SLACK <= sample.at <= time.time() + SLACK
            check_numbers(sample)
            check_numbers(*(sample.disks or ()), *(sample.nics or ()))
        assert running.uuid in {sample.uuid for sample in samples}


@covers(Capability.METRICS, Metrics.metrics, Driver.power_off, Driver.power_on)
def test_only_guests_that_are_on_are_sampled(lab: Lab, stopped: Instance) -> None:
    """A guest has a sample from its start to its end."""
    assert sample_of(lab.compute, stopped.uuid) is None
    lab.compute.power_on(stopped, timeout=lab.patience)
    assert sample_of(lab.compute, stopped.uuid) is not None
    lab.compute.power_off(stopped, mode=PowerOff.HARD, timeout=lab.patience)
    assert sample_of(lab.compute, stopped.uuid) is None


@covers(Capability.METRICS, Metrics.metrics)
def test_counters_grow(lab: Lab, running: Instance) -> None:
    """While a guest runs, no counter runs backwards."""
    first = sample_of(lab.compute, running.uuid)
    second = sample_of(lab.compute, running.uuid)
    assert first is not None
    assert second is not None
    assert (second.cpu_seconds or 0.0) >= (first.cpu_seconds or 0.0)
    if first.disks is None or second.disks is None:
        raise NotApplicable("the backend counts nothing of disks")
    assert len(first.disks) == len(second.disks) > 0
    for before, after in zip(first.disks, second.disks, strict=True):
        assert (after.device, after.read_bytes >= before.read_bytes) == (before.device, True)
        assert after.write_bytes >= before.write_bytes


@covers(Capability.METRICS, Metrics.metrics)
def test_samples_take_as_many_requests_for_many(lab: Lab, running: Instance) -> None:
    """One more guest takes no more requests."""
    alone = requests_of_samples(lab)
    lab.spawn()
    assert requests_of_samples(lab) <= alone, "each guest costs a request"


@covers(Capability.METRICS, Metrics.metrics)
def test_a_guest_that_hangs_does_not_hide_the_others(lab: Lab, running: Instance) -> None:
    """Of a guest that hangs there is less, of the others there is all."""
    other = lab.spawn()
    whole = sample_of(lab.compute, other.uuid)
    assert whole is not None
    with lab.rig.hang(running):
        lab.compute.metrics()  # the first may have to find out
        seen = sample_of(lab.compute, other.uuid)
    assert seen is not None
    assert (seen.disks is None, seen.nics is None) == (whole.disks is None, whole.nics is None)


def check_numbers(*found: GuestMetrics | DiskMetrics | NicMetrics) -> None:
    """See that no number is negative."""
    for sample in found:
        for field in dataclasses.fields(sample):
            value = getattr(sample, field.name)
            assert not isinstance(value, int | float) or value >= 0, f"{field.name} is {value}"


def sample_of(compute: Compute, uuid: UUID) -> GuestMetrics | None:
    """The guest's sample, if there is one."""
    samples: Iterable[GuestMetrics] = compute.metrics()
    return next((sample for sample in samples if sample.uuid == uuid), None)


def requests_of_samples(lab: Lab) -> int:
    """Requests that a sampling takes; the least of several, as events come."""
    counts = []
    for _ in range(3):
        before = lab.rig.requests(lab.compute)
        lab.compute.metrics()
        counts.append(lab.rig.requests(lab.compute) - before)
    return min(counts)

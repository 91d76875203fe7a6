"""A closer look at one guest."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, Final

from nova_virt_api.capability import Capability
from nova_virt_api.driver.diagnostics import Diagnostics
from nova_virt_api.driver.driver import Driver
from nova_virt_api.model.diagnostics import Diagnosis
from nova_virt_api.model.instance import Instance, PowerOff
from nova_virt_conformance.aftermath import leaving_as_is
from nova_virt_conformance.covers import covers
from nova_virt_conformance.lab import Lab

if TYPE_CHECKING:
    from nova_virt_api.compute.compute import Compute

SLACK: Final = 5.0
"""Seconds by which clocks may differ, or are rounded."""


@covers(Capability.DIAGNOSTICS, Diagnostics.diagnostics)
def test_diagnosis_is_well_formed(lab: Lab, running: Instance) -> None:
    """A diagnosis fits the guest's listing; numbers are numbers, incidents come the latest first."""
    for compute in (lab.compute, lab.second):
        found = compute.diagnostics(running)
        assert type(found) is Diagnosis
        assert found.health == compute.instance(running, fresh=True).health
        for name in ("uptime_seconds", "cpu_seconds", "memory_used_bytes"):
            value = getattr(found, name)
            assert value is None or (math.isfinite(value) and value >= 0), f"{name} is {value}"
        check_sensors(found)
        check_incidents(found)


@covers(Capability.DIAGNOSTICS, Diagnostics.diagnostics, Driver.power_off, Driver.power_on)
def test_uptime_begins_with_the_last_start(lab: Lab) -> None:
    """How long a guest has been up is counted from its last start; one that is off has no uptime."""
    began = time.monotonic()
    guest = lab.spawn()
    check_uptime(lab.compute, guest, time.monotonic() - began)
    lab.compute.power_off(guest, mode=PowerOff.HARD, timeout=lab.patience)
    assert not lab.compute.diagnostics(guest).uptime_seconds, "the guest is off, and has been up for a time"
    began = time.monotonic()
    lab.compute.power_on(guest, timeout=lab.patience)
    check_uptime(lab.compute, guest, time.monotonic() - began)


@covers(Capability.DIAGNOSTICS, Diagnostics.diagnostics)
def test_diagnosis_is_a_read(lab: Lab, stopped: Instance) -> None:
    """A look at a guest changes nothing; others may look too."""
    with leaving_as_is(lab, stopped.uuid, "a diagnosis"):
        lab.compute.diagnostics(stopped)
        lab.other.diagnostics(stopped)


@covers(Capability.DIAGNOSTICS, Diagnostics.diagnostics)
def test_diagnosis_of_a_foreign_guest(lab: Lab) -> None:
    """Guests of other making can be looked at as well."""
    with lab.rig.foreign_guest("conformance-ill") as uuid:
        found = lab.compute.diagnostics(uuid)
        check_sensors(found)
        check_incidents(found)


def check_uptime(compute: Compute, guest: Instance, most: float) -> None:
    """See that a guest was not up before it was started."""
    told = compute.diagnostics(guest).uptime_seconds
    assert told is None or told <= most + SLACK, f"started {most:.0f} s ago at most, and up for {told:.0f} s"


def check_sensors(found: Diagnosis) -> None:
    """See that each sensor says what it measures."""
    assert len({sensor.name for sensor in found.sensors}) == len(found.sensors), "a sensor twice"
    for sensor in found.sensors:
        assert sensor.name.strip()
        assert sensor.kind.strip(), f"the sensor {sensor.name} measures nothing"
        assert sensor.value is None or math.isfinite(sensor.value), f"{sensor.name} reads {sensor.value}"


def check_incidents(found: Diagnosis) -> None:
    """See that each incident says what happened, and that the latest comes first."""
    times = [incident.at for incident in found.incidents]
    assert times == sorted(times, reverse=True), "incidents are not in order"
    for incident in found.incidents:
        assert 0 < incident.at <= time.time() + SLACK, f"{incident.kind} happened at {incident.at}"
        assert incident.kind.strip()
        assert incident.message.strip(), f"{incident.kind}: nobody says what happened"

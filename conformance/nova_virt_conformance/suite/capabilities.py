"""What an endpoint says that it can do."""

from __future__ import annotations

import math
import time
from typing import Final

import pytest

from nova_virt_api.capability import Capability, Feature
from nova_virt_api.compute.compute import Compute
from nova_virt_api.driver.driver import Driver
from nova_virt_api.driver.role import roles_of
from nova_virt_api.errors import InvalidSpec, NotSupported
from nova_virt_conformance.contract import roles
from nova_virt_conformance.covers import covers
from nova_virt_conformance.lab import Lab
from nova_virt_conformance.promise import Promise

CHEAP: Final = 0.25
"""Seconds that the middle one of the answers may take: it is asked for before every verb."""

MANY: Final = 20
LATEST: Final = 60.0
"""Seconds after which a watcher, or a reader who did not ask for fresh data, could as well look for itself."""


@covers(Promise.CAPABILITIES, Driver.capabilities)
def test_every_role_of_the_class_has_an_answer(lab: Lab) -> None:
    """There is an answer for every role that the driver's class has."""
    answers = lab.compute.capabilities().answers
    own = {role.capability for role in roles_of(type(lab.raw(lab.compute)))}
    missing = sorted(capability.value for capability in own - answers.keys() if capability is not None)
    assert not missing, f"no answer for {', '.join(missing)}"


@covers(Promise.CAPABILITIES, Driver.capabilities)
def test_every_feature_has_an_answer(compute: Compute) -> None:
    """There is an answer for every feature that was there when the driver's contract was made."""
    missing = sorted(feature.value for feature in set(Feature) - compute.capabilities().answers.keys())
    assert not missing, f"no answer for {', '.join(missing)}"


@covers(Promise.CAPABILITIES, Driver.capabilities)
def test_no_role_is_declared_that_is_not_there(lab: Lab) -> None:
    """A role that is said to be available is one that the driver's class has."""
    answers = lab.compute.capabilities()
    own = {role.capability for role in roles_of(type(lab.raw(lab.compute)))}
    made_up = sorted(what.value for what in Capability if answers.has(what) and what not in own)
    assert not made_up, f"declared and not there: {', '.join(made_up)}"


@covers(Promise.CAPABILITIES, Driver.capabilities)
def test_unavailable_has_a_reason(compute: Compute) -> None:
    """What is not available has a reason in a few words, and what is available has none."""
    for what, answer in compute.capabilities().answers.items():
        if answer.available:
            assert not answer.reason, f"{what.value} is available and has a reason not to be: {answer.reason}"
        else:
            assert answer.reason.strip(), f"{what.value} is not available, and nobody says why"
            assert "\n" not in answer.reason


@covers(Promise.CAPABILITIES, Driver.capabilities)
def test_missing_role_is_refused_before_the_driver(lab: Lab) -> None:
    """A role that is not available is refused as NotSupported, with the endpoint's reason."""
    answers = lab.compute.capabilities()
    for role in roles():
        if role.capability is None or answers.has(role.capability):
            continue
        with pytest.raises(NotSupported) as caught:
            lab.compute.role(role)
        assert caught.value.reason


@covers(Promise.CAPABILITIES, Driver.capabilities)
def test_capabilities_name_driver_and_backend(lab: Lab) -> None:
    """Driver and backend are named with their versions."""
    said = lab.compute.capabilities()
    assert said.driver == lab.target.driver
    for name in ("driver_version", "backend", "backend_version"):
        value = getattr(said, name)
        assert isinstance(value, str), f"{name} is {value!r}"
        assert value.strip(), f"{name} is empty"


@covers(Promise.CAPABILITIES, Driver.capabilities)
def test_capabilities_are_stable_and_cheap(compute: Compute) -> None:
    """As long as nothing changes the answers are the same, and they cost little."""
    first, took = compute.capabilities(), []
    for _ in range(5):
        began = time.monotonic()
        assert compute.capabilities() == first
        took.append(time.monotonic() - began)
    assert sorted(took)[2] < CHEAP, f"capabilities() took {sorted(took)[2]:.2f} s"


@covers(Promise.CAPABILITIES, Driver.capabilities, Driver.nodes)
def test_capabilities_of_each_node(compute: Compute) -> None:
    """Every node has its answers, for the same questions; of many nodes, some are asked."""
    asked = compute.capabilities().answers.keys()
    for node in compute.nodes()[:MANY]:
        assert compute.capabilities(node.name).answers.keys() == asked


@covers(Promise.CAPABILITIES, Driver.capabilities)
def test_capabilities_of_an_unknown_node(compute: Compute) -> None:
    """A node that is not there is an InvalidSpec."""
    with pytest.raises(InvalidSpec) as caught:
        compute.capabilities("conformance-no-such-node")
    assert caught.value.field == "node"


@covers(Promise.CAPABILITIES, Driver.capabilities)
def test_staleness_and_latency_are_times(compute: Compute) -> None:
    """How old reads and how late events may be is said in seconds, and short enough to be of use."""
    said = compute.capabilities()
    for name in ("staleness_seconds", "event_latency_seconds"):
        value = getattr(said, name)
        assert isinstance(value, int | float), f"{name} is {value!r}"
        assert math.isfinite(value), f"{name} is {value}"
        assert 0 <= value <= LATEST, f"{name} is {value}"

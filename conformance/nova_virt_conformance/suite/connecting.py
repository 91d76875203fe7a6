"""Finding, opening and closing a driver."""

from __future__ import annotations

import re
import time
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import entry_points, requires
from typing import Final

import pytest

from nova_virt_api.compute.compute import Compute
from nova_virt_api.driver.driver import Driver
from nova_virt_api.errors import AuthenticationFailed, DriverBug, InstanceNotFound, Unavailable, VirtError
from nova_virt_api.loading import list_drivers, load_driver
from nova_virt_api.model.instance import Instance
from nova_virt_conformance.covers import covers
from nova_virt_conformance.io_watch import watching_io
from nova_virt_conformance.lab import Lab
from nova_virt_conformance.promise import Promise

QUICK: Final = 1.0
"""Seconds in which a driver is made: it only keeps what it is told."""

THREADS: Final = 8
COMMON: Final = "nova-virt-api"


@covers(Promise.CONNECTING)
def test_driver_is_found_and_loaded(lab: Lab) -> None:
    """An installed distribution offers the driver, it is loaded by its name, and nothing is wrong with it."""
    loaded = load_driver(lab.target.driver)
    listed = [driver for driver in list_drivers() if driver.name == lab.target.driver]
    assert [driver.problem for driver in listed] == [None]
    assert loaded.distribution == listed[0].distribution
    assert loaded.version == listed[0].version
    assert issubclass(loaded.driver_class, Driver)


@covers(Promise.CONNECTING)
def test_distribution_says_which_api_it_supports(lab: Lab) -> None:
    """The driver's distribution requires a range of nova-virt-api with both ends, unless it is a part of that."""
    distribution = load_driver(lab.target.driver).distribution
    if distribution == COMMON:
        return
    ranges = [line for line in requires(distribution) or () if re.match(rf"{COMMON}\b(?!-)", line)]
    assert ranges, f"{distribution} does not require {COMMON}"
    assert any("<" in line and ">" in line for line in ranges), f"no range with both ends: {', '.join(ranges)}"


@covers(Promise.CONNECTING, Driver.options)
def test_options_are_published(lab: Lab) -> None:
    """The driver's options are what its distribution publishes for oslo.config, in the group named after the driver."""
    own = list(lab.driver(lab.compute).options())
    distribution = load_driver(lab.target.driver).distribution
    published = [
        option
        for entry in entry_points(group="oslo.config.opts")
        if entry.dist is not None and entry.dist.name == distribution  # importing what others publish may do anything
        for group, options in entry.load()()
        if str(group) == lab.target.driver
        for option in options
    ]
    assert sorted(published, key=lambda option: option.name) == sorted(own, key=lambda option: option.name)
    assert all(option.help for option in own), "an option without help"


@covers(Promise.CONNECTING)
def test_driver_does_no_io_before_open(lab: Lab) -> None:
    """A driver is made at once and reaches out for nothing, even where nobody would answer."""
    options = lab.rig.broken_options(Unavailable)
    began = time.monotonic()
    with watching_io() as reached:
        driver = lab.make_driver(**options)
    took = time.monotonic() - began
    driver.close()
    assert not reached, f"making the driver caused {', '.join(reached)}"
    assert took < QUICK, f"making the driver took {took:.1f} s"


@covers(Promise.CONNECTING, Promise.ERRORS, Driver.open)
@pytest.mark.parametrize("kind", [Unavailable, AuthenticationFailed], ids=lambda kind: kind.__name__)
def test_failed_open_says_what_to_do(lab: Lab, kind: type[VirtError]) -> None:
    """Connecting to what does not answer, or does not accept the account, fails with the right error and a hint."""
    options = lab.rig.broken_options(kind)
    with pytest.raises(VirtError) as caught:
        lab.connect(**options)
    assert type(caught.value).code == kind.code
    assert caught.value.message
    assert caught.value.hint, "the error does not say what to do"


@covers(Promise.CONNECTING, Driver.open, Driver.close)
def test_close_after_failed_open(lab: Lab) -> None:
    """A driver that could not be opened can be closed, more than once."""
    driver = lab.seen(lab.make_driver(**lab.rig.broken_options(Unavailable)))
    with pytest.raises(Unavailable):
        driver.open()
    driver.close()
    driver.close()


@covers(Promise.CONNECTING, Driver.close)
def test_close_without_open(lab: Lab) -> None:
    """A driver that was never opened can be closed."""
    lab.seen(lab.make_driver()).close()


@covers(Promise.CONNECTING, Driver.close)
def test_close_is_idempotent(lab: Lab) -> None:
    """A connection can be closed more than once."""
    compute = lab.connect()
    compute.close()
    compute.close()


@covers(Promise.CONNECTING, Driver.instances, Driver.power_on)
def test_closed_connection_refuses(lab: Lab, stopped: Instance) -> None:
    """After close, reads and verbs end in an error of this API, and nothing happens."""
    driver = lab.seen(lab.make_driver())
    driver.open()
    driver.close()
    compute = Compute(driver)
    for call in (lambda: compute.instances(fresh=True), lambda: compute.power_on(stopped, timeout=QUICK)):
        with pytest.raises(VirtError) as caught:
            call()
        assert not isinstance(caught.value, DriverBug), caught.value
    assert lab.compute.instance(stopped, fresh=True).power_state is stopped.power_state


@covers(Promise.CONNECTING, Driver.instance)
def test_connections_side_by_side(lab: Lab, running: Instance) -> None:
    """Connections of one process see the same guests, and closing one does not disturb another."""
    beside = lab.connect()
    assert beside.instance(running.uuid, fresh=True).power_state is running.power_state
    lab.disconnect(beside)
    assert lab.compute.instance(running.uuid, fresh=True).uuid == running.uuid
    assert lab.second.instance(running.uuid, fresh=True).uuid == running.uuid


@covers(Promise.CONNECTING, Driver.instances, Driver.instance, Driver.inventory, Driver.storage_pools)
def test_eight_threads_read_at_once(lab: Lab, running: Instance) -> None:
    """One connection serves eight threads."""
    compute = lab.compute

    def read(_: int) -> None:
        assert compute.instance(running, fresh=True).uuid == running.uuid
        assert running.uuid in {guest.uuid for guest in compute.instances(fresh=True)}
        assert compute.inventory(running.node).resources
        assert bool(compute.storage_pools()) == bool(lab.target.pools)
        with pytest.raises(InstanceNotFound):
            compute.instance(lab.spec().uuid)

    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(read, range(THREADS)))


@covers(Promise.CONNECTING, Driver.native)
def test_native_handle_is_lent(compute: Compute) -> None:
    """The SDK's own handle is lent out, the same kind each time, and the connection works on."""
    with compute.native() as handle:
        kind = type(handle)
    with compute.native() as handle:
        assert type(handle) is kind
    assert compute.nodes()


@covers(Promise.CONNECTING, Promise.SECRETS, Driver.doctor)
@pytest.mark.parametrize("kind", [None, Unavailable, AuthenticationFailed], ids=["fine", "unavailable", "refused"])
def test_doctor_looks_without_open(lab: Lab, kind: type[VirtError] | None) -> None:
    """The doctor looks at an endpoint that is not open, raises for nothing that it finds, and says how to mend it."""
    options = {} if kind is None else lab.rig.broken_options(kind)
    driver = lab.seen(lab.make_driver(**options))
    for check in driver.doctor():
        assert check.name, "a check without a name"
        assert check.found, f"{check.name}: nothing is said of what was found"
        assert check.ok or check.fix, f"{check.name}: nothing is said of how to mend it"
        for text in (check.name, check.found, check.fix):
            assert "\n" not in text, f"{check.name}: more than one line"
            lab.secrets.look(text, f"the doctor's check '{check.name}'")
    driver.close()

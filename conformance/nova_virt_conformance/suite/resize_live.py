"""Giving running guests CPUs and memory, and taking them away, within the ceilings of their specs."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

import pytest

from nova_virt_api.capability import Capability, Feature
from nova_virt_api.driver.driver import Driver
from nova_virt_api.driver.resize import Resize
from nova_virt_api.errors import InvalidSpec, StateAfter
from nova_virt_api.model.cloud_init import CloudInit
from nova_virt_api.model.instance import PowerOff
from nova_virt_api.model.size import Size
from nova_virt_api.model.units import MiB
from nova_virt_conformance.aftermath import leaving_as_is
from nova_virt_conformance.booted import MEMORY, Booted
from nova_virt_conformance.covers import covers, needs
from nova_virt_conformance.event_log import SLACK, subscribed
from nova_virt_conformance.lab import SMALL_MEMORY
from nova_virt_conformance.promise import Promise
from nova_virt_conformance.suite.resize import check_shown
from nova_virt_conformance.verb import shown

if TYPE_CHECKING:
    from collections.abc import Callable

    from nova_virt_api.model.instance import Instance
    from nova_virt_conformance.lab import Lab

MORE: Final = MiB(256)
SIZE: Final = re.compile(rb"conformance-size: (\d+) (\d+)\r?\n")
TELLS_SIZE: Final = """#!/bin/sh
while :; do
    memory=$(sed -n 's/^MemTotal: *\\([0-9]*\\) kB/\\1/p' /proc/meminfo)
    printf 'conformance-size: %d %d\\n' "$(nproc)" "$memory" >/dev/console
    sleep 0.25
done &
"""
"""User data that is a script: it goes on telling on the console how many CPUs the guest sees, and how many KiB."""

SEEN: Final = 0.9
"""Share of the memory that was given which the guest must see: its system takes some to keep account of the rest."""


class Growing:
    """A running guest with a system that takes and gives back what it is asked to, or an imitated one.

    Args:
        lab: where it is made.
        fields: what it is made with.
    """

    def __init__(self, lab: Lab, **fields: Any) -> None:
        self._lab = lab
        self._booted: Booted | None = None
        if lab.rig.imitates_guests:
            self.guest = lab.spawn(memory_bytes=MEMORY, **fields)
            return
        lab.require(Feature.CLOUD_INIT)
        self._booted = lab.booted.boot(lab.booted.spec(cloud_init=CloudInit(user_data=TELLS_SIZE), **fields))
        self.guest = self._booted.guest
        self.await_size(lambda *_: True, "it tells its size")

    def size(self) -> tuple[int, int] | None:
        """CPUs and bytes of memory, as the guest sees them."""
        if self._booted is None:
            hardware = self._lab.rig.hardware(self.guest.uuid)
            return hardware.vcpus, hardware.memory_bytes
        told = SIZE.findall(self._booted.log())
        return (int(told[-1][0]), int(told[-1][1]) * 1024) if told else None

    def memory(self) -> int:
        """Bytes of memory that the guest sees."""
        size = self.size()
        return 0 if size is None else size[1]

    def await_size(self, fits: Callable[[int, int], bool], what: str) -> None:
        """Return once what the guest sees is so."""

        def is_so() -> bool:
            size = self.size()
            return size is not None and fits(*size)

        if self._booted is None:
            assert is_so(), f"not so: {what}"
        else:
            self._booted.await_until(is_so, what)


@covers(Capability.RESIZE, Feature.LIVE_VCPUS, Resize.resize_live, Driver.power_off, Driver.power_on)
def test_running_guest_gets_cpus_for_good(lab: Lab) -> None:
    """CPUs are there at once, to everybody, without a start, and are still there after one."""
    guest = lab.spawn(max_vcpus=3)
    boots = lab.rig.boots(guest)
    for _ in range(2):
        given = lab.compute.resize_live(guest, Size(vcpus=3), timeout=lab.patience)
        assert given.vcpus == 3
    check_shown(lab, guest, shown(guest) | {"vcpus": 3})
    assert lab.rig.hardware(guest.uuid).vcpus == 3
    assert lab.rig.boots(guest) == boots, "it was started anew"
    lab.compute.power_off(guest, mode=PowerOff.HARD, timeout=lab.patience)
    lab.compute.power_on(guest, timeout=lab.patience)
    check_shown(lab, guest, shown(guest) | {"vcpus": 3})
    assert lab.rig.hardware(guest.uuid).vcpus == 3


@covers(Capability.RESIZE, Feature.LIVE_VCPUS, Resize.resize_live)
def test_guest_uses_cpus_that_it_gets(lab: Lab) -> None:
    """The guest's own system sees the CPUs that were added."""
    growing = Growing(lab, vcpus=1, max_vcpus=2)
    lab.compute.resize_live(growing.guest, Size(vcpus=2), timeout=lab.patience)
    growing.await_size(lambda vcpus, _: vcpus == 2, "it sees two CPUs")


@covers(Capability.RESIZE, Feature.LIVE_VCPUS_REMOVAL, Resize.resize_live)
@needs(Feature.LIVE_VCPUS)
def test_cpus_are_taken_away(lab: Lab) -> None:
    """The guest's own system sees that CPUs are gone, and everybody else does."""
    growing = Growing(lab, vcpus=2, max_vcpus=2)
    lab.compute.resize_live(growing.guest, Size(vcpus=1), timeout=lab.patience)
    growing.await_size(lambda vcpus, _: vcpus == 1, "it sees one CPU")
    check_shown(lab, growing.guest, shown(growing.guest) | {"vcpus": 1})
    assert lab.rig.hardware(growing.guest.uuid).vcpus == 1


@covers(Capability.RESIZE, Feature.LIVE_MEMORY, Resize.resize_live)
def test_running_guest_gets_memory(lab: Lab) -> None:
    """The guest's own system sees the memory that it gets, without a start, and everybody else does."""
    growing = Growing(lab, max_memory_bytes=MEMORY + MORE)
    guest, before = growing.guest, growing.memory()
    boots = lab.rig.boots(guest)
    given = lab.compute.resize_live(guest, Size(memory_bytes=MEMORY + MORE), timeout=lab.patience)
    assert given.memory_bytes == MEMORY + MORE
    growing.await_size(lambda _, memory: memory >= before + SEEN * MORE, "it sees the memory")
    assert lab.rig.boots(guest) == boots, "it was started anew"
    check_shown(lab, guest, shown(guest) | {"memory_bytes": MEMORY + MORE})
    assert lab.rig.hardware(guest.uuid).memory_bytes == MEMORY + MORE


@covers(Capability.RESIZE, Feature.LIVE_MEMORY_REMOVAL, Resize.resize_live)
@needs(Feature.LIVE_MEMORY)
def test_memory_is_taken_away(lab: Lab) -> None:
    """Memory that a guest was given is taken away again; that with which it was started is not."""
    growing = Growing(lab, max_memory_bytes=MEMORY + MORE)
    guest, before = growing.guest, growing.memory()
    lab.compute.resize_live(guest, Size(memory_bytes=MEMORY + MORE), timeout=lab.patience)
    growing.await_size(lambda _, memory: memory >= before + SEEN * MORE, "it sees the memory")
    lab.compute.resize_live(guest, Size(memory_bytes=MEMORY), timeout=lab.patience)
    growing.await_size(lambda _, memory: memory <= before, "it sees that the memory is gone")
    check_shown(lab, guest, shown(guest))
    with leaving_as_is(lab, guest.uuid, "a refused resize"), pytest.raises(InvalidSpec):
        lab.compute.resize_live(guest, Size(memory_bytes=MEMORY // 2), timeout=lab.patience)


@covers(Capability.RESIZE, Feature.LIVE_VCPUS, Resize.resize_live)
def test_ceiling_of_cpus(lab: Lab) -> None:
    """More CPUs than the spec allowed, or any for a guest whose spec allowed none, are InvalidSpec; nothing changes."""
    for fields in ({"max_vcpus": 2}, {}):
        guest = lab.spawn(**fields)
        with leaving_as_is(lab, guest.uuid, "a refused resize"), pytest.raises(InvalidSpec) as caught:
            lab.compute.resize_live(guest, Size(vcpus=3), timeout=lab.patience)
        assert caught.value.state_after is StateAfter.UNCHANGED


@covers(Capability.RESIZE, Feature.LIVE_MEMORY, Resize.resize_live)
def test_ceiling_of_memory(lab: Lab) -> None:
    """More memory than the spec allowed, or any for a guest whose spec allowed none, is InvalidSpec."""
    for fields in ({"max_memory_bytes": 2 * SMALL_MEMORY}, {}):
        guest = lab.spawn(**fields)
        with leaving_as_is(lab, guest.uuid, "a refused resize"), pytest.raises(InvalidSpec) as caught:
            lab.compute.resize_live(guest, Size(memory_bytes=3 * SMALL_MEMORY), timeout=lab.patience)
        assert caught.value.state_after is StateAfter.UNCHANGED


@covers(Capability.RESIZE, Feature.LIVE_VCPUS, Promise.EVENTS, Resize.resize_live, Driver.events)
def test_live_resize_reaches_a_watcher(lab: Lab) -> None:
    """A watcher is told in time that a running guest has more CPUs."""
    within = lab.second.capabilities().event_latency_seconds + SLACK
    guest: Instance = lab.spawn(max_vcpus=2)

    def is_told() -> bool:
        last = log.last(guest.uuid)
        return last is not None and last.vcpus == 2

    with subscribed(lab.driver(lab.second)) as log:
        lab.compute.resize_live(guest, Size(vcpus=2), timeout=lab.patience)
        assert log.wait(is_told, within), f"not told within {within:g} s"

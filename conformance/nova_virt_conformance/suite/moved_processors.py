"""Processors that guests have for themselves, and that are other ones at another endpoint."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

import pytest

from nova_virt_api.capability import Capability, Feature
from nova_virt_api.driver.live_migration import LiveMigration
from nova_virt_api.driver.resize import Resize
from nova_virt_api.errors import NoCapacity
from nova_virt_api.model.cpu import Cpu
from nova_virt_api.model.size import Size
from nova_virt_conformance.covers import covers, needs
from nova_virt_conformance.migration_provocations import Phases
from nova_virt_conformance.outcome import NotVerified
from nova_virt_conformance.suite.machine import free_processors

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nova_virt_api.compute.compute import Compute
    from nova_virt_conformance.lab import Lab

OWN: Final = Cpu(dedicated=True)


@contextmanager
def given_away(*giving: Compute, by: int) -> Iterator[None]:
    """See that these endpoints have so many dedicated processors less to give after what happens inside.

    Raises:
        NotVerified: they have not enough, or cannot be counted.
    """
    before = [free_processors(compute) for compute in giving]
    if by >= 0 and not min(before):
        raise NotVerified("all of a host's dedicated processors are in use")
    yield
    after = [free_processors(compute) for compute in giving]
    assert after == [count - by for count in before], f"{before} could be had, now {after}"


@covers(Capability.LIVE_MIGRATION, LiveMigration.prepare, LiveMigration.migrate, LiveMigration.finish_source)
@needs(Feature.DEDICATED_CPUS)
def test_running_guest_has_processors_of_its_destination(lab: Lab) -> None:
    """A running guest with a processor for itself has one at its destination too, and frees the one that it had."""
    with given_away(lab.compute, by=0), given_away(lab.elsewhere, by=1):
        guest = lab.spawn(cpu=OWN)
        lab.compute.live_migrate(guest, to=lab.elsewhere, timeout=lab.patience)
    with given_away(lab.elsewhere, by=-1), given_away(lab.compute, by=1):
        lab.elsewhere.live_migrate(guest, to=lab.compute, timeout=lab.patience)


@covers(Capability.LIVE_MIGRATION, LiveMigration.prepare, LiveMigration.rollback_destination)
@needs(Feature.DEDICATED_CPUS)
def test_processors_that_wait_for_a_guest_go_to_no_other(lab: Lab) -> None:
    """What is prepared for a guest is kept from all others, and can be had again when the guest does not come."""
    free = free_processors(lab.elsewhere)
    if not free:
        raise NotVerified("all of the destination's dedicated processors are in use")
    phases, all_of_them = Phases(lab, lab.spawn(cpu=OWN)), lab.spec(vcpus=free, cpu=OWN, power_on=False)
    ticket = phases.prepared()
    with pytest.raises(NoCapacity):
        lab.elsewhere.spawn(all_of_them, timeout=lab.patience)
    phases.rollback_destination(ticket)
    lab.elsewhere.spawn(all_of_them, timeout=lab.patience)


@covers(Capability.RESIZE, Feature.COLD_MIGRATION, Resize.finish_resize, Resize.revert_resize)
@needs(Feature.DEDICATED_CPUS)
def test_fetched_guest_has_the_processors_of_its_spec(lab: Lab) -> None:
    """Another endpoint gives a guest the processors that a spec asks for; the source keeps its own for the way back."""
    lab.require(Feature.COLD_MIGRATION)
    spec = lab.spec(cpu=OWN, power_on=False)
    with given_away(lab.compute, by=1), given_away(lab.elsewhere, by=0):
        guest = lab.compute.spawn(spec, timeout=lab.patience)
        ticket = lab.compute.prepare_resize(guest, Size(), timeout=lab.patience)
        with given_away(lab.elsewhere, by=1):
            lab.elsewhere.finish_resize(ticket, spec=spec, timeout=lab.patience)
        assert lab.elsewhere.destroy(guest.uuid, timeout=lab.patience)
        lab.compute.revert_resize(guest, timeout=lab.patience)

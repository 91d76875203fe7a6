"""Moves that stopped half-way, as their guest is found by whoever comes next."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import libvirt
import pytest
from lxml import etree

import nova_virt_api as virt
from nova_virt_api.errors import MigrationError
from nova_virt_api.model.record import Phase
from nova_virt_libvirt.claims.records import Records
from nova_virt_libvirt.metadata import read_mark, write_mark
from nova_virt_libvirt.migration.ticket import NOTE, read_ticket
from nova_virt_libvirt.names import claim_key
from nova_virt_libvirt.places import Places

POOL = "nova-virt"
BEFORE_MIGRATE = ("check_destination", "check_source", "prepare")


@pytest.fixture
def guest(spawn: Any, image: virt.LocalFile) -> virt.Instance:
    """A guest with 6 MiB to be copied."""
    made: virt.Instance = spawn(disks=[virt.Disk(source=image, size_bytes=virt.MiB(16))])
    return made


@pytest.fixture
def half_way(
    hosts: Any, guest: virt.Instance, processes: Any, eventually: Callable[..., None]
) -> Callable[..., tuple[Any, str]]:
    """Lets a process begin to move the guest, and kills it; gives the guest's domain and the ticket."""

    def move() -> tuple[Any, str]:
        ticket = ""
        for phase in BEFORE_MIGRATE:
            ticket = processes.run(phase, guest.uuid, ticket)["ticket"]
        process = processes.start("migrate", guest.uuid, ticket, migration_bandwidth_mib=1)
        eventually(lambda: str(guest.uuid) in hosts[1].domains(), "the guest is on its way", 60)
        process.kill()
        process.wait()
        domain = hosts[0].raw().lookupByUUID(guest.uuid.bytes)
        eventually(lambda: domain.jobInfo()[0] == libvirt.VIR_DOMAIN_JOB_NONE, "libvirt has noticed", 60)
        return domain, ticket

    return move


def to_a_third_host(domain: Any) -> None:
    """As if the attempt that was killed had led to another host than the two."""
    mark = read_mark(domain)
    assert mark is not None
    journey = read_ticket(virt.Ticket.decode(mark.notes[NOTE]), "migrate")
    third = replace(journey.offer, host="b1946ac9-4f4f-4f4f-8f8f-0123456789ab", node="third")
    write_mark(domain, replace(mark, notes={**mark.notes, NOTE: replace(journey, offer=third).ticket().encode()}))


@pytest.mark.timeout(300)
def test_a_guest_that_was_stopped_only_to_be_moved_runs_on(
    half_way: Any, source: virt.Compute, destination: virt.Compute, guest: virt.Instance
) -> None:
    """Whoever hastened the move, or libvirt, had stopped it; that is not taken for its user's wish."""
    domain, _ = half_way()
    domain.suspend()
    moved = source.live_migrate(guest, to=destination, timeout=100)
    assert moved.power_state is virt.PowerState.RUNNING


@pytest.mark.timeout(300)
def test_a_guest_that_was_stopped_only_to_be_moved_runs_on_here(
    half_way: Any, processes: Any, source: virt.Compute, guest: virt.Instance
) -> None:
    domain, ticket = half_way()
    domain.suspend()
    assert "error" not in processes.run("rollback_source", guest.uuid, ticket)
    found = source.instance(guest, fresh=True)
    assert (found.power_state, found.lifecycle) == (virt.PowerState.RUNNING, virt.Lifecycle.READY)


@pytest.mark.timeout(300)
def test_a_guest_that_may_run_at_another_destination_stays_stopped(
    hosts: Any, half_way: Any, processes: Any, source: virt.Compute, destination: virt.Compute, guest: virt.Instance
) -> None:
    """It is not sent to a second one, nor let run here: it would run twice."""
    domain, ticket = half_way()
    domain.suspend()
    to_a_third_host(domain)
    with pytest.raises(MigrationError, match="to third"):
        source.live_migrate(guest, to=destination, timeout=100)
    for phase in ("migrate", "rollback_source"):
        outcome = processes.run(phase, guest.uuid, ticket)
        assert (outcome["error"], outcome["state_after"]) == ("migration", "unknown"), outcome
        assert "third" in outcome["text"]
    assert domain.state()[0] == libvirt.VIR_DOMAIN_PAUSED
    assert source.instance(guest, fresh=True).lifecycle is virt.Lifecycle.MIGRATING


@pytest.mark.timeout(300)
def test_a_guest_that_runs_here_may_go_to_another_destination(
    half_way: Any, source: virt.Compute, destination: virt.Compute, guest: virt.Instance
) -> None:
    """One that runs here runs nowhere else, whatever an earlier attempt was to do."""
    domain, _ = half_way()
    to_a_third_host(domain)
    assert source.live_migrate(guest, to=destination, timeout=100).power_state is virt.PowerState.RUNNING


def test_a_guest_that_somebody_works_on_stays(
    hosts: Any, source: virt.Compute, destination: virt.Compute, guest: virt.Instance
) -> None:
    """Another process may be rebuilding it: the mark of each would be lost to the other."""
    raw = hosts[0].raw()
    host = str(etree.fromstring(raw.getCapabilities()).findtext("host/uuid"))
    records = Records(Places(raw, POOL).records_pool(), host)
    chain = records.read(claim_key(guest.uuid))
    assert chain is not None
    assert chain.claim is not None
    hold = records.succeed(chain, chain.claim.record)
    assert hold is not None
    try:
        with pytest.raises(virt.Busy):
            source.live_migrate(guest, to=destination, timeout=8)
        found = source.instance(guest, fresh=True)
        assert (found.power_state, found.lifecycle) == (virt.PowerState.RUNNING, virt.Lifecycle.READY)
    finally:
        hold.settle(Phase.READY)
    assert source.live_migrate(guest, to=destination, timeout=100).lifecycle is virt.Lifecycle.READY

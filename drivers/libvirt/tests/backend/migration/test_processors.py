"""Running guests with parts of their host: at the destination they get others, which nobody else is given meanwhile."""

from collections.abc import Callable
from typing import Any

import libvirt
import pytest

import nova_virt_api as virt
from nova_virt_api.driver.live_migration import LiveMigration

OWN = virt.Cpu(dedicated=True)


class Ends:
    """The phases before a move, between two endpoints."""

    def __init__(self, source: virt.Compute, destination: virt.Compute) -> None:
        self.source, self.destination = source, destination

    def prepare(self, guest: virt.Instance, **more: Any) -> virt.Ticket:
        """Make room for a guest."""
        offered = perform(self.destination, guest, lambda role, op: role.check_destination(guest.ref, op))
        plan = perform(self.source, guest, lambda role, op: role.check_source(guest.ref, offered, op))
        made: virt.Ticket = perform(self.destination, guest, lambda role, op: role.prepare(plan, op, **more))
        return made

    def roll_back(self, guest: virt.Instance, ticket: virt.Ticket) -> None:
        """Take that back."""
        perform(self.destination, guest, lambda role, op: role.rollback_destination(ticket, op))


def perform(compute: virt.Compute, guest: virt.Instance, verb: Callable[[Any, Any], Any]) -> Any:
    return compute.perform(guest.ref, LiveMigration, verb, timeout=60)


@pytest.fixture(params=["nova-virt", "shared"])
def ends(request: pytest.FixtureRequest, hosts: Any, connect: Callable[..., virt.Compute]) -> Ends:
    """Two endpoints with storage of their own or with the same; the destination has one processor to give."""
    pool = request.param
    return Ends(
        connect(hosts[0], pool=pool, cpu_dedicated_set="0-1"),
        connect(hosts[1], pool=pool, cpu_dedicated_set="1", cpu_shared_set="0"),
    )


def pins(host: Any, guest: virt.Instance) -> list[int]:
    """The processors that a guest's may run on, now and when it starts next."""
    domain = host.raw().lookupByUUID(guest.uuid.bytes)
    kinds = (libvirt.VIR_DOMAIN_AFFECT_LIVE, libvirt.VIR_DOMAIN_AFFECT_CONFIG)
    (now,), (then,) = (
        [[cpu for cpu, may in enumerate(one) if may] for one in domain.vcpuPinInfo(kind)] for kind in kinds
    )
    assert now == then
    return list(now)


def reserved(hosts: Any) -> list[str]:
    """The volumes that keep processors for guests which are on their way."""
    found = []
    for host in hosts:
        for name in ("nova-virt", "shared"):
            pool = host.raw().storagePoolLookupByName(name)
            pool.refresh(0)
            found += [volume.name() for volume in pool.listAllVolumes(0) if ".cpus." in volume.name()]
    return found


def test_what_waits_for_one_guest_is_given_to_no_other(ends: Ends, spawn: Any, make_spec: Any, hosts: Any) -> None:
    first, second = (spawn(ends.source, cpu=OWN) for _ in range(2))
    before = pins(hosts[0], first)
    for _ in range(2):
        ticket = ends.prepare(first)
    with pytest.raises(virt.NoCapacity, match="processors"):
        ends.prepare(second)
    assert hosts[1].traces(second.uuid) == []
    with pytest.raises(virt.NoCapacity, match="processors"):
        ends.destination.spawn(make_spec(cpu=OWN), timeout=60)
    ends.roll_back(first, ticket)
    moved = ends.source.live_migrate(second, to=ends.destination, timeout=100)
    assert (pins(hosts[1], moved), pins(hosts[0], first)) == ([1], before)
    assert reserved(hosts) == []
    with pytest.raises(virt.NoCapacity, match="processors"):
        ends.prepare(first)


def test_a_guest_of_shared_processors_runs_on_those_of_its_destination(
    hosts: Any, connect: Callable[..., virt.Compute], spawn: Any
) -> None:
    source, destination = connect(hosts[0], cpu_shared_set="1"), connect(hosts[1], cpu_shared_set="0")
    cells = [virt.NumaCell(vcpus=[0], memory_bytes=virt.MiB(16), host_cell=0)]
    for guest in (spawn(source), spawn(source, numa=cells)):
        assert pins(hosts[0], guest) == [1]
        assert pins(hosts[1], source.live_migrate(guest, to=destination, timeout=100)) == [0]


@pytest.mark.parametrize(
    ("named", "error", "match"),
    [
        ({"host_cpus": (0,)}, virt.InvalidSpec, "set aside"),
        ({"host_cpus": (0, 1)}, virt.InvalidSpec, "host_cpus"),
        ({"host_cells": (0,)}, virt.InvalidSpec, "host_cells"),
    ],
)
def test_what_cannot_be_had_leaves_nothing(
    ends: Ends, spawn: Any, hosts: Any, named: Any, error: Any, match: str
) -> None:
    guest = spawn(ends.source, cpu=OWN)
    with pytest.raises(error, match=match):
        ends.prepare(guest, **named)
    assert hosts[1].traces(guest.uuid) == []
    assert ends.source.live_migrate(guest, to=ends.destination, timeout=100).power_state is virt.PowerState.RUNNING
    assert pins(hosts[1], guest) == [1]

"""Running guests with parts of their host: at the destination they get others, which nobody else is given meanwhile."""

from collections.abc import Callable
from typing import Any

import libvirt
import pytest

import nova_virt_api as virt
from nova_virt_api.driver.live_migration import LiveMigration
from nova_virt_libvirt.names import reserved_cpus_name
from nova_virt_libvirt.network.prepared_ports import PreparedPorts
from nova_virt_libvirt.storage.pools import volume_xml

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
        found += [volume.name() for volume in volumes(host) if ".cpus." in volume.name()]
    return found


def volumes(host: Any) -> list[Any]:
    """What is in the pools of a host."""
    pools = [host.raw().storagePoolLookupByName(name) for name in ("nova-virt", "shared")]
    for pool in pools:
        pool.refresh(0)
    return [volume for pool in pools for volume in pool.listAllVolumes(0)]


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


def test_what_waits_goes_when_the_source_takes_it_back(ends: Ends, spawn: Any, hosts: Any) -> None:
    """Whoever recovers from a source that died may have nobody to ask at the destination."""
    guest = spawn(ends.source, cpu=OWN)
    ticket = ends.prepare(guest)
    assert len(reserved(hosts)) >= 1
    perform(ends.source, guest, lambda role, op: role.rollback_source(guest.ref, ticket, op))
    assert reserved(hosts) == []


def test_ports_that_stay_keep_no_processors(
    ends: Ends, spawn: Any, hosts: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> None:
        raise virt.NetworkError("os-vif does not answer")

    guest = spawn(ends.source, cpu=OWN)
    ticket = ends.prepare(guest)
    with monkeypatch.context() as patched:
        patched.setattr(PreparedPorts, "remove", fail)
        with pytest.raises(virt.NetworkError):
            ends.roll_back(guest, ticket)
    assert reserved(hosts) == []
    ends.roll_back(guest, ticket)


def test_what_waits_for_nobody_is_a_leftover(hosts: Any, connect: Callable[..., virt.Compute], spawn: Any) -> None:
    shared = Ends(*(connect(host, pool="shared", cpu_dedicated_set="1") for host in hosts))
    guest = spawn(shared.source, cpu=OWN)
    shared.prepare(guest)
    assert shared.destination.leftovers() == []
    hosts[0].raw().lookupByUUID(guest.uuid.bytes).destroy()
    for volume in volumes(hosts[0]):
        if volume.name().startswith(str(guest.uuid)) and ".cpus." not in volume.name():
            volume.delete()  # as if it had been destroyed at the source, which does not know of the destination's
    (left,) = shared.destination.leftovers()
    assert ".cpus." in left.name
    assert shared.destination.destroy(guest.ref)
    assert reserved(hosts) == []


def test_a_guest_that_leaves_keeps_nothing_of_its_way_there(
    hosts: Any, connect: Callable[..., virt.Compute], spawn: Any
) -> None:
    source, destination = (connect(host, pool="shared", cpu_dedicated_set="1") for host in hosts)
    guest = spawn(source, cpu=OWN)
    name = reserved_cpus_name(guest.uuid, source.inventory().node.id, [1])
    pool = hosts[0].raw().storagePoolLookupByName("shared")
    pool.createXML(volume_xml(name, 0, virt.ImageFormat.RAW, None), 0)  # as if it had come here, and not been finished
    source.live_migrate(guest, to=destination, timeout=100)
    assert reserved(hosts) == []


def test_a_guest_of_shared_processors_runs_on_those_of_its_destination(
    hosts: Any, connect: Callable[..., virt.Compute], spawn: Any
) -> None:
    source, destination, any_of_all = (
        connect(hosts[0], cpu_shared_set="1"),
        connect(hosts[1], cpu_shared_set="0"),
        connect(hosts[0]),
    )
    assert pins(hosts[1], any_of_all.live_migrate(spawn(any_of_all), to=destination, timeout=100)) == [0]
    cells = [virt.NumaCell(vcpus=[0], memory_bytes=virt.MiB(16), host_cell=0)]
    for guest in (spawn(source), spawn(source, numa=cells)):
        assert pins(hosts[0], guest) == [1]
        assert pins(hosts[1], source.live_migrate(guest, to=destination, timeout=100)) == [0]


@pytest.mark.parametrize(
    ("named", "match"),
    [
        ({"host_cpus": (0,)}, "set aside"),
        ({"host_cpus": (0, 1)}, "1: so many"),
        ({"host_cells": (0,)}, "0: so many"),
    ],
)
def test_what_cannot_be_had_leaves_nothing(ends: Ends, spawn: Any, hosts: Any, named: Any, match: str) -> None:
    guest = spawn(ends.source, cpu=OWN)
    with pytest.raises(virt.InvalidSpec, match=match) as refused:
        ends.source.live_migrate(guest, to=ends.destination, timeout=60, **named)
    assert refused.value.field in named
    assert hosts[1].traces(guest.uuid) == []
    assert ends.source.live_migrate(guest, to=ends.destination, timeout=100).power_state is virt.PowerState.RUNNING
    assert pins(hosts[1], guest) == [1]

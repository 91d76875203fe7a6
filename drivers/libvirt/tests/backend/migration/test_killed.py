"""Processes and daemons that die while a guest moves: afterwards there is one guest, it runs, and nothing is left."""

import os
import random
import subprocess
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import libvirt
import pytest

import nova_virt_api as virt

SEED = int(os.environ.get("NOVA_VIRT_TEST_SEED", random.SystemRandom().randrange(2**32)))
MOMENTS = 5
BEFORE_MIGRATE = ("check_destination", "check_source", "prepare")


@pytest.fixture
def guest(spawn: Any, image: virt.LocalFile) -> virt.Instance:
    """A guest with 6 MiB to be copied."""
    made: virt.Instance = spawn(
        disks=[virt.Disk(source=image, size_bytes=virt.MiB(16))], cloud_init=virt.CloudInit(user_data="#cloud-config\n")
    )
    return made


def running(hosts: Any, guest: virt.Instance) -> list[int]:
    """On which of the hosts the guest's CPUs run."""
    found = []
    for number, host in enumerate(hosts):
        with suppress(libvirt.libvirtError):
            if host.state(guest.uuid) == libvirt.VIR_DOMAIN_RUNNING:
                found.append(number)
    return found


def check_moved(hosts: Any, guest: virt.Instance, destination: virt.Compute, source: virt.Compute) -> None:
    """One guest, at the destination, READY; nothing else of it anywhere.

    What a dead holder added to the guest's claim is taken off by the next verb.
    """
    assert running(hosts, guest) == [1]
    assert hosts[0].traces(guest.uuid) == []
    found = destination.instance(guest, fresh=True)
    assert (found.power_state, found.lifecycle) == (virt.PowerState.RUNNING, virt.Lifecycle.READY)
    assert list(destination.leftovers()) == list(source.leftovers()) == []
    names = {name.partition(".")[2] for name in hosts[1].traces(guest.uuid) if name.startswith(f"{guest.uuid}.")}
    assert {name for name in names if not name.startswith("claim.")} == {
        "claim",
        "console.log",
        "disk0.qcow2",
        "seed.iso",
    }


@pytest.mark.timeout(600)
def test_a_mover_that_is_killed_at_any_moment(
    hosts: Any, guest: virt.Instance, processes: Any, source: virt.Compute, destination: virt.Compute
) -> None:
    """Whoever repeats the move brings it to its end; the guest goes to and fro, and never stops."""
    print(f"NOVA_VIRT_TEST_SEED={SEED}")  # noqa: T201
    chance = random.Random(SEED)
    for _ in range(MOMENTS):
        process = processes.start("live_migrate", guest.uuid)
        moment = chance.uniform(0.3, 4.5)
        with suppress(subprocess.TimeoutExpired):
            process.wait(moment)
        process.kill()
        process.wait()
        if running(hosts, guest) != [1] or hosts[0].traces(guest.uuid):
            outcome = processes.run("live_migrate", guest.uuid)
            assert "error" not in outcome or outcome["error"] in ("instance-exists", "instance-not-found"), (
                moment,
                outcome,
            )
        check_moved(hosts, guest, destination, source)
        destination.live_migrate(guest, to=source, timeout=100)
        assert hosts[1].traces(guest.uuid) == []


@pytest.mark.timeout(300)
def test_a_migrate_that_is_killed_is_rolled_back(
    hosts: Any,
    guest: virt.Instance,
    processes: Any,
    source: virt.Compute,
    destination: virt.Compute,
    eventually: Callable[..., None],
) -> None:
    """The guest runs where it was, and nothing is left at the destination."""
    before, ticket = hosts[0].traces(guest.uuid), ""
    for phase in BEFORE_MIGRATE:
        ticket = processes.run(phase, guest.uuid, ticket)["ticket"]
    process = processes.start("migrate", guest.uuid, ticket, migration_bandwidth_mib=1)
    eventually(lambda: str(guest.uuid) in hosts[1].domains(), "the guest is on its way", 60)
    process.kill()
    process.wait()
    assert "error" not in processes.run("rollback_source", guest.uuid, ticket)
    assert "error" not in processes.run("rollback_destination", guest.uuid, ticket)
    assert running(hosts, guest) == [0]
    assert hosts[0].traces(guest.uuid) == before
    assert hosts[1].traces(guest.uuid) == []
    assert source.instance(guest, fresh=True).lifecycle is virt.Lifecycle.READY
    assert list(destination.leftovers()) == []


@pytest.mark.timeout(300)
@pytest.mark.parametrize("end", [0, 1], ids=["source", "destination"])
def test_a_daemon_that_is_restarted_in_the_middle(
    end: int,
    hosts: Any,
    guest: virt.Instance,
    connect: Callable[..., virt.Compute],
    source: virt.Compute,
    destination: virt.Compute,
    eventually: Callable[..., None],
) -> None:
    """The move fails, or says that it does not know; the guest runs on, and the move can be repeated."""
    slow = connect(hosts[0], migration_bandwidth_mib=1)
    operation = slow.submit.live_migrate(guest, to=connect(hosts[1]), timeout=100)
    eventually(lambda: operation.counters[0] > 0, "some of it is copied", 60)
    hosts[end].daemon.do("restart")
    with pytest.raises(virt.VirtError):
        operation.result()
    eventually(lambda: running(hosts, guest) == [0], "the guest runs where it was", 60)
    moved = source.live_migrate(guest, to=destination, timeout=100)
    assert moved.power_state is virt.PowerState.RUNNING
    check_moved(hosts, guest, destination, source)

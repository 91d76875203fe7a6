"""Servers of a real Nova on the fake driver: what Nova's API says, and what there is in the world."""

from typing import Any
from uuid import UUID

import pytest

import nova_virt_api as virt

RUNNING, PAUSED, SHUTDOWN, SUSPENDED = 1, 3, 4, 7
"""Power states in Nova's API."""


def power_state(cloud: Any, server: Any) -> int:
    return int(cloud.server(server)["OS-EXT-STS:power_state"])


def there(beside: virt.Compute, server: Any) -> virt.Instance:
    return beside.instance(UUID(server["id"]), fresh=True)


def test_boots_and_deletes(cloud: Any, image: str, beside: virt.Compute, outside: Any) -> None:
    before = outside.objects()
    server = cloud.boot(image, memory_mb=256, disk_gb=2)
    guest = there(beside, server)
    assert guest.power_state is virt.PowerState.RUNNING
    assert (guest.vcpus, guest.memory_bytes) == (1, virt.MiB(256))
    (disk,) = outside.parts(guest).volumes
    assert disk.size_bytes == virt.GiB(2)
    assert server["OS-EXT-SRV-ATTR:host"] == "compute1"
    assert server["OS-EXT-STS:power_state"] == RUNNING
    cloud.delete(server)
    assert outside.objects() == before


def test_stops_and_starts(cloud: Any, image: str, beside: virt.Compute) -> None:
    server = cloud.boot(image)
    cloud.act(server, "os-stop")
    cloud.wait_for(server, "SHUTOFF")
    assert there(beside, server).power_state is virt.PowerState.SHUTDOWN
    assert power_state(cloud, server) == SHUTDOWN
    cloud.act(server, "os-start")
    cloud.wait_for(server, "ACTIVE")
    assert there(beside, server).power_state is virt.PowerState.RUNNING
    assert power_state(cloud, server) == RUNNING


@pytest.mark.parametrize("kind", ["SOFT", "HARD"])
def test_reboots(cloud: Any, image: str, outside: Any, kind: str) -> None:
    server = cloud.boot(image)
    before = outside.boots(UUID(server["id"]))
    cloud.act(server, "reboot", {"type": kind})
    cloud.wait(lambda: cloud.result(server, "reboot") == "Success", "rebooted")
    cloud.wait_for(server, "ACTIVE")
    assert outside.boots(UUID(server["id"])) == before + 1


def test_pauses_and_goes_on(cloud: Any, image: str, beside: virt.Compute) -> None:
    server = cloud.boot(image)
    cloud.act(server, "pause")
    cloud.wait_for(server, "PAUSED")
    assert there(beside, server).power_state is virt.PowerState.PAUSED
    assert power_state(cloud, server) == PAUSED
    cloud.act(server, "unpause")
    cloud.wait_for(server, "ACTIVE")
    assert there(beside, server).power_state is virt.PowerState.RUNNING


def test_suspends_and_resumes(cloud: Any, image: str, beside: virt.Compute) -> None:
    server = cloud.boot(image)
    cloud.act(server, "suspend")
    cloud.wait_for(server, "SUSPENDED")
    assert there(beside, server).power_state is virt.PowerState.SUSPENDED
    cloud.act(server, "resume")
    cloud.wait_for(server, "ACTIVE")
    assert there(beside, server).power_state is virt.PowerState.RUNNING


def test_console_output_is_the_guests(cloud: Any, image: str, outside: Any) -> None:
    server = cloud.boot(image)
    outside.print(UUID(server["id"]), "the guest says hello")
    assert "the guest says hello" in cloud.console_log(server)


def test_a_new_nova_compute_finds_its_guests(cloud: Any, image: str, beside: virt.Compute) -> None:
    on, off = cloud.boot(image), cloud.boot(image)
    cloud.act(off, "os-stop")
    cloud.wait_for(off, "SHUTOFF")
    cloud.restart_compute()
    assert cloud.server(on)["status"] == "ACTIVE"
    assert cloud.server(off)["status"] == "SHUTOFF"
    cloud.act(on, "os-stop")
    cloud.wait_for(on, "SHUTOFF")
    cloud.act(off, "os-start")
    cloud.wait_for(off, "ACTIVE")
    for server in (on, off):
        cloud.delete(server)
    assert list(beside.instances(fresh=True)) == []


def test_a_guest_that_was_powered_off_behind_novas_back_is_seen(cloud: Any, image: str, beside: virt.Compute) -> None:
    server = cloud.boot(image)
    beside.power_off(UUID(server["id"]), mode=virt.PowerOff.HARD)
    cloud.wait_for(server, "SHUTOFF")
    assert power_state(cloud, server) == SHUTDOWN

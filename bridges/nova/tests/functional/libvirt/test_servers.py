"""Servers of a real Nova on real QEMU through the libvirt driver: Nova's API, the guest's own words, libvirt."""

import base64
import hashlib
from pathlib import Path
from typing import Any
from uuid import UUID

import libvirt
import pytest
from lxml import etree

import nova_virt_api as virt
from nova_virt_conformance.guest_image.markers import GuestReport, SeedSource, Stop

POOL = "nova-virt"

pytestmark = pytest.mark.timeout(900)  # without KVM a guest of a busy machine may boot for a minute


def told(cloud: Any, server: Any) -> GuestReport:
    """What the guest said on its console since it last started, by Nova's REST API."""
    return GuestReport.read(cloud.console_log(server).encode())


def up(cloud: Any, server: Any) -> GuestReport:
    """Wait until the guest has booted."""

    def seen() -> GuestReport | None:
        report = told(cloud, server)
        return report if report.ready else None

    report: GuestReport = cloud.wait(seen, "the guest is up")
    return report


def starts(cloud: Any, server: Any, boots: int) -> None:
    """Wait until the guest's kernel has started so many times."""
    cloud.wait(lambda: told(cloud, server).boots == boots, f"boot {boots} of the guest")


def state(native: Any, server: Any) -> int:
    """The state of its domain."""
    return int(native.lookupByUUID(UUID(server["id"]).bytes).state()[0])


def traces(native: Any, server: Any) -> list[str]:
    """Everything that libvirt has of a server."""
    pool = native.storagePoolLookupByName(POOL)
    pool.refresh(0)
    domains = [domain.name() for domain in native.listAllDomains(0) if domain.UUIDString() == server["id"]]
    return domains + [volume.name() for volume in pool.listAllVolumes(0) if server["id"] in volume.name()]


def test_boots_tells_it_and_leaves_nothing(cloud: Any, image: str, native: Any) -> None:
    port = cloud.neutron.port_1
    user_data = b"#!/bin/sh\necho here\n"
    told_by_nova = {"config_drive": True, "user_data": base64.b64encode(user_data).decode()}
    server = cloud.boot(image, networks=[{"port": port["id"]}], hostname="web-7", **told_by_nova)
    assert state(native, server) == libvirt.VIR_DOMAIN_RUNNING
    report = up(cloud, server)
    assert report.uuid == UUID(server["id"])
    assert report.cpus == 1
    assert [nic.mac for nic in report.nics] == [port["mac_address"]]
    assert virt.GiB(1) in [disk.size_bytes for disk in report.disks]
    diagnostics = cloud.api.get_server_diagnostics(server["id"])
    assert (diagnostics["driver"], diagnostics["state"]) == ("libvirt", "running")
    assert report.seed is not None
    assert report.seed.source is SeedSource.CONFIG_DRIVE
    assert report.seed.instance_id == server["id"]
    assert report.seed.hostname == "web-7"
    assert report.seed.user_data_sha256 == hashlib.sha256(user_data).hexdigest(), "it comes as it is"
    cloud.delete(server)
    assert traces(native, server) == []


def test_stops_and_starts(cloud: Any, image: str, native: Any) -> None:
    server = cloud.boot(image)
    up(cloud, server)
    cloud.act(server, "os-stop")
    cloud.wait_for(server, "SHUTOFF")
    assert state(native, server) == libvirt.VIR_DOMAIN_SHUTOFF
    assert told(cloud, server).stopping is Stop.POWEROFF
    cloud.act(server, "os-start")
    cloud.wait_for(server, "ACTIVE")
    assert state(native, server) == libvirt.VIR_DOMAIN_RUNNING
    starts(cloud, server, 2)
    cloud.delete(server)
    assert traces(native, server) == []


def test_reboots(cloud: Any, image: str, native: Any) -> None:
    server = cloud.boot(image)
    up(cloud, server)
    cloud.act(server, "reboot", {"type": "SOFT"})
    starts(cloud, server, 2)
    cloud.wait_for(server, "ACTIVE")
    cloud.act(server, "reboot", {"type": "HARD"})
    starts(cloud, server, 3)
    cloud.wait_for(server, "ACTIVE")
    obeyed = cloud.console_log(server).count(f"nova-virt-guest: {Stop.POWEROFF.value}")
    assert obeyed == 1, "a soft reboot asks the guest, a hard one does not"
    cloud.delete(server)
    assert traces(native, server) == []


def test_pauses_and_suspends(cloud: Any, image: str, native: Any) -> None:
    server = cloud.boot(image)
    cloud.act(server, "pause")
    cloud.wait_for(server, "PAUSED")
    assert state(native, server) == libvirt.VIR_DOMAIN_PAUSED
    cloud.act(server, "unpause")
    cloud.wait_for(server, "ACTIVE")
    assert state(native, server) == libvirt.VIR_DOMAIN_RUNNING
    cloud.act(server, "suspend")
    cloud.wait_for(server, "SUSPENDED")
    assert state(native, server) == libvirt.VIR_DOMAIN_SHUTOFF
    cloud.act(server, "resume")
    cloud.wait_for(server, "ACTIVE")
    up(cloud, server)
    cloud.delete(server)
    assert traces(native, server) == []


def test_a_new_nova_compute_finds_its_guests(cloud: Any, image: str, native: Any) -> None:
    server = cloud.boot(image)
    cloud.restart_compute()
    assert cloud.server(server)["status"] == "ACTIVE"
    native.lookupByUUID(UUID(server["id"]).bytes).destroy()  # behind Nova's back: seen by the event alone
    cloud.wait_for(server, "SHUTOFF")
    cloud.delete(server)
    assert traces(native, server) == []


def test_has_a_tpm_by_its_flavor_and_leaves_nothing_of_it(cloud: Any, image: str, native: Any) -> None:
    specs = {"hw:tpm_version": "2.0", "hw:tpm_model": "tpm-crb", "hw:tpm_secret_security": "host"}
    server = cloud.boot(image, extra_specs=specs)
    definition: Any = etree.fromstring(native.lookupByUUID(UUID(server["id"]).bytes).XMLDesc(0))
    assert definition.find("devices/tpm").get("model") == "tpm-crb"
    assert definition.find("devices/tpm/backend").get("version") == "2.0"
    state = Path("/var/lib/libvirt/swtpm", server["id"])
    assert state.exists()
    cloud.act(server, "os-stop")
    cloud.wait_for(server, "SHUTOFF")
    assert state.exists(), "what it keeps is the guest's"
    cloud.delete(server)
    assert not state.exists()
    assert traces(native, server) == []

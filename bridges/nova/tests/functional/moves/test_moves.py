"""Servers of a real Nova that change their host and their flavor, on QEMU and two libvirtd."""

from typing import Any

import libvirt
import pytest

pytestmark = pytest.mark.timeout(900)  # on a busy machine


def where(cloud: Any, server: Any) -> str:
    """On which host Nova says that a server is."""
    found: str = cloud.server(server)["OS-EXT-SRV-ATTR:host"]
    return found


def state(host: Any, server: Any) -> int:
    """The state of a server's domain."""
    return int(host.native.lookupByUUIDString(server["id"]).state()[0])


def larger(cloud: Any) -> str:
    """A flavor with more of all."""
    flavor = {"name": "larger", "vcpus": 2, "ram": 160, "disk": 2, "id": None}
    return str(cloud.api.post_flavor({"flavor": flavor})["id"])


def end(cloud: Any, server: Any, how: str) -> None:
    """Confirm or revert."""
    cloud.act(server, how)
    cloud.wait_for(server, "ACTIVE")
    assert cloud.ended(server, how) == "Success"


def live(cloud: Any, server: Any, host: str) -> None:
    """Move a server while it runs."""
    cloud.act(server, "os-migrateLive", {"host": host, "block_migration": "auto"})
    cloud.wait_for(server, "ACTIVE")
    assert (cloud.ended(server, "live-migration"), where(cloud, server)) == ("Success", host)


def test_resized_to_another_host_and_back_and_for_good(cloud: Any, image: str, hosts: Any) -> None:
    source, destination = hosts["compute1"], hosts["compute2"]
    port = cloud.neutron.port_1
    server = cloud.boot(image, networks=[{"port": port["id"]}], host="compute1")
    flavor = larger(cloud)
    cloud.act(server, "resize", {"flavorRef": flavor})
    cloud.wait_for(server, "VERIFY_RESIZE")
    assert where(cloud, server) == "compute2"
    assert state(source, server) == libvirt.VIR_DOMAIN_SHUTOFF
    assert state(destination, server) == libvirt.VIR_DOMAIN_RUNNING
    there = destination.definition(server)
    assert (there.findtext("vcpu"), there.findtext("memory")) == ("2", str(160 * 1024))
    assert there.find("devices/interface/mac").get("address") == port["mac_address"]
    assert destination.native.lookupByUUIDString(server["id"]).blockInfo("vda")[0] == 2 * 1024**3
    end(cloud, server, "revertResize")
    assert where(cloud, server) == "compute1"
    assert destination.traces(server) == []
    assert state(source, server) == libvirt.VIR_DOMAIN_RUNNING
    assert source.definition(server).findtext("vcpu") == "1"
    cloud.act(server, "resize", {"flavorRef": flavor})
    cloud.wait_for(server, "VERIFY_RESIZE")
    end(cloud, server, "confirmResize")
    cloud.wait(lambda: source.traces(server) == [], "nothing is left at the source")
    assert state(destination, server) == libvirt.VIR_DOMAIN_RUNNING
    cloud.delete(server)
    assert destination.traces(server) == []


def test_moved_while_it_runs(cloud: Any, image: str, hosts: Any) -> None:
    source, destination = hosts["compute1"], hosts["compute2"]
    server = cloud.boot(image, networks=[{"port": cloud.neutron.port_1["id"]}], host="compute1")
    live(cloud, server, "compute2")
    assert state(destination, server) == libvirt.VIR_DOMAIN_RUNNING
    assert destination.native.lookupByUUIDString(server["id"]).isPersistent()
    assert source.traces(server) == []
    cloud.act(server, "os-stop")
    cloud.wait_for(server, "SHUTOFF")
    cloud.act(server, "os-start")
    cloud.wait_for(server, "ACTIVE")
    cloud.delete(server)
    assert destination.traces(server) == []


def volumes(host: Any, server: Any) -> list[Any]:
    """The disks of a server's domain that are reached by iSCSI: name, bus and serial number."""
    disks = host.definition(server).iterfind("devices/disk[@type='network']")
    return [(disk.find("target").get("dev"), disk.find("target").get("bus"), disk.findtext("serial")) for disk in disks]


def test_volume_follows_its_server(cloud: Any, image: str, hosts: Any, volume: str) -> None:
    """To another host while it is off, and back; there for good; and back while it runs."""
    source, destination = hosts["compute1"], hosts["compute2"]
    server = cloud.boot(image, host="compute1", networks="none")
    cloud.api.post_server_volume(server["id"], {"volumeAttachment": {"volumeId": volume}})
    cloud.wait(lambda: volumes(source, server), "the volume is attached")
    cloud.wait(lambda: cloud.result(server, "attach_volume"), "the action has ended")
    before, password = volumes(source, server), source.secrets(server)
    assert (len(before), len(password)) == (1, 1)
    flavor = larger(cloud)
    for how in ("revertResize", "confirmResize"):
        cloud.act(server, "resize", {"flavorRef": flavor})
        cloud.wait_for(server, "VERIFY_RESIZE")
        assert where(cloud, server) == "compute2"
        assert state(destination, server) == libvirt.VIR_DOMAIN_RUNNING
        assert volumes(destination, server) == before
        end(cloud, server, how)
        if how == "revertResize":
            assert volumes(source, server) == before
            assert (state(source, server), destination.secrets(server)) == (libvirt.VIR_DOMAIN_RUNNING, [])
    cloud.wait(lambda: source.traces(server) == [], "nothing is left at the source")
    assert (source.secrets(server), destination.secrets(server)) == ([], password)
    live(cloud, server, "compute1")
    assert (volumes(source, server), source.secrets(server)) == (before, password)
    assert (destination.traces(server), destination.secrets(server)) == ([], [])
    cloud.delete(server)
    assert source.secrets(server) == []


def test_aborted_while_it_is_copied(cloud: Any, image: str, hosts: Any) -> None:
    source, destination = hosts["compute1"], hosts["compute2"]
    slow = source.options() | {"migration_bandwidth_mib": 1}
    cloud.flags(group="nova_virt", options=[f"{key}={value}" for key, value in slow.items()])
    cloud.restart_compute()
    server = cloud.boot(image, networks=[{"port": cloud.neutron.port_1["id"]}], host="compute1")
    cloud.act(server, "os-migrateLive", {"host": "compute2", "block_migration": "auto"})

    def running() -> Any:
        found = cloud.api.get_active_migrations(server["id"])
        return next((each for each in found if each["status"] == "running"), None)

    migration = cloud.wait(running, "the migration runs")
    domain = source.native.lookupByUUIDString(server["id"])
    cloud.wait(lambda: domain.jobInfo()[0] != libvirt.VIR_DOMAIN_JOB_NONE, "it is copied")
    cloud.api.delete_migration(server["id"], migration["id"])
    cloud.wait(lambda: cloud.result(server, "live_migration_cancel"), "the abort was taken")
    cloud.wait_for(server, "ACTIVE")
    cloud.ended(server, "live-migration")
    outcomes = [each["status"] for each in cloud.api.get_migrations() if each["instance_uuid"] == server["id"]]
    assert outcomes == ["cancelled"]
    assert where(cloud, server) == "compute1"
    assert state(source, server) == libvirt.VIR_DOMAIN_RUNNING
    cloud.wait(lambda: destination.traces(server) == [], "the destination, which Nova only casts to, has rolled back")
    cloud.act(server, "pause")  # nothing of the move stands in the way of what comes next
    cloud.wait_for(server, "PAUSED")
    cloud.delete(server)
    assert source.traces(server) == []

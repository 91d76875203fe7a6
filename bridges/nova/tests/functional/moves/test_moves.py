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
    cloud.act(server, "revertResize")
    cloud.wait_for(server, "ACTIVE")
    assert where(cloud, server) == "compute1"
    assert destination.traces(server) == []
    assert state(source, server) == libvirt.VIR_DOMAIN_RUNNING
    assert source.definition(server).findtext("vcpu") == "1"
    cloud.act(server, "resize", {"flavorRef": flavor})
    cloud.wait_for(server, "VERIFY_RESIZE")
    cloud.act(server, "confirmResize")
    cloud.wait_for(server, "ACTIVE")
    cloud.wait(lambda: source.traces(server) == [], "nothing is left at the source")
    assert state(destination, server) == libvirt.VIR_DOMAIN_RUNNING
    cloud.delete(server)
    assert destination.traces(server) == []


def test_moved_while_it_runs(cloud: Any, image: str, hosts: Any) -> None:
    source, destination = hosts["compute1"], hosts["compute2"]
    server = cloud.boot(image, networks=[{"port": cloud.neutron.port_1["id"]}], host="compute1")
    cloud.act(server, "os-migrateLive", {"host": "compute2", "block_migration": "auto"})
    cloud.wait(lambda: cloud.result(server, "live-migration"), "the migration has ended")
    cloud.wait_for(server, "ACTIVE")
    assert (where(cloud, server), cloud.result(server, "live-migration")) == ("compute2", "Success")
    assert state(destination, server) == libvirt.VIR_DOMAIN_RUNNING
    assert destination.native.lookupByUUIDString(server["id"]).isPersistent()
    assert source.traces(server) == []
    cloud.act(server, "os-stop")
    cloud.wait_for(server, "SHUTOFF")
    cloud.act(server, "os-start")
    cloud.wait_for(server, "ACTIVE")
    cloud.delete(server)
    assert destination.traces(server) == []

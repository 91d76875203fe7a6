"""Manila's shares of a real Nova on real QEMU; what would mount an NFS export is the test's."""

import uuid
from pathlib import Path
from typing import Any

import nova.privsep.fs
import pytest
from lxml import etree
from nova import filesystem
from nova.tests.fixtures.manila import ManilaFixture

pytestmark = pytest.mark.timeout(900)  # on a busy machine

EXPORT = "10.0.0.50:/mnt/foo"
"""What Manila's stand-in tells of each share."""


@pytest.fixture
def mounts(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """What is mounted: exports by directory."""
    there: dict[str, str] = {}
    monkeypatch.setattr(nova.privsep.fs, "mount", lambda fstype, device, path, options: there.update({path: device}))
    monkeypatch.setattr(nova.privsep.fs, "umount", there.pop)
    monkeypatch.setattr(filesystem, "is_mounted", there.__contains__)
    return there


@pytest.fixture
def options(tmp_path: Path) -> dict[str, Any]:
    """What the driver is told beside its endpoint: the directory whose shares guests may have."""
    return {"share_directories": tmp_path / "shares"}


@pytest.fixture
def shares(cloud: Any, tmp_path: Path) -> Any:
    """Manila, and a place where this host mounts its shares."""
    cloud.flags(shutdown_timeout=0)
    cloud.flags(group="nova_virt", share_dir=str(tmp_path / "shares"))
    cloud.useFixture(ManilaFixture())
    cloud.restart_compute()  # its traits are told when it starts
    cloud.api.microversion = "2.97"
    return cloud.api


def directories(native: Any, server: Any) -> dict[str, str]:
    """The directories that a server's domain shares, by tag."""
    definition: Any = etree.fromstring(native.lookupByUUIDString(server["id"]).XMLDesc(0))
    found = definition.findall("devices/filesystem")
    return {each.find("target").get("dir"): each.find("source").get("dir") for each in found}


def test_shared_from_one_start_to_another(
    cloud: Any, image: str, native: Any, shares: Any, mounts: dict[str, str], tmp_path: Path
) -> None:
    server, share_id = cloud.boot(image), str(uuid.uuid4())

    def stop() -> None:
        cloud.act(server, "os-stop")
        cloud.wait_for(server, "SHUTOFF")

    def start() -> None:
        cloud.act(server, "os-start")
        cloud.wait_for(server, "ACTIVE")

    def status() -> list[str]:
        return [each["status"] for each in shares.api_get(f"/servers/{server['id']}/shares").body["shares"]]

    stop()
    shares.post_server_share(server["id"], {"share": {"share_id": share_id, "tag": "web"}})
    cloud.wait(lambda: status() == ["inactive"], "Manila lets the host in")
    assert (directories(native, server), mounts) == ({}, {})
    start()
    ((path, export),) = mounts.items()
    assert (export, Path(path).is_relative_to(tmp_path)) == (EXPORT, True)
    assert directories(native, server) == {"web": path}
    assert status() == ["active"]
    stop()
    assert mounts == {}
    shares.delete_server_share(server["id"], share_id)
    cloud.wait(lambda: status() == [], "Manila shuts the host out")
    start()
    assert (directories(native, server), mounts) == ({}, {})
    cloud.delete(server)

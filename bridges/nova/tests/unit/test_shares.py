"""Manila's shares, on the fake driver; what mounts is the test's."""

import uuid
from pathlib import Path
from typing import Any
from uuid import UUID

import nova.privsep.fs
import pytest
from nova import exception, filesystem
from nova.objects.share_mapping import ShareMapping, ShareMappingList
from oslo_concurrency import processutils

import nova_virt_api as virt
from nova_virt_api.fake.shares import ALLOWED

EXPORT = "192.0.2.7:/shares/web"
RUNNING = 1


class Mounts:
    """What is mounted on this machine."""

    def __init__(self) -> None:
        self.there: dict[str, str] = {}
        self.error: Exception | None = None

    def mount(self, fstype: str, device: str, mountpoint: str, options: list[str]) -> None:
        """As Nova's own function."""
        if self.error is not None:
            raise self.error
        assert (fstype, options) == ("nfs", ["-o", "nosuid,nodev"])
        assert mountpoint not in self.there
        assert Path(mountpoint).is_dir()
        self.there[mountpoint] = device

    def umount(self, mountpoint: str) -> None:
        """As Nova's own function."""
        if self.error is not None:
            raise self.error
        del self.there[mountpoint]


@pytest.fixture
def mounts(monkeypatch: pytest.MonkeyPatch) -> Mounts:
    """What is mounted on this machine: nothing yet."""
    mounts = Mounts()
    monkeypatch.setattr(nova.privsep.fs, "mount", mounts.mount)
    monkeypatch.setattr(nova.privsep.fs, "umount", mounts.umount)
    monkeypatch.setattr(filesystem, "is_mounted", lambda path: path in mounts.there)
    return mounts


@pytest.fixture
def directory(config: Any, tmp_path: Path) -> Path:
    """Where shares are mounted."""
    config.config(group="nova_virt", share_dir=str(tmp_path / "shares"))
    return tmp_path / "shares"


@pytest.fixture
def share() -> Any:
    """Makes Nova's data of a share of an instance."""

    def make(instance: Any, tag: str = "web", export: str = EXPORT, proto: str = "NFS") -> Any:
        return ShareMapping(
            uuid=str(uuid.uuid4()),
            instance_uuid=instance.uuid,
            share_id=str(uuid.uuid4()),
            status="inactive",
            tag=tag,
            export_location=export,
            share_proto=proto,
        )

    return make


def listed(*shares: Any) -> Any:
    """As nova-compute hands them to its driver."""
    return ShareMappingList(objects=list(shares))


@pytest.fixture
def allowed(driver: Any, config: Any) -> None:
    """A place for shares that the fake driver allows."""
    config.config(group="nova_virt", share_dir=ALLOWED)


def used(driver: Any, instance: Any) -> dict[str, str]:
    """The shares of a guest at the endpoint: their directories by tag."""
    return {found.tag: found.source.path for found in driver.compute.shares(UUID(instance.uuid))}


def test_mounted_once_and_for_as_long_as_somebody_uses_it(
    driver: Any, make_instance: Any, share: Any, mounts: Mounts, directory: Path
) -> None:
    one, other = make_instance(), make_instance()
    assert not driver.is_share_mounted(share(one))
    for each in (one, one, other):
        driver.mount_share(None, each, share(each))
    ((path, export),) = mounts.there.items()
    assert (export, Path(path).is_relative_to(directory)) == (EXPORT, True)
    assert driver.is_share_mounted(share(one))
    assert driver.umount_share(None, one, share(one)) is True
    assert len(mounts.there) == 1
    assert driver.umount_share(None, other, share(other)) is False
    assert mounts.there == {}
    assert not [found for found in directory.rglob("*") if found.name not in {"mounts", "users"}]
    assert driver.umount_share(None, other, share(other)) is False


def test_a_mount_that_fails_names_the_share(
    driver: Any, instance: Any, share: Any, mounts: Mounts, directory: Path
) -> None:
    mounts.error = processutils.ProcessExecutionError(stderr="no route to host")
    with pytest.raises(exception.ShareMountError, match="no route"):
        driver.mount_share(None, instance, share(instance))
    mounts.error = None
    driver.mount_share(None, instance, share(instance))
    mounts.error = processutils.ProcessExecutionError(stderr="target is busy")
    with pytest.raises(exception.ShareUmountError, match="busy"):
        driver.umount_share(None, instance, share(instance))


def test_other_protocols_and_hosts_without_a_place_are_refused(
    driver: Any, instance: Any, share: Any, mounts: Mounts, config: Any, directory: Path
) -> None:
    with pytest.raises(exception.ShareProtocolNotSupported, match="CEPHFS"):
        driver.mount_share(None, instance, share(instance, proto="CEPHFS"))
    assert driver.capabilities["supports_virtio_fs"]
    assert driver.capabilities["supports_mem_backing_file"]
    config.config(group="nova_virt", share_dir=None)
    with pytest.raises(exception.ShareProtocolNotSupported):
        driver.mount_share(None, instance, share(instance))
    assert not driver.capabilities["supports_virtio_fs"]
    assert not driver.capabilities["supports_mem_backing_file"]


@pytest.mark.parametrize("start", ["power_on", "reboot", "resume_state_on_host_boot"])
@pytest.mark.usefixtures("allowed")
def test_a_guest_starts_with_what_nova_has_for_it(driver: Any, running: Any, share: Any, start: str) -> None:
    def begin(*shares: Any) -> None:
        driver.power_off(running)
        if start == "resume_state_on_host_boot":
            driver.resume_state_on_host_boot(None, running, [], listed(*shares))
        elif start == "reboot":
            driver.reboot(None, running, [], "HARD", share_info=listed(*shares))
        else:
            driver.power_on(None, running, [], share_info=listed(*shares))
        assert driver.get_info(running, use_cache=False).state == RUNNING

    begin(share(running))
    (path,) = used(driver, running).values()
    begin(share(running), share(running, "other", "192.0.2.7:/other"))
    assert used(driver, running)["web"] == path
    assert set(used(driver, running)) == {"web", "other"}
    begin(share(running, "web", "192.0.2.7:/other"))
    assert set(used(driver, running)) == {"web"}
    assert used(driver, running)["web"] != path
    begin()
    assert used(driver, running) == {}


@pytest.mark.usefixtures("allowed")
def test_what_nova_does_not_know_of_stays(driver: Any, running: Any, config: Any, share: Any) -> None:
    config.config(group="nova_virt", share_dir=f"{ALLOWED}/nova")
    theirs = virt.Share(tag="theirs", source=virt.HostDirectory(path=f"{ALLOWED}/theirs"))
    driver.power_off(running)
    driver.compute.attach_share(UUID(running.uuid), theirs)
    driver.power_on(None, running, [], share_info=listed(share(running)))
    assert set(used(driver, running)) == {"theirs", "web"}
    driver.reboot(None, running, [], "HARD", share_info=listed())
    assert set(used(driver, running)) == {"theirs", "web"}, "a guest that is on keeps what it has"
    driver.power_off(running)
    driver.power_on(None, running, [], share_info=listed())
    assert set(used(driver, running)) == {"theirs"}


@pytest.mark.usefixtures("allowed")
def test_a_guest_that_changes_its_host_finds_its_shares_there(
    driver: Any, running: Any, share: Any, make_driver: Any, world: str, request_context: Any, image_meta: Any
) -> None:
    far, told = make_driver(world=f"{world}-far"), listed(share(running))
    carried = driver.migrate_disk_and_power_off(None, running, "192.0.2.99", running.flavor, [], {}, 0, 0)
    far.finish_migration(
        request_context, None, running, carried, [], image_meta, True, {}, {}, power_on=True, share_info=told
    )
    assert set(used(far, running)) == {"web"}
    assert far.get_info(running, use_cache=False).state == RUNNING


def test_without_a_place_for_them_the_endpoint_is_not_asked(driver: Any, running: Any, switches: Any) -> None:
    switches.withdraw(virt.Capability.SHARES)
    driver.power_off(running)
    driver.power_on(None, running, [], share_info=listed())
    assert driver.get_info(running, use_cache=False).state == RUNNING

"""Volumes of a real Nova on real QEMU, from an iSCSI target that asks for a password."""

import itertools
import os
import socket
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from lxml import etree
from nova.tests.fixtures import CinderFixture
from nova.volume import cinder

pytestmark = pytest.mark.timeout(900)  # on a busy machine

USER, PASSWORD = "tester", "chap-secret-0815"
MIB = 1024**2


class Target:
    """The target, with one logical unit after the other.

    Args:
        directory: for the logical units.
        port: the port that it listens on.
    """

    IQN = "iqn.2026-11.org.nova-virt:nova-tests"

    def __init__(self, directory: Path, port: int) -> None:
        self._directory = directory
        self._control = str(os.getpid() % 32768)
        self._numbers = itertools.count(1)
        self.portal = f"127.0.0.1:{port}"

    @property
    def command(self) -> list[str]:
        """What starts its daemon."""
        return ["tgtd", "--foreground", "-C", self._control, "--iscsi", f"portal={self.portal}"]

    def answers(self) -> bool:
        """Whether its daemon takes commands."""
        shown = subprocess.run([*self._tell, "--mode", "sys", "--op", "show"], capture_output=True, check=False)
        return shown.returncode == 0

    def set_up(self) -> None:
        """Make the target and let whoever knows the password in."""
        self.admin("--mode", "target", "--op", "new", "--tid", "1", "--targetname", self.IQN)
        self.admin("--mode", "account", "--op", "new", "--user", USER, "--password", PASSWORD)
        self.admin("--mode", "account", "--op", "bind", "--tid", "1", "--user", USER)
        self.admin("--mode", "target", "--op", "bind", "--tid", "1", "--initiator-address", "ALL")

    def path(self, lun: int) -> Path:
        """What is behind a logical unit."""
        return self._directory / f"lun{lun}.raw"

    def volume(self, content: bytes = b"", *, encrypted: bool = False) -> dict[str, Any]:
        """A new logical unit with this at its beginning, as Cinder tells of it."""
        lun = next(self._numbers)
        path = self.path(lun)
        path.write_bytes(content)
        os.truncate(path, 8 * MIB)
        self.admin(
            *("--mode", "logicalunit", "--op", "new", "--tid", "1", "--lun", str(lun), "--backing-store", str(path))
        )
        data = {
            "target_portal": self.portal,
            "target_iqn": self.IQN,
            "target_lun": lun,
            "auth_method": "CHAP",
            "auth_username": USER,
            "auth_password": PASSWORD,
            "encrypted": encrypted,
        }
        return {"driver_volume_type": "iscsi", "data": data}

    def sessions(self) -> int:
        """How many have logged in."""
        return self.admin("--mode", "target", "--op", "show").count("I_T nexus:")

    def admin(self, *arguments: str) -> str:
        """Tell its daemon something."""
        return subprocess.run([*self._tell, *arguments], check=True, capture_output=True, text=True).stdout

    @property
    def _tell(self) -> list[str]:
        return ["tgtadm", "--lld", "iscsi", "-C", self._control]


def formatted(directory: Path, passphrase: str) -> bytes:
    """An empty volume of LUKS's, with little work for who guesses."""
    secret, path = directory / "passphrase", directory / "volume.luks"
    secret.write_text(passphrase)
    command = ["qemu-img", "create", "-q", "-f", "luks", "--object", f"secret,id=s,file={secret}"]
    command += ["-o", "key-secret=s,iter-time=10", str(path), str(4 * MIB)]
    for _ in range(50):  # on a busy machine QEMU cannot tell how long it takes to try a passphrase
        if subprocess.run(command, check=False).returncode == 0:
            return path.read_bytes()
    pytest.fail("qemu-img formats no LUKS volume", pytrace=False)


@pytest.fixture
def target(tmp_path: Path, cloud: Any) -> Iterator[Target]:
    """An iSCSI target on this machine's loopback."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    target = Target(tmp_path, port)
    with subprocess.Popen(target.command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as server:
        try:
            cloud.wait(lambda: target.answers() or server.poll() is not None, "the target answers")
            target.set_up()
            yield target
        finally:
            server.kill()  # it ends by no other signal while it has sessions


@pytest.fixture(autouse=True)
def impatient(cloud: Any) -> None:
    """A guest that still boots does not obey; it loses its power at once."""
    cloud.flags(shutdown_timeout=0)


@pytest.fixture
def volume(target: Target, monkeypatch: pytest.MonkeyPatch) -> str:
    """A volume that Cinder's stand-in knows."""
    volume_id = str(uuid.uuid4())
    monkeypatch.setitem(CinderFixture.VOLUME_CONNECTION_INFO, volume_id, target.volume())
    return volume_id


def volumes(native: Any, server: Any) -> list[Any]:
    """The disks of a server's domain that are behind a network."""
    definition = etree.fromstring(native.lookupByUUIDString(server["id"]).XMLDesc(0))
    return list(definition.iterfind("devices/disk/source[@protocol='iscsi']"))


def secrets(native: Any, server: Any) -> list[str]:
    """The passwords and passphrases of a server's volumes that libvirt keeps, by their names."""
    names = [str(secret.usageID()) for secret in native.listAllSecrets(0)]
    return [name for name in names if server["id"] in name]


def attached(cloud: Any, server: Any) -> list[str]:
    """The volumes that Nova has for a server."""
    return [each["volumeId"] for each in cloud.api.get_server_volumes(server["id"])]


def test_attached_kept_over_a_stop_and_detached(
    cloud: Any, image: str, native: Any, target: Target, volume: str
) -> None:
    server = cloud.boot(image)
    cloud.api.post_server_volume(server["id"], {"volumeAttachment": {"volumeId": volume}})
    cloud.wait(lambda: volumes(native, server), "the volume is attached")
    assert target.sessions() == 1
    assert attached(cloud, server) == [volume]
    cloud.act(server, "reboot", {"type": "HARD"})
    cloud.wait_for(server, "ACTIVE")
    assert len(volumes(native, server)) == 1
    cloud.wait(lambda: cloud.result(server, "attach_volume"), "the action has ended")
    cloud.act(server, "os-stop")
    cloud.wait_for(server, "SHUTOFF")
    cloud.api.delete_server_volume(server["id"], volume)
    cloud.wait(lambda: attached(cloud, server) == [], "the volume is detached")
    assert volumes(native, server) == []
    cloud.delete(server)
    assert secrets(native, server) == []


def test_there_from_the_start_and_left_alone_in_the_end(
    cloud: Any, image: str, native: Any, target: Target, volume: str
) -> None:
    devices = [
        {"source_type": "image", "destination_type": "local", "uuid": image, "boot_index": 0},
        {"source_type": "volume", "destination_type": "volume", "uuid": volume, "boot_index": None},
    ]
    server = cloud.boot(image, block_device_mapping_v2=devices)
    assert len(volumes(native, server)) == 1
    assert target.sessions() == 1
    cloud.delete(server)
    cloud.wait(lambda: target.sessions() == 0, "nobody uses the volume any more")


def test_copied_to_another_while_it_is_used(
    cloud: Any, image: str, native: Any, target: Target, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As Cinder has it when it moves a volume to another back end."""
    old, new = CinderFixture.SWAP_OLD_VOL, CinderFixture.SWAP_NEW_VOL
    content = os.urandom(MIB)
    for volume_id, told in ((old, target.volume(content)), (new, target.volume())):
        monkeypatch.setitem(CinderFixture.VOLUME_CONNECTION_INFO, volume_id, told)
    server = cloud.boot(image)
    cloud.api.post_server_volume(server["id"], {"volumeAttachment": {"volumeId": old}})
    cloud.wait(lambda: cloud.result(server, "attach_volume"), "the volume is attached")
    cloud.api.put_server_volume(server["id"], old, new)
    cloud.wait(lambda: cloud.result(server, "swap_volume"), "the volume is swapped")
    assert (cloud.result(server, "swap_volume"), attached(cloud, server)) == ("Success", [new])
    assert target.path(2).read_bytes()[:MIB] == content
    (source,) = volumes(native, server)
    assert source.get("name") == f"{Target.IQN}/2"
    assert target.sessions() == 1
    cloud.delete(server)
    assert secrets(native, server) == []


def test_encrypted_with_a_key_of_the_key_manager(
    cloud: Any, image: str, native: Any, target: Target, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    key = "2f" * 32
    cloud.flags(group="key_manager", backend="nova.keymgr.conf_key_mgr.ConfKeyManager", fixed_key=key)
    told = {"provider": "luks", "control_location": "front-end", "encryption_key_id": str(uuid.UUID(int=0))}
    monkeypatch.setattr(cinder.API, "get_volume_encryption_metadata", lambda *_: told)
    good, wrong = str(uuid.uuid4()), str(uuid.uuid4())
    for volume_id, content in ((good, formatted(tmp_path, key)), (wrong, b"")):
        reached = target.volume(content, encrypted=True)
        monkeypatch.setitem(CinderFixture.VOLUME_CONNECTION_INFO, volume_id, reached)
    server = cloud.boot(image)
    cloud.api.post_server_volume(server["id"], {"volumeAttachment": {"volumeId": good}})
    cloud.wait(lambda: cloud.result(server, "attach_volume"), "the volume is attached")
    (source,) = volumes(native, server)
    assert source.find("encryption").get("format") == "luks"
    domain = native.lookupByUUIDString(server["id"])
    assert domain.blockInfo(source.getparent().find("target").get("dev"))[0] < 8 * MIB, "the header is not the guest's"
    assert key not in domain.XMLDesc(0)
    cloud.api.post_server_volume(server["id"], {"volumeAttachment": {"volumeId": wrong}})
    cloud.wait(lambda: attached(cloud, server) == [good], "Nova gives up the one that nobody formatted")
    assert len(volumes(native, server)) == 1
    cloud.delete(server)
    assert secrets(native, server) == []

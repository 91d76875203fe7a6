"""The guide's programs about volumes are run as they stand there, but for addresses and paths."""

from pathlib import Path
from typing import Any

import pytest

from nova_virt_api.model.units import MiB

SIZES = {"data": MiB(8), "archive": MiB(8), "newer": MiB(32)}

Here = dict[str, str]


@pytest.fixture
def here(daemon: Any, raw: Any) -> Here:
    """Where the tests' host is, instead of this machine."""
    raw()
    return {'uri="qemu:///system"': f'uri="{daemon.uri}", pool="nova-virt", owner="nova-virt-tests"'}


def test_volumes_that_are_files(here: Here, files: Any, run_program: Any) -> None:
    here |= {f"/srv/volumes/{name}.raw": str(files.path(size)) for name, size in SIZES.items()}
    assert run_program("volumes", here) == ["sda", "['newer', 'archive']"]


def test_volumes_of_iscsi(here: Here, target: Any, spawn: Any, seen: Any, run_program: Any) -> None:
    volume = target.volume().connection
    here |= {
        "192.0.2.7:3260": volume.portal,
        "iqn.2026-11.org.example:volumes": volume.iqn,
        "lun=1,": f"lun={volume.lun},",
        '"web",\n        chap': f'"{volume.chap_username}",\n        chap',
        "correct-horse-battery": volume.chap_password.reveal(),
    }
    spawn(name="web")
    initiator, attached = run_program("iscsi", here)
    assert initiator.startswith("iqn.")
    assert attached == "lun-1 sda"
    assert seen.secrets() == []


def test_volumes_of_nfs(here: Here, nfs: Path, spawn: Any, run_program: Any) -> None:
    file = nfs / "guide.raw"
    file.write_bytes(bytes(MiB(8)))
    file.chmod(0o666)
    here |= {"nfs.example.org": "127.0.0.1", "/srv/volumes": str(nfs), "data.raw": file.name}
    spawn(name="web")
    assert run_program("nfs", here) == ["data sda"]


def test_encrypted_volumes(here: Here, files: Any, spawn: Any, seen: Any, run_program: Any) -> None:
    volume = files.luks()
    here |= {
        "/srv/volumes/secret.luks": volume.connection.path,
        "correct-horse-battery": volume.encryption.passphrase.reveal(),
    }
    spawn(name="web")
    assert run_program("luks", here) == ["True"]
    assert seen.secrets() == []

"""A guest with an operating system, which starts from a volume of an iSCSI target and gives another one back."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from nova_virt_api.model.units import MiB

KIT = Path(__file__).parents[5] / "conformance"


@pytest.fixture(scope="session")
def guest_image() -> Path:
    """The bootable image, made if it is not in the cache."""
    command = [sys.executable, "-m", "nova_virt_conformance.guest_image", "--print-path"]
    made = subprocess.run(command, cwd=KIT, capture_output=True, text=True, check=True)
    return Path(made.stdout.strip())


@pytest.mark.timeout(300)
def test_a_guest_boots_from_a_volume_and_lets_go_of_another(
    guest_image: Path, files: Any, target: Any, spawn: Any, driver: Any, run: Any, seen: Any, eventually: Any
) -> None:
    told = subprocess.run(
        ["qemu-img", "info", "--output=json", str(guest_image)], capture_output=True, text=True, check=True
    )
    root = target.volume(int(json.loads(told.stdout)["virtual-size"]), content=guest_image)
    guest = spawn(memory_bytes=MiB(256), disks=[], volumes=[replace(root, boot=True)])
    eventually(lambda: b"ready" in driver.console_log(guest.ref, 1024**2), "the guest has booted from it", 200.0)
    data = files.volume()
    run(driver.attach_volume, guest.ref, data)
    run(driver.detach_volume, guest.ref, data.id)
    assert [one.id for one in driver.volumes(guest.ref)] == [root.id]
    assert len(seen.disks(guest)) == 1

"""Secure boot at work: the firmware starts no system that nobody has signed."""

from pathlib import Path
from typing import Any

import pytest

from nova_virt_api.model.disk import Disk
from nova_virt_api.model.image import LocalFile
from nova_virt_api.model.tpm import Tpm
from nova_virt_api.model.units import GiB, MiB


@pytest.mark.timeout(300)
def test_firmware_refuses_a_system_that_is_not_signed(
    guest_image: Path, spawn: Any, make_spec: Any, driver: Any, eventually: Any
) -> None:
    spec = make_spec(
        memory_bytes=MiB(256),
        disks=[Disk(source=LocalFile(guest_image), size_bytes=GiB(2))],
        secure_boot=True,
        tpm=Tpm(),
        power_on=True,
    )
    guest = spawn(spec, timeout=200.0)

    def log() -> str:
        return str(driver.console_log(guest.ref, 1024**2).decode(errors="replace"))

    eventually(lambda: "Access Denied" in log() or "Security Violation" in log(), "the firmware refuses", 120.0)
    assert "Linux version" not in log()

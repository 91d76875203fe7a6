"""One guest with an operating system: it boots from an overlay, reads its seed, gets an address, stops when asked."""

from pathlib import Path
from typing import Any

import pytest

from nova_virt_api.model.cloud_init import CloudInit
from nova_virt_api.model.disk import Disk
from nova_virt_api.model.image import LocalFile
from nova_virt_api.model.instance import PowerOff, PowerState
from nova_virt_api.model.nic import Nic
from nova_virt_api.model.spec import Firmware
from nova_virt_api.model.units import GiB, MiB


@pytest.mark.timeout(300)
@pytest.mark.parametrize("firmware", [None, Firmware.UEFI])
def test_whole_life(
    firmware: Firmware | None,
    guest_image: Path,
    spawn: Any,
    make_spec: Any,
    driver: Any,
    run: Any,
    traces: Any,
    eventually: Any,
) -> None:
    spec = make_spec(
        memory_bytes=MiB(256),
        disks=[Disk(source=LocalFile(guest_image), size_bytes=GiB(2))],
        nics=[Nic(network="default")],
        cloud_init=CloudInit(user_data="#cloud-config\nhello: world\n", hostname="from-the-seed"),
        firmware=firmware,
        power_on=True,
    )
    guest = spawn(spec, timeout=200.0)

    def log() -> str:
        return str(driver.console_log(guest.ref, 1024**2).decode(errors="replace"))

    eventually(lambda: "hostname=from-the-seed" in log(), "the guest says that it read its seed", 120.0)
    eventually(lambda: driver.instance(guest.ref, fresh=True).addresses, "the guest has an address", 60.0)
    assert f"instance-id={spec.uuid}" in log()
    address = driver.instance(guest.ref, fresh=True).addresses[0]
    assert str(address.ip).startswith("192.168.122.")
    run(driver.power_off, guest.ref, mode=PowerOff.GRACEFUL, grace_seconds=60.0, timeout=120.0)
    assert driver.instance(guest.ref, fresh=True).power_state is PowerState.SHUTDOWN
    assert run(driver.destroy, guest.ref)
    assert traces.of(guest.uuid) == []

"""Renaming guests whose firmware keeps variables."""

from contextlib import suppress
from typing import Any

import pytest

from nova_virt_api.errors import NotSupported
from nova_virt_api.model.spec import Firmware, InstanceUpdate


def test_no_variables_of_the_firmware_get_lost(
    spawn: Any, make_spec: Any, driver: Any, run: Any, daemon: Any, native: Any
) -> None:
    guest = spawn(make_spec(firmware=Firmware.UEFI, power_on=True))
    kept = daemon.directory / "lib" / "qemu" / "nvram"
    (before,) = kept.iterdir()
    native.lookupByUUID(guest.uuid.bytes).destroy()
    with suppress(NotSupported):  # libvirt up to 9.1 would lose them
        run(driver.update, guest.ref, InstanceUpdate(name="renamed"))
    run(driver.power_on, guest.ref)
    assert list(kept.iterdir()) == [before]
    assert run(driver.destroy, guest.ref)
    assert list(kept.iterdir()) == []


@pytest.mark.parametrize("labels", [{}, {"tier": "front"}])
def test_labels_of_such_a_guest_change(labels: Any, spawn: Any, make_spec: Any, driver: Any, run: Any) -> None:
    guest = spawn(make_spec(firmware=Firmware.UEFI))
    assert dict(run(driver.update, guest.ref, InstanceUpdate(labels=labels)).labels) == labels

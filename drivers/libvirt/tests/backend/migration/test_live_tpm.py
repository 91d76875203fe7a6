"""A running guest's TPM moves with it."""

from pathlib import Path
from typing import Any

import nova_virt_api as virt


def states(host: Any, guest: virt.Instance) -> list[Path]:
    """The directories in which a host keeps the states of a guest's TPMs."""
    return sorted((host.daemon.directory / "lib/swtpm").glob(str(guest.uuid)))


def test_a_tpm_leaves_nothing_at_the_source(
    hosts: Any, source: virt.Compute, destination: virt.Compute, spawn: Any
) -> None:
    guest = spawn(firmware=virt.Firmware.UEFI, tpm=virt.Tpm())
    assert states(hosts[0], guest)
    source.live_migrate(guest, to=destination, timeout=100)
    assert states(hosts[0], guest) == []
    (state,) = states(hosts[1], guest)
    assert (state / "tpm2/tpm2-00.permall").stat().st_size > 0
    destination.power_off(guest, mode=virt.PowerOff.HARD, timeout=60)
    destination.power_on(guest, timeout=60)  # swtpm refuses a state that is damaged
    assert destination.destroy(guest, timeout=60)
    assert states(hosts[1], guest) == []

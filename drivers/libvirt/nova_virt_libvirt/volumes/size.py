"""Telling a running guest how large a volume has become."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final

import libvirt

from nova_virt_api.errors import InvalidSpec, InvalidState
from nova_virt_api.model.instance import PowerState
from nova_virt_libvirt.volumes.errors import volume_errors

if TYPE_CHECKING:
    from nova_virt_libvirt.domain import Domain
    from nova_virt_libvirt.volumes.disks import Held

SECTOR: Final = 512
PAYLOAD: Final = (104, 4)
"""Where a LUKS header says at which sector what is encrypted begins (LUKS1 On-Disk Format 1.2.3, figure 1)."""


def grow(domain: Domain, held: Held, size_bytes: int) -> None:
    """Let a running guest see a volume as large as it is now; QEMU makes a file larger if nobody did before.

    Raises:
        InvalidSpec: the guest sees it larger.
        InvalidState: what is in front of the encrypted data cannot be read now.
        VolumeError: the volume is not as large.
    """
    what = f"extend volume {held.id}"
    with volume_errors(what):
        native = domain.native
        seen: int = native.blockInfo(held.target)[0]
    wanted = size_bytes - payload_offset(domain, held) if held.shown().encrypted else size_bytes
    wanted = -(-wanted // SECTOR) * SECTOR  # guests see whole sectors
    if seen > wanted:
        raise InvalidSpec("size_bytes", size_bytes, f"at least {size_bytes - wanted + seen}: a volume only grows")
    if seen < wanted:
        with volume_errors(what):
            native.blockResize(held.target, wanted, libvirt.VIR_DOMAIN_BLOCK_RESIZE_BYTES)


def payload_offset(domain: Domain, held: Held) -> int:
    """How many bytes of an encrypted volume come before the guest's own."""
    where, length = PAYLOAD
    if held.live.get("type") == "network":  # libvirt reads a header only from what the host itself has
        raise InvalidState(
            domain.power_state,
            [PowerState.SHUTDOWN],
            hint="stop the guest: when it starts it sees an encrypted volume as large as it is",
        )
    with volume_errors(f"read the header of volume {held.id}"):
        header = domain.native.blockPeek(held.target, where, length)
    return int(struct.unpack(">I", header)[0]) * SECTOR

"""Names of volumes."""

import uuid

from nova_virt_api.model.image import ImageFormat
from nova_virt_libvirt.names import (
    claim_key,
    console_log_name,
    disk_name,
    guest_of,
    is_claim,
    is_disk,
    seed_name,
    snapshot_key,
)

GUEST = uuid.UUID("11111111-2222-3333-4444-555555555555")


def test_all_name_their_guest() -> None:
    names = [
        f"{claim_key(GUEST)}.claim",
        disk_name(GUEST, 12, ImageFormat.QCOW2),
        seed_name(GUEST),
        console_log_name(GUEST),
        f"{snapshot_key(GUEST)}.qcow2",
    ]
    assert {guest_of(name) for name in names} == {GUEST}


def test_others_name_nobody() -> None:
    for name in ("debian.qcow2", f"{GUEST}", f"x{GUEST}.disk0.qcow2", "nova-virt-base-00.qcow2", f"{GUEST}-disk0"):
        assert guest_of(name) is None


def test_disks_are_told_from_the_rest() -> None:
    assert is_disk(f"{GUEST}.disk0.qcow2")
    assert not any(map(is_disk, [f"{GUEST}.seed.iso", f"{GUEST}.claim", f"{GUEST}.snapshot.qcow2", "disk0.qcow2"]))


def test_claims_are_told_from_the_rest() -> None:
    assert is_claim(f"{GUEST}.claim")
    assert is_claim(f"{GUEST}.claim.0011")
    assert not any(map(is_claim, [f"{GUEST}.snapshot.claim", f"{GUEST}.disk0.qcow2", "nova-virt-base-00.claim"]))

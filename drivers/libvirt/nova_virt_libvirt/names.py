"""Names of what is made for a guest: each begins with the guest's uuid, so that nothing of it can be mistaken."""

import re
from typing import Final
from uuid import UUID

from nova_virt_api.model.image import ImageFormat

OWN: Final = re.compile(r"([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})\.(\w+)")
DISK: Final = re.compile(r"disk[0-9]+")
BASE_PREFIX: Final = "nova-virt-base-"


def claim_key(uuid: UUID) -> str:
    """What the claims of a guest are kept under."""
    return str(uuid)


def disk_name(uuid: UUID, index: int, image_format: ImageFormat) -> str:
    """Volume of a guest's own disk."""
    return f"{uuid}.disk{index}.{image_format.value}"


def seed_name(uuid: UUID) -> str:
    """Volume of a guest's first-boot data."""
    return f"{uuid}.seed.iso"


def console_log_name(uuid: UUID) -> str:
    """Volume that a guest's serial console is written to."""
    return f"{uuid}.console.log"


def snapshot_key(uuid: UUID) -> str:
    """What the copy of a guest's disk and the claim on it are kept under while a snapshot is made."""
    return f"{uuid}.snapshot"


def base_key(digest: str) -> str:
    """What a base image and the claim on its upload are kept under."""
    return f"{BASE_PREFIX}{digest}"


def guest_of(volume_name: str) -> UUID | None:
    """The guest that a volume was made for; None for what is not a guest's."""
    found = OWN.match(volume_name)
    return UUID(found[1]) if found else None


def is_disk(volume_name: str) -> bool:
    """Whether a guest's volume is one of its disks, and not seed, log or claim."""
    found = OWN.match(volume_name)
    return found is not None and DISK.fullmatch(found[2]) is not None


def is_claim(volume_name: str) -> bool:
    """Whether a guest's volume is (part of) its claim."""
    found = OWN.match(volume_name)
    return found is not None and found[2] == "claim"

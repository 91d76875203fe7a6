"""Names of what is made for a guest: each begins with the guest's uuid, so that nothing of it can be mistaken."""

import re
from collections.abc import Iterable
from typing import Final, NamedTuple
from uuid import UUID

from nova_virt_api.model.image import ImageFormat

OWN: Final = re.compile(r"([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})\.(\w+)")
DISK: Final = re.compile(r"disk[0-9]+")
OF_POINT: Final = re.compile(OWN.pattern + r"\.at-[0-9a-f]{12}\.\w+")
RESERVED_CPUS: Final = re.compile(r"([0-9a-f-]{36})\.cpus\.([0-9a-f-]{36})\.([0-9a-f]+)")
OF_RESIZE: Final = re.compile(OWN.pattern + r"\.resize-[0-9a-f]+\.qcow2")
BASE_PREFIX: Final = "nova-virt-base-"
HOST_CPUS_KEY: Final = "nova-virt-host-cpus"
"""What the claim of whoever is choosing processors is kept under."""

HOST_SHARES_KEY: Final = "nova-virt-host-shares"
"""What the claim of whoever is choosing a directory that guests share is kept under."""

MAINTENANCE_PREFIX: Final = "nova-virt-maintenance-"
DOCTOR_PREFIX: Final = "nova-virt-doctor-"
NOTED_PREFIXES: Final = (BASE_PREFIX, HOST_CPUS_KEY, HOST_SHARES_KEY, MAINTENANCE_PREFIX, DOCTOR_PREFIX)
"""Of volumes that hold neither a guest's nor a user's data."""

ADOPTED: Final = "adopted"
"""In place of the fingerprint of a guest that was not asked for by a spec; no spec has such a one."""


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


def layer_name(uuid: UUID, index: int, token: str) -> str:
    """Volume that takes a disk's place in a resize.

    Args:
        uuid: the guest.
        index: number of the disk.
        token: of the resize.
    """
    return f"{uuid}.disk{index}.resize-{token}.qcow2"


def resize_copy_name(uuid: UUID, index: int) -> str:
    """Volume that holds a disk's content, independent of any base, while another endpoint fetches it."""
    return f"{uuid}.resize.disk{index}.qcow2"


def opened_directory_name(uuid: UUID) -> str:
    """Storage pool that a directory is for a moment, for a guest."""
    return f"{uuid}.directory"


def is_opened_directory(pool_name: str) -> bool:
    """Whether a storage pool is such a directory: no place for anything else."""
    return guest_of(pool_name) is not None and pool_name.endswith(".directory")


def rescue_disk_name(uuid: UUID) -> str:
    """Volume that a guest's rescue system is on."""
    return f"{uuid}.rescue.qcow2"


def rescue_seed_name(uuid: UUID) -> str:
    """Volume of the first-boot data of a guest's rescue system."""
    return f"{uuid}.rescue-seed.iso"


def volumes_key(uuid: UUID) -> str:
    """What the claim of whoever swaps a storage service's volumes of a guest is kept under."""
    return f"{uuid}.volumes"


def snapshot_key(uuid: UUID) -> str:
    """What the copy of a guest's disk and the claim on it are kept under while a snapshot is made."""
    return f"{uuid}.snapshot"


def live_name(uuid: UUID) -> str:
    """Volume that QEMU copies a running guest's disk to for a snapshot."""
    return f"{snapshot_key(uuid)}.live.{ImageFormat.QCOW2.value}"


def migration_key(uuid: UUID) -> str:
    """What the claim on a guest is kept under while it leaves."""
    return f"{uuid}.migration"


def ports_name(uuid: UUID, host: str) -> str:
    """Volume that tells which ports os-vif has made on a host for a guest that is to come there.

    Args:
        uuid: the guest.
        host: uuid of the host.
    """
    return f"{uuid}.ports.{host}"


def reserved_cpus_name(uuid: UUID, host: str, cpus: Iterable[int]) -> str:
    """Volume that tells which processors of a host are kept for a guest that is to come there.

    They are the bits of a number: a file's name has no room for the numbers of many.

    Args:
        uuid: the guest.
        host: uuid of the host.
        cpus: the processors.
    """
    return f"{uuid}.cpus.{host}.{sum(1 << cpu for cpu in set(cpus)):x}"


class ReservedCpus(NamedTuple):
    """What the name of such a volume says."""

    guest: UUID
    host: str
    cpus: frozenset[int]


def reserved_cpus(volume_name: str) -> ReservedCpus | None:
    """Which processors a volume keeps for a guest; None for one that keeps none."""
    found = RESERVED_CPUS.fullmatch(volume_name)
    if found is None:
        return None
    bits = int(found[3], 16)
    return ReservedCpus(UUID(found[1]), found[2], frozenset(cpu for cpu in range(bits.bit_length()) if bits >> cpu & 1))


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


def point_volume_name(uuid: UUID, part: str, point: str, image_format: ImageFormat) -> str:
    """Volume that is made with a checkpoint.

    Args:
        uuid: the guest.
        part: what it holds: ``disk0``, ``memory``.
        point: a token of its own.
        image_format: its format.
    """
    return f"{uuid}.{part}.at-{point}.{image_format.value}"


def is_of_point(volume_name: str) -> bool:
    """Whether a volume was made with a checkpoint."""
    return OF_POINT.fullmatch(volume_name) is not None


def is_of_resize(volume_name: str) -> bool:
    """Whether a volume took a disk's place in a resize."""
    return OF_RESIZE.fullmatch(volume_name) is not None


def part_of(volume_name: str) -> str:
    """Which part of its guest a volume is, e.g. ``disk0``; empty for what is not a guest's."""
    found = OWN.match(volume_name)
    return found[2] if found else ""


def backup_key(uuid: UUID) -> str:
    """What the claim of whoever backs a guest up is kept under."""
    return f"{uuid}.backup"


def scratch_name(uuid: UUID, target: str) -> str:
    """Volume that takes what is overwritten on a guest's disk while it is backed up."""
    return f"{uuid}.backup.{target}.scratch"


def is_scratch_of(uuid: UUID, volume_name: str) -> bool:
    """Whether a volume is one of these of this guest."""
    return volume_name.startswith(f"{uuid}.backup.") and volume_name.endswith(".scratch")

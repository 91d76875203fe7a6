"""What virtual machines and folders of ours are called.

vCenter takes names of at most 80 characters, so a long name of a guest is cut; the whole is in its record.
"""

from typing import Final
from uuid import UUID

from nova_virt_vmware.entity_names import escaped_name

LONGEST: Final = 80
"""Characters of an entity's name (vSphere API reference: ``ManagedEntity.name``)."""

OWNER_FOLDER: Final = "nova-virt-"


def claim_name(uuid: UUID) -> str:
    """What a virtual machine in the making is called: the uuid alone, so that nobody else can make one."""
    return str(uuid)


def machine_name(name: str, uuid: UUID) -> str:
    """What a guest's virtual machine is called, e.g. ``web (4f6c...)``."""
    suffix = f" ({uuid})"
    return name[: LONGEST - len(suffix)] + suffix


def guest_name(machine: str, uuid: UUID) -> str:
    """A guest's name by that of its virtual machine, where no record says it."""
    return machine.removesuffix(f" ({uuid})")


def owner_folder(owner: str) -> str:
    """Name of the folder in which an owner's guests are made, as the server writes it."""
    return escaped_name(OWNER_FOLDER + owner)

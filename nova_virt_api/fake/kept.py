"""What a checkpoint of a fake guest holds."""

from dataclasses import dataclass

from nova_virt_api.model.instance import PowerState


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """One checkpoint.

    Args:
        id: the hypervisor's id for it, never used twice for a guest.
        name: what users call it.
        description: what they say of it.
        created: seconds since the epoch.
        has_memory: whether the memory is part of it.
        power_state: the guest's state when it was taken.
        parent: id of the one that the guest had come from.
        contents: what was on each of the guest's own disks, by the volume's name.
    """

    id: str
    name: str
    description: str
    created: float
    has_memory: bool
    power_state: PowerState
    parent: str | None
    contents: dict[str, str]

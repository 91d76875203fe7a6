"""A point in time that a guest can go back to."""

from dataclasses import dataclass
from typing import Final

from nova_virt_api.model.check import check_seconds, check_text
from nova_virt_api.model.instance import PowerState

LONGEST_NAME: Final = 80
"""Characters; vSphere takes no longer ones."""

LONGEST_DESCRIPTION: Final = 255


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckpointInfo:
    """One checkpoint of a guest.

    Args:
        name: unique among the guest's checkpoints.
        native_id: the backend's id for it.
        created_at: when the guest was as the checkpoint has it, in seconds since the epoch.
        description: what its maker says of it.
        has_memory: whether the guest's memory is part of it.
        power_state: the guest's state when it was taken.
        parent: name of the checkpoint that the guest had come from when this one was taken; None for a first one.
        is_current: whether the guest, as it is now, comes from this one. At most one is.
    """

    name: str
    native_id: str
    created_at: float
    description: str = ""
    has_memory: bool = False
    power_state: PowerState
    parent: str | None = None
    is_current: bool = False

    def __post_init__(self) -> None:
        check_checkpoint_name(self.name)
        check_description(self.description)
        check_seconds("created_at", self.created_at)


def check_checkpoint_name(name: object) -> None:
    """Refuse what no checkpoint can be called.

    Raises:
        InvalidSpec: it is not text of a length that every backend takes.
    """
    check_text("name", name, LONGEST_NAME)


def check_description(description: object) -> None:
    """Refuse what cannot be said of a checkpoint.

    Raises:
        InvalidSpec: it is not text of a length that every backend takes.
    """
    check_text("description", description, LONGEST_DESCRIPTION, shortest=0)

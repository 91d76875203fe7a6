"""Whether a guest's file systems are brought to rest before its disks are copied."""

import enum


class Quiesce(enum.Enum):
    """What a snapshot or a backup of a running guest does about data that the guest has not written yet."""

    NO = "no"
    """Nothing: the copy is as after a power cut."""

    IF_POSSIBLE = "if_possible"
    """Let the guest's agent bring the file systems to rest; without one that answers, the copy is as after a power
    cut."""

    REQUIRED = "required"
    """Let the guest's agent bring the file systems to rest, or make no copy."""

"""What a backup of a fake guest holds on to."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldDisk:
    """A disk at one moment.

    Args:
        pool: the volume's pool.
        name: the volume's name.
        size_bytes: the disk's size.
        text: what was on it from the start, in words.
        written: how often something was written to it since.
    """

    pool: str
    name: str
    size_bytes: int
    text: str
    written: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """All disks of a guest at one moment.

    Args:
        name: names it, never used twice.
        disks: the disks, by what users call them.
        since: name of the moment that it is the difference to.
    """

    name: str
    disks: dict[str, HeldDisk]
    since: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class UnderWay:
    """A backup that was begun and not ended.

    Args:
        id: names it.
        holder: whose it is.
        moment: what it holds on to.
    """

    id: str
    holder: str
    moment: Moment


@dataclass(frozen=True, slots=True)
class Backups:
    """What is known of a guest's backups.

    Args:
        under_way: the one under way.
        moments: those that count, the oldest first.
    """

    under_way: UnderWay | None = None
    moments: tuple[Moment, ...] = ()

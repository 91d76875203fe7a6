"""What an imitated guest did inside, as its backend knows it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Inside:
    """What became of what a guest's agent was told.

    Args:
        passwords_of: whose passwords it has set, in this order.
        at_rest: whether the guest's file systems are at rest.
    """

    passwords_of: tuple[str, ...] = ()
    at_rest: bool = False

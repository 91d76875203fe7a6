"""What a driver finds when it looks whether its endpoint can be used."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One thing that was looked at.

    Args:
        name: what was looked at, in a word or two.
        ok: whether it is fine.
        found: what was found, one line, without secrets.
        fix: what to do about it, as a command where there is one; also for what works and could be better.
    """

    name: str
    ok: bool
    found: str
    fix: str = ""

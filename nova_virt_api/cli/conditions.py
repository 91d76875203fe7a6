"""What can be waited for, in the words of the command line."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from nova_virt_api.compute import until
from nova_virt_api.errors import InvalidSpec
from nova_virt_api.model.instance import PowerState

if TYPE_CHECKING:
    from collections.abc import Callable

    from nova_virt_api.compute.until import Condition

STATES: Final = {
    "running": PowerState.RUNNING,
    "stopped": PowerState.SHUTDOWN,
    "paused": PowerState.PAUSED,
    "suspended": PowerState.SUSPENDED,
    "crashed": PowerState.CRASHED,
}
PLAIN: Final[dict[str, Callable[[], Condition]]] = {
    "gone": until.gone,
    "agent": until.agent,
    "address": until.address,
    "ipv4": lambda: until.address(family=4),
    "ipv6": lambda: until.address(family=6),
}
WORDS: Final = (*STATES, *PLAIN, "address=CIDR", "port=NUMBER")
WAIT_SECONDS: Final = 300.0
"""How long is waited for a condition unless told otherwise: a machine that never gets there is found out one day."""


def condition(text: str) -> Condition:
    """The condition of these words.

    Raises:
        InvalidSpec: there is none, or its value is not allowed.
    """
    word, equals, value = text.partition("=")
    if word in STATES and not equals:
        return until.state(STATES[word])
    if word in PLAIN and not equals:
        return PLAIN[word]()
    try:
        if word == "address":
            return until.address(cidr=value)
        if word == "port" and value.isascii() and value.isdigit():
            return until.port(int(value))
    except InvalidSpec as error:
        raise InvalidSpec("CONDITION", text, f"{word}= with {error.allowed}") from None
    raise InvalidSpec("CONDITION", text, f"one of: {', '.join(WORDS)}")

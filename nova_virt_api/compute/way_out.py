"""Which verb brings a guest out of a state that does not allow another one."""

from typing import Final

from nova_virt_api.errors import InvalidState
from nova_virt_api.model.instance import Lifecycle, PowerState

WAYS: Final = {
    (PowerState.RUNNING, PowerState.SHUTDOWN): "power_off",
    (PowerState.PAUSED, PowerState.SHUTDOWN): "power_off",
    (PowerState.PAUSED, PowerState.RUNNING): "unpause",
    (PowerState.SUSPENDED, PowerState.RUNNING): "resume",
    (PowerState.SHUTDOWN, PowerState.RUNNING): "power_on",
    (Lifecycle.RESCUED, Lifecycle.READY): "unrescue",
}
"""By the state that a guest is in and one that it may be in: the verb from the one to the other."""


def way_out(error: InvalidState) -> str:
    """What to do about it, if one verb is enough."""
    verbs = [WAYS[error.current, state] for state in error.required if (error.current, state) in WAYS]
    return f"{verbs[0]}() brings it there" if verbs else ""

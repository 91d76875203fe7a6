"""Changes whose answer got lost: whether they were made is looked at, and only one that was not is asked for again."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Final

from nova_virt_api.errors import ConnectionLost, StateAfter, Unavailable
from nova_virt_ironic.pause import pause

if TYPE_CHECKING:
    from collections.abc import Callable

    from nova_virt_api.driver.operation import Operation

ATTEMPTS: Final = 6
LONGEST_PAUSE: Final = 3.0


def bring_about(change: Callable[[], object], is_there: Callable[[], bool], op: Operation) -> None:
    """Make a change, once.

    Args:
        change: asks for it.
        is_there: whether it was made, asked after the connection broke.
        op: the operation worked for.

    Raises:
        ConnectionLost: the connection broke each time.
    """
    for attempt in range(1, ATTEMPTS + 1):
        try:
            change()
        except (ConnectionLost, Unavailable) as error:
            if error.state_after is StateAfter.UNCHANGED:
                raise
            pause(op, random.uniform(0, min(LONGEST_PAUSE, 0.2 * 2**attempt)))  # noqa: S311 - to spread those cut off
            if is_there():
                return
            if attempt == ATTEMPTS:
                raise
        else:
            return

"""A pause within a verb."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nova_virt_api.driver.operation import Operation


def pause(op: Operation, seconds: float) -> None:
    """Wait; a request to cancel ends it.

    Raises:
        Cancelled: somebody asked to cancel.
        Timeout: the deadline passed.
    """
    until = time.monotonic() + seconds
    op.wait_until(lambda: time.monotonic() >= until)

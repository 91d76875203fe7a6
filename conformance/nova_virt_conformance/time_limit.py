"""A test's time, kept by pytest-timeout: a driver that hangs fails a test instead of hanging the run.

Whose word counts: a mark ``timeout`` of the author's, then ``--timeout``, then the target's ``seconds_per_test``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from pytest_timeout import Settings

from nova_virt_conformance.target import SECONDS_PER_TEST

if TYPE_CHECKING:
    from nova_virt_conformance.target import Target


def limit(item: pytest.Item, target: Target | None) -> None:
    """Mark a test with its time, unless somebody else has said one.

    Args:
        item: the test.
        target: None before the first test, which opens it.
    """
    if item.get_closest_marker("timeout") is None and item.config.getoption("timeout") is None:
        item.add_marker(pytest.mark.timeout(target.seconds_per_test if target is not None else SECONDS_PER_TEST))


def limit_again(item: pytest.Item) -> None:
    """Let the time begin anew."""
    seconds = limit_of(item)
    hook = item.config.hook
    hook.pytest_timeout_cancel_timer(item=item)
    if seconds > 0:
        settings = Settings(timeout=seconds, method="signal", func_only=False, disable_debugger_detection=False)
        hook.pytest_timeout_set_timer(item=item, settings=settings)


def limit_of(item: pytest.Item) -> float:
    """The seconds that a test has; 0 for no end."""
    mark = item.get_closest_marker("timeout")
    if mark is None:
        return float(item.config.getoption("timeout") or 0)
    return float(mark.args[0] if mark.args else mark.kwargs.get("timeout", 0))

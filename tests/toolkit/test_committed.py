"""What is done past the point of no return goes on, whatever is asked meanwhile."""

from itertools import count
from typing import Any

import pytest

from nova_virt_api.compute.operation import WORKING, DriverSide, Operation
from nova_virt_api.driver.operation import CancelMode, Stage
from nova_virt_api.errors import Cancelled, Timeout
from nova_virt_api.toolkit.committed import Committed


@pytest.fixture(autouse=True)
def unmarked_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """Operations that begin on the test's own thread mark it as at work; later tests must not find it so."""
    monkeypatch.setattr(WORKING, "turn", None, raising=False)


def test_cancel_comes_too_late() -> None:
    operation = Operation[Any]("reboot", None)
    operation.begin()
    committed = Committed(DriverSide(operation))
    operation.cancel()
    called: list[str] = []
    committed.on_cancel(lambda: called.append("cancelled"))
    committed.stage(Stage.START)
    committed.checkpoint()
    assert (operation.stage, operation.cancel(), called) == ("start", CancelMode.NONE, [])
    with pytest.raises(Cancelled):
        operation.checkpoint()


def test_deadline_comes_too_late() -> None:
    operation = Operation[Any]("reboot", None, timeout=0)
    operation.begin()
    committed = Committed(DriverSide(operation))
    asked = count()
    committed.stage("wait for the guest")
    committed.progress(1, 2)
    committed.wait_until(lambda: next(asked) == 2)
    assert operation.counters == (1, 2)
    assert committed.remaining() == 0
    with pytest.raises(Timeout):
        operation.checkpoint()

"""Calls that pass as text: both sides see copies, callbacks work both ways, and what cannot be sent is told."""

import threading
import time
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest

from nova_virt_api.compute.operation import WORKING, DriverSide, Operation
from nova_virt_api.driver.operation import CancelMode, Stage
from nova_virt_api.errors import Cancelled, HookFailed, InstanceNotFound, NoCapacity, Timeout
from nova_virt_api.events import Gap
from nova_virt_api.model.identity import InstanceRef
from nova_virt_conformance.loopback.codec import CannotCrossError, Codec
from nova_virt_conformance.loopback.passage import Direct, Loopback, Passage
from nova_virt_conformance.observed_operation import ObservedOperation

REF = InstanceRef(uuid=uuid4(), native_id="1")


@pytest.fixture(autouse=True)
def unmarked_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """Operations that begin on the test's own thread mark it as at work; later tests must not find it so."""
    monkeypatch.setattr(WORKING, "turn", None, raising=False)


@pytest.fixture
def violations() -> list[str]:
    return []


@pytest.fixture
def loopback(violations: list[str]) -> Loopback:
    return Loopback(Codec(), violations.append)


@pytest.fixture
def direct(violations: list[str]) -> Direct:
    return Direct(Codec(), violations.append)


def run(passage: Passage, operation: Operation[Any], verb: Callable[..., Any]) -> Any:
    """Run a driver's verb for an operation."""
    operation.begin()
    return passage.call("Driver.power_on", verb, [REF, ObservedOperation(DriverSide(operation), lambda _: None)], {})


def test_both_sides_see_copies(loopback: Loopback) -> None:
    given: list[Any] = []
    made = [REF]

    def own(ref: InstanceRef, *, fresh: bool) -> list[InstanceRef]:
        given.append((ref, fresh))
        return made

    result = loopback.call("Driver.instances", own, [REF], {"fresh": True})
    assert given == [(REF, True)]
    assert given[0][0] is not REF
    assert result == (REF,)
    assert result[0] is not REF


def test_drivers_own_error_arrives_as_the_contracts(loopback: Loopback) -> None:
    class PoolFull(NoCapacity):
        """A driver's own."""

    def own(_: InstanceRef) -> None:
        raise PoolFull("default", hint="make room") from OSError("native")

    with pytest.raises(NoCapacity) as caught:
        loopback.call("Driver.power_on", own, [REF], {})
    assert type(caught.value) is NoCapacity
    assert (caught.value.hint, caught.value.__cause__) == ("make room", None)


def test_stages_and_progress_arrive(loopback: Loopback) -> None:
    operation = Operation[None]("power_on", REF.uuid)
    told: list[tuple[str, tuple[float, float]]] = []

    def own(_: InstanceRef, op: Any) -> None:
        op.stage(Stage.DISKS)
        op.progress(1, 4)
        told.append((operation.stage, operation.counters))
        op.stage("all is well", CancelMode.NONE)
        told.append((operation.stage, operation.counters))

    run(loopback, operation, own)
    assert told == [("disks", (1, 4)), ("all is well", (0.0, 0.0))]


def test_cancel_and_its_callback_arrive(loopback: Loopback) -> None:
    operation = Operation[None]("power_on", REF.uuid)
    woken = threading.Event()

    def own(_: InstanceRef, op: Any) -> None:
        op.on_cancel(woken.set)
        operation.cancel()
        assert woken.is_set()
        op.checkpoint()

    with pytest.raises(Cancelled):
        run(loopback, operation, own)


def test_deadline_arrives(loopback: Loopback) -> None:
    operation = Operation[None]("power_on", REF.uuid, timeout=0.05)

    def own(_: InstanceRef, op: Any) -> None:
        assert 0 < op.remaining() <= 0.05
        op.wait_until(lambda: False)

    with pytest.raises(Timeout):
        run(loopback, operation, own)


def test_wait_ends_with_its_condition(loopback: Loopback) -> None:
    end = time.monotonic() + 0.03
    run(loopback, Operation[None]("power_on", REF.uuid), lambda _, op: op.wait_until(lambda: time.monotonic() > end))
    assert time.monotonic() > end


def test_failure_of_a_condition_stays_with_the_driver(loopback: Loopback) -> None:
    trouble = KeyError("native")

    def condition() -> bool:
        raise trouble

    def own(_: InstanceRef, op: Any) -> str:
        with pytest.raises(KeyError) as caught:
            op.wait_until(condition)
        assert caught.value is trouble
        return "handled"

    assert run(loopback, Operation[None]("power_on", REF.uuid), own) == "handled"


def test_hooks_exception_comes_home(loopback: Loopback) -> None:
    trouble = RuntimeError("the hook's own")
    seen: list[BaseException | None] = []

    def hook(_: Operation[Any]) -> None:
        raise trouble

    def own(_: InstanceRef, op: Any) -> None:
        try:
            op.stage(Stage.BEFORE_START)
        except HookFailed as error:
            seen.append(error.__cause__)
            raise

    operation = Operation[None]("power_on", REF.uuid, hooks={Stage.BEFORE_START: hook})
    with pytest.raises(HookFailed) as caught:
        run(loopback, operation, own)
    assert caught.value.__cause__ is trouble
    assert seen == [None]


def test_events_arrive_as_copies(loopback: Loopback, violations: list[str]) -> None:
    told: list[Any] = []
    gap = Gap("for a while")

    class Source:
        closed = 0

        def close(self) -> None:
            self.closed += 1

    source = Source()

    def own(emit: Callable[[Any], None]) -> Source:
        emit(gap)
        return source

    subscription = loopback.call("Driver.events", own, [told.append], {})
    assert told == [gap]
    assert told[0] is not gap
    subscription.close()
    assert (source.closed, violations) == (1, [])


@pytest.mark.parametrize("method", ["Driver.native", "Driver.options"])
def test_handles_stay_where_the_driver_is(
    method: str, loopback: Loopback, direct: Direct, violations: list[str]
) -> None:
    handle = object()
    for passage in (loopback, direct):
        assert passage.call(method, lambda: handle, [], {}) is handle
    assert violations == []


def test_what_cannot_be_sent_is_told(loopback: Loopback, direct: Direct, violations: list[str]) -> None:
    handle = object()
    assert direct.call("Driver.instances", lambda: handle, [], {}) is handle
    with pytest.raises(CannotCrossError):
        loopback.call("Driver.instances", lambda: handle, [], {})
    assert len(violations) == 2
    assert all("the result of Driver.instances" in line for line in violations)


def test_direct_calls_see_the_objects_themselves(direct: Direct, violations: list[str]) -> None:
    assert direct.call("Driver.instance", lambda ref: ref, [REF], {}) is REF
    error = InstanceNotFound("no guest here")

    def own() -> None:
        raise error

    with pytest.raises(InstanceNotFound) as caught:
        direct.call("Driver.instance", own, [], {})
    assert caught.value is error
    assert violations == []


def test_bad_event_is_told(direct: Direct, violations: list[str]) -> None:
    told: list[Any] = []
    direct.call("Driver.events", lambda emit: emit({1}), [told.append], {})
    assert told == [{1}]
    assert violations == ["an event: {1} of type builtins.set does not cross the contract"]

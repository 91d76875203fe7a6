"""Changes that nobody told of, found by comparing lists of a real Ironic."""

import threading
import time
from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid4

import pytest

from nova_virt_api.compute.operation import DriverSide, Operation
from nova_virt_api.errors import Busy, Unavailable, VirtError
from nova_virt_api.events import Changed, DriverEvent, Gap, Gone
from nova_virt_api.model.instance import PowerState
from nova_virt_ironic.driver import IronicDriver
from nova_virt_ironic.microversions import Call
from nova_virt_ironic.node import NodeRow
from nova_virt_ironic.retry import Again
from tools.ironic import Database, EnrolledNode, Ironic, NodeSpec, Settings

MakeDriver = Callable[..., IronicDriver]
Enroll = Callable[..., list[EnrolledNode]]
Eventually = Callable[..., None]

IDLE = 0.5


def claim(ironic: Ironic, node: EnrolledNode) -> UUID:
    guest = uuid4()
    ironic.api.patch(f"/v1/nodes/{node.uuid}", {"op": "add", "path": "/instance_uuid", "value": str(guest)})
    return guest


def release(ironic: Ironic, node: EnrolledNode) -> None:
    ironic.api.patch(f"/v1/nodes/{node.uuid}", {"op": "remove", "path": "/instance_uuid"})


def power(ironic: Ironic, node: EnrolledNode, state: str) -> None:
    ironic.api.put(f"/v1/nodes/{node.uuid}/states/power", {"target": state})


def states(events: list[DriverEvent], guest: UUID) -> list[PowerState]:
    return [e.instance.power_state for e in events if isinstance(e, Changed) and e.instance.uuid == guest]


def test_what_others_do_is_told_within_the_declared_latency(
    make_driver: MakeDriver, ironic: Ironic, enroll: Enroll, eventually: Eventually
) -> None:
    there, new = enroll(2, NodeSpec(resource_class="events"))
    known = claim(ironic, there)
    driver = make_driver(resource_class="events", idle_poll_interval=IDLE)
    latency = driver.capabilities().event_latency_seconds
    assert IDLE <= latency < IDLE + 1
    events: list[DriverEvent] = []
    subscription = driver.events(events.append)
    time.sleep(2 * latency)
    assert events == []  # what was there before is no news
    power(ironic, there, "power on")
    eventually(lambda: states(events, known)[-1:] == [PowerState.RUNNING], "the guest runs")
    began = time.monotonic()
    appeared = claim(ironic, new)
    eventually(lambda: states(events, appeared), "a guest appears")
    release(ironic, new)
    eventually(lambda: Gone(appeared) in events, "a guest goes")
    assert time.monotonic() - began < 4 * latency
    subscription.close()
    told = len(events)
    power(ironic, there, "power off")
    time.sleep(2 * latency)
    assert len(events) == told


def test_watchers_share_their_lists_and_nobody_lists_when_they_have_gone(
    make_driver: MakeDriver, enroll: Enroll, eventually: Eventually
) -> None:
    enroll(2, NodeSpec(resource_class="shared"))
    driver = make_driver(resource_class="shared", idle_poll_interval=IDLE)
    subscriptions = [driver.events(lambda _: None) for _ in range(5)]
    time.sleep(3 * IDLE)
    before = driver.site.connection.request_count
    time.sleep(4 * IDLE)
    assert 1 <= driver.site.connection.request_count - before <= 5
    for subscription in subscriptions:
        subscription.close()
        subscription.close()
    time.sleep(2 * IDLE)
    silent = driver.site.connection.request_count
    time.sleep(2 * IDLE)
    assert driver.site.connection.request_count == silent
    eventually(
        lambda: not [thread for thread in threading.enumerate() if thread.name == "nova-virt-ironic-watcher"],
        "the thread ends",
    )


def test_a_restarted_endpoint_is_a_gap_and_then_what_is_different(
    make_driver: MakeDriver, own_ironic: Callable[[Settings], Ironic], eventually: Eventually
) -> None:
    ironic = own_ironic(Settings())
    (node,) = ironic.enroll(1, NodeSpec())
    guest = claim(ironic, node)
    driver = make_driver(to=ironic, idle_poll_interval=IDLE)
    events: list[DriverEvent] = []
    subscription = driver.events(events.append)
    lists = driver.site.connection.request_count
    eventually(lambda: driver.site.connection.request_count > lists, "it is watched")
    ironic.kill()
    with pytest.raises(VirtError) as caught:
        driver.instances(fresh=True)
    assert caught.value.retryable
    ironic.start()
    release(ironic, node)
    eventually(lambda: Gone(guest) in events, "the guest is gone")
    assert isinstance(events[0], Gap)
    subscription.close()


def test_a_verb_waits_through_a_restart(
    make_driver: MakeDriver, own_ironic: Callable[[Settings], Ironic], op: DriverSide
) -> None:
    ironic = own_ironic(Settings())
    (node,) = ironic.enroll(1, NodeSpec())
    driver = make_driver(to=ironic)
    outcome: list[NodeRow | VirtError | None] = []

    def wait() -> None:
        try:
            outcome.append(driver.site.watcher.wait(op, node.uuid, lambda row: bool(row and row.instance_uuid)))
        except VirtError as error:
            outcome.append(error)

    waiting = threading.Thread(target=wait)
    waiting.start()
    ironic.kill()
    ironic.start()
    guest = claim(ironic, node)
    waiting.join(30)
    (found,) = outcome
    assert isinstance(found, NodeRow)
    assert found.instance_uuid == guest


def test_a_change_through_a_restart_is_made_once_the_endpoint_is_back(
    make_driver: MakeDriver, own_ironic: Callable[[Settings], Ironic], op: DriverSide
) -> None:
    ironic = own_ironic(Settings())
    (node,) = ironic.enroll(1, NodeSpec())
    connection = make_driver(to=ironic).site.connection
    ironic.kill()
    restart = threading.Timer(1.0, ironic.start)
    restart.start()
    reason = "a new fan"
    try:
        connection.change(
            "put the node into maintenance",
            lambda client: client.node.set_maintenance(node.uuid, "true", maint_reason=reason),
            at=Call.MAINTENANCE,
            op=op,
            again=Again.ALWAYS,
        )
    finally:
        restart.join()
    assert ironic.api.get(f"/v1/nodes/{node.uuid}")["maintenance_reason"] == reason


def test_a_locked_node_is_waited_for_and_is_busy_at_the_deadline(
    make_driver: MakeDriver,
    own_ironic: Callable[[Settings], Ironic],
    operation: Callable[..., Operation[Any]],
    caplog: pytest.LogCaptureFixture,
) -> None:
    ironic = own_ironic(Settings(extra={"fake": {"power_delay": 2}, "conductor": {"node_locked_retry_attempts": 1}}))
    (node,) = ironic.enroll(1, NodeSpec())
    driver = make_driver(to=ironic)

    def mark(seconds: float) -> None:
        driver.site.connection.change(
            "mark the node",
            lambda client: client.node.update(node.uuid, [{"op": "add", "path": "/extra/mark", "value": "ours"}]),
            at=Call.PATCH_NODE,
            op=DriverSide(operation(seconds)),
        )

    power(ironic, node, "power on")
    with pytest.raises(Busy) as caught:
        mark(0.8)
    assert caught.value.holder
    assert not [record for record in caplog.records if record.name.startswith("ironicclient")]
    mark(60)
    assert ironic.api.get(f"/v1/nodes/{node.uuid}")["extra"] == {"mark": "ours"}


def test_a_change_waits_for_a_conductor_that_was_killed(
    make_driver: MakeDriver, own_ironic: Callable[[Settings], Ironic], op: DriverSide
) -> None:
    ironic = own_ironic(Settings(split=True, database=Database.MARIADB))
    (node,) = ironic.enroll(1, NodeSpec())
    driver = make_driver(to=ironic)
    ironic.conductor.kill()
    with pytest.raises(Unavailable, match="connection"):
        driver.site.connection.read("validate", lambda client: client.node.validate(node.uuid), at=Call.VALIDATE)
    restart = threading.Timer(1.0, ironic.conductor.start)
    restart.start()
    try:
        driver.site.connection.change(
            "switch the node on", lambda client: client.node.set_power_state(node.uuid, "on"), at=Call.POWER, op=op
        )
    finally:
        restart.join()
    found = driver.site.watcher.wait(op, node.uuid, lambda row: row is not None and row.power_state == "power on")
    assert found is not None

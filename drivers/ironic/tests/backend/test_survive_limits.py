"""What an Ironic has little of: entries on a page, deployments at a time, versions; and what it refuses for good."""

import os
import subprocess
import sys
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import requests

from nova_virt_api.capability import Feature
from nova_virt_api.compute.operation import DriverSide, Operation
from nova_virt_api.errors import Busy
from nova_virt_api.model.instance import Instance, Lifecycle, PowerOff, PowerState
from nova_virt_api.model.spec import InstanceSpec
from nova_virt_ironic.driver import IronicDriver
from nova_virt_ironic.errors import Conflict
from nova_virt_ironic.microversions import Call
from nova_virt_ironic.session import Session
from tools.ironic import ApiError, Database, EnrolledNode, Ironic, NodeSpec, Script, Settings

Enroll = Callable[..., list[EnrolledNode]]
MakeDriver = Callable[..., IronicDriver]
MakeSpec = Callable[..., InstanceSpec]
NewOp = Callable[..., Operation[Any]]

OLDEST = "11.1"
PAGE = 10
AT_A_TIME = 3
MANY = 6
RACERS = 24
SPAWN_WITHOUT_HOME = """
import sys, uuid, nova_virt_api as virt
from nova_virt_api.model.image import Native
with virt.connect("ironic", endpoint=sys.argv[1], resource_class=sys.argv[2], owner="homeless") as compute:
    disks = [virt.Disk(source=Native("http://127.0.0.1:9/image.raw"))]
    guest = compute.spawn(virt.InstanceSpec(uuid=uuid.uuid4(), name="guest", memory_bytes=1024**3, disks=disks))
    assert compute.instances(fresh=True)
    with compute.native() as client:
        client.node.list(limit=1)
    assert compute.destroy(guest)
"""


class Traffic:
    """What the driver's sessions send, in this order, and the answers' states."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, str]] = []
        self.answers: Counter[int] = Counter()

    def of(self, method: str, part: str = "") -> list[str]:
        """The URLs of requests of a method with this in it."""
        return [url for sent, url in self.sent if sent == method and part in url]


@pytest.fixture
def traffic(monkeypatch: pytest.MonkeyPatch) -> Traffic:
    """What is sent from now on."""
    seen = Traffic()
    original = Session.request

    def request(self: Session, url: str, method: str, **more: Any) -> requests.Response:
        seen.sent.append((method, url))
        response = original(self, url, method, **more)
        seen.answers[response.status_code] += 1
        return response

    monkeypatch.setattr(Session, "request", request)
    return seen


@pytest.fixture
def kind() -> str:
    """A resource class of this test's own."""
    return f"kind-{uuid.uuid4().hex[:8]}"


@pytest.fixture(scope="session")
def narrow(start_shared: Callable[[Settings], Ironic]) -> Ironic:
    """Ironic with short pages, which deploys few nodes at a time, and does not itself wait for locks."""
    conductor = {"max_concurrent_deploy": AT_A_TIME, "node_locked_retry_attempts": 1}
    extra = {"api": {"max_limit": PAGE}, "conductor": conductor}
    return start_shared(Settings(database=Database.MARIADB, extra=extra))


@pytest.fixture
def give(narrow: Ironic, kind: str) -> Iterator[Callable[..., list[EnrolledNode]]]:
    """Enrolls nodes of the narrow Ironic, which are forgotten after the test."""
    nodes: list[EnrolledNode] = []

    def enrolled(count: int, script: Script | None = None) -> list[EnrolledNode]:
        nodes.extend(narrow.enroll(count, NodeSpec(resource_class=kind, script=script)))
        return nodes

    yield enrolled
    narrow.forget(nodes)


def test_all_pages_are_read(narrow: Ironic, give: Enroll, kind: str, make_driver: MakeDriver, traffic: Traffic) -> None:
    """The endpoint decides how long a page is; no node is lost at its end."""
    nodes = give(2 * PAGE + 5)
    driver = make_driver(to=narrow, resource_class=kind)
    before = len(traffic.sent)
    driver.instances(fresh=True)
    assert {found.id for found in driver.nodes()} == {node.uuid for node in nodes}
    assert len(traffic.sent) - before == 3


def test_more_at_a_time_than_ironic_does(
    narrow: Ironic,
    give: Enroll,
    kind: str,
    make_driver: MakeDriver,
    make_spec: MakeSpec,
    operation: NewOp,
    traffic: Traffic,
    eventually: Callable[..., None],
) -> None:
    """Ironic refuses some; they wait for their turn, for longer than an outage may last, and all come to it."""
    nodes = {node.uuid: node for node in give(MANY, Script(wait=["deploy"]))}
    driver = make_driver(to=narrow, resource_class=kind, outage_timeout=1.0)

    def waiting() -> list[EnrolledNode]:
        rows = driver.site.listing.begun_after(time.monotonic()).rows.values()
        states = {row.uuid: row.provision_state for row in rows if row.reservation is None}
        return [node for uuid_, node in nodes.items() if states.get(uuid_) == "wait call-back"]

    def all_are_done() -> bool:
        for node in waiting():
            with suppress(ApiError):  # locked since it was looked at
                narrow.proceed(node)
        return all(spawn.done() for spawn in spawns)

    def spawn_later() -> Future[Instance]:
        return pool.submit(driver.spawn, make_spec(), DriverSide(operation(240.0)))

    with ThreadPoolExecutor(MANY) as pool:
        spawns = [spawn_later() for _ in range(AT_A_TIME)]  # Ironic counts before it begins: it lets more pass at once
        eventually(lambda: len(waiting()) == AT_A_TIME, "as many wait as Ironic deploys", seconds=120.0)
        spawns += [spawn_later() for _ in range(MANY - AT_A_TIME)]
        eventually(lambda: traffic.answers[503] > 0, "a deployment refused", seconds=120.0)
        eventually(all_are_done, "all deployed", seconds=240.0)
    guests = [spawn.result() for spawn in spawns]
    assert len({guest.native_id for guest in guests}) == MANY
    assert {guest.lifecycle for guest in guests} == {Lifecycle.READY}
    assert not driver.leftovers()


def test_spawns_at_once_share_lists(
    ironic_mariadb: Ironic, kind: str, make_driver: MakeDriver, make_spec: MakeSpec, operation: NewOp, traffic: Traffic
) -> None:
    """Spawns of one process do not run after the same nodes, and do not list them one by one."""
    nodes = ironic_mariadb.enroll(RACERS, NodeSpec(resource_class=kind, script=Script()))
    driver = make_driver(to=ironic_mariadb, resource_class=kind)
    try:
        with ThreadPoolExecutor(RACERS) as pool:
            spawns = [pool.submit(driver.spawn, make_spec(), DriverSide(operation(240.0))) for _ in range(RACERS)]
            guests = [spawn.result() for spawn in spawns]
    finally:
        ironic_mariadb.forget(nodes)
    assert {guest.native_id for guest in guests} == {node.uuid for node in nodes}
    assert traffic.answers[409] == 0
    assert len(traffic.of("PATCH")) == 2 * RACERS  # the claim, and that it is ready
    last_claim = max(traffic.sent.index(("PATCH", url)) for url in set(traffic.of("PATCH")))
    lists = [url for method, url in traffic.sent[:last_claim] if method == "GET" and "limit=" in url]
    assert len(lists) < RACERS / 2


def test_an_old_endpoint_serves_the_core(
    own_ironic: Callable[[Settings], Ironic],
    make_driver: MakeDriver,
    make_spec: MakeSpec,
    operation: NewOp,
) -> None:
    """The oldest version that is taken (API 1.46): guests are made, switched and removed; the rest is refused."""
    ironic = own_ironic(Settings(extra={"DEFAULT": {"pin_release_version": OLDEST}}))
    ironic.enroll(1, NodeSpec(script=Script()))
    driver = make_driver(to=ironic)
    spec = make_spec()
    guest = driver.spawn(spec, DriverSide(operation())).ref
    driver.power_off(guest, DriverSide(operation()), mode=PowerOff.GRACEFUL, grace_seconds=5)
    assert driver.instance(guest, fresh=True).power_state is PowerState.SHUTDOWN
    driver.power_on(guest, DriverSide(operation()))
    assert driver.spawn(spec, DriverSide(operation())).power_state is PowerState.RUNNING
    assert driver.destroy(guest, DriverSide(operation()))
    answer = driver.capabilities().answer(Feature.CLOUD_INIT)
    assert "needs Ironic API 1.56" in answer.reason


def test_home_that_cannot_be_written(ironic: Ironic, enroll: Enroll, kind: str) -> None:
    """A process without a home, e.g. a service's, works; Ironic's client would keep a cache there."""
    enroll(1, NodeSpec(resource_class=kind))
    home = "/proc/no-such-home"
    environment = {**os.environ, "HOME": home, "XDG_CACHE_HOME": home, "XDG_CONFIG_HOME": home}
    command = [sys.executable, "-c", SPAWN_WITHOUT_HOME, ironic.endpoint, kind]
    ended = subprocess.run(command, env=environment, cwd="/", capture_output=True, text=True, timeout=120, check=False)
    assert ended.returncode == 0, ended.stderr
    assert not Path(home).exists()


def test_pauses_grow_while_a_node_is_locked(
    narrow: Ironic,
    give: Enroll,
    kind: str,
    make_driver: MakeDriver,
    make_spec: MakeSpec,
    operation: NewOp,
    traffic: Traffic,
) -> None:
    """A lock is asked for again ever less often, and who holds it is told at the deadline."""
    (node,) = give(1, Script())
    driver = make_driver(to=narrow, resource_class=kind)
    guest = driver.spawn(make_spec(), DriverSide(operation())).ref
    narrow.script(node, Script(delay_s={"nmi": 10}))
    with ThreadPoolExecutor(1) as pool:
        locking = pool.submit(narrow.api.put, f"/v1/nodes/{node.uuid}/management/inject_nmi", {})
        narrow.api.wait(f"/v1/nodes/{node.uuid}", lambda found: found["reservation"] is not None)
        with pytest.raises(Busy) as caught:
            driver.power_off(guest, DriverSide(operation(6.0)), mode=PowerOff.HARD, grace_seconds=0)
        locking.result()
    assert caught.value.holder == "localhost"
    assert 3 <= len(traffic.of("PUT", "/states/power")) < 20  # dozens if they did not grow


def test_a_conflict_for_good_is_told_at_once(
    ironic: Ironic, enroll: Enroll, kind: str, make_driver: MakeDriver, operation: NewOp, traffic: Traffic
) -> None:
    """A guest cannot be on two nodes: asked once, refused once."""
    first, second = enroll(2, NodeSpec(resource_class=kind))
    claim = {"op": "add", "path": "/instance_uuid", "value": str(uuid.uuid4())}
    ironic.api.patch(f"/v1/nodes/{first.uuid}", claim)
    connection = make_driver(resource_class=kind).site.connection
    with pytest.raises(Conflict, match="associated"):
        connection.change(
            "claim",
            lambda client: client.node.update(second.uuid, [claim]),
            at=Call.PATCH_NODE,
            op=DriverSide(operation()),
        )
    assert len(traffic.of("PATCH", second.uuid)) == 1

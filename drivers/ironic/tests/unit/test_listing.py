"""Which list is shown again, who shares one, and what a list survives."""

import threading
import time
import uuid
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from nova_virt_ironic.errors import NotThere
from nova_virt_ironic.listing import Listing, Scope
from nova_virt_ironic.microversions import Microversion, Versions
from nova_virt_ironic.node import NodeRow

NODES = [str(uuid.UUID(int=number)) for number in range(1, 4)]


class Endpoint:
    """Stands for the connection: answers with its nodes, or first fails."""

    versions = Versions(Microversion(1, 1), Microversion(1, 115))

    def __init__(self) -> None:
        self.changed_at = 0.0
        self.nodes: list[dict[str, Any]] = [{"uuid": node, "provision_state": "available"} for node in NODES]
        self.asked: list[tuple[dict[str, Any], Microversion]] = []
        self.failures: list[Exception] = []
        self.seconds = 0.0

    def read(self, doing: str, request: Callable[[Any], Any], *, at: Microversion, op: Any = None) -> Any:
        def answer(**query: Any) -> list[SimpleNamespace]:
            self.asked.append((query, at))
            time.sleep(self.seconds)
            return [SimpleNamespace(**node) for node in self.nodes]

        if self.failures:
            raise self.failures.pop(0)
        return request(SimpleNamespace(node=SimpleNamespace(list=answer)))


@pytest.fixture
def endpoint() -> Endpoint:
    return Endpoint()


def listing(endpoint: Endpoint, scope: Scope | None = None, staleness: float = 30.0) -> Listing:
    return Listing(endpoint, scope or Scope(), staleness)  # type: ignore[arg-type]


def test_a_list_is_shown_again_until_something_was_changed(endpoint: Endpoint) -> None:
    nodes = listing(endpoint)
    first = nodes.snapshot()
    assert nodes.snapshot() is first
    assert nodes.snapshot(fresh=True) is not first
    endpoint.changed_at = time.monotonic()
    nodes.snapshot()
    nodes.snapshot()
    assert len(endpoint.asked) == 3


def test_without_staleness_every_read_asks(endpoint: Endpoint) -> None:
    nodes = listing(endpoint, staleness=0.0)
    nodes.snapshot()
    nodes.snapshot()
    assert len(endpoint.asked) == 2
    assert nodes.staleness_seconds == 0.0


def test_a_list_that_takes_longer_than_the_staleness_is_still_shown_again(endpoint: Endpoint) -> None:
    endpoint.seconds = 0.1
    nodes = listing(endpoint, staleness=0.05)
    assert nodes.snapshot() is nodes.snapshot()
    assert nodes.staleness_seconds >= 0.15


def test_threads_that_ask_at_the_same_time_share_a_list(endpoint: Endpoint) -> None:
    endpoint.seconds = 1.0
    nodes = listing(endpoint)
    start = threading.Barrier(20)

    def ask() -> None:
        start.wait()
        nodes.snapshot(fresh=True)

    threads = [threading.Thread(target=ask) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert 1 <= len(endpoint.asked) <= 2  # those who asked after the first had begun get one that begins later


def test_what_did_not_change_is_the_same_row(endpoint: Endpoint) -> None:
    nodes = listing(endpoint)
    before = nodes.snapshot()
    assert not nodes.snapshot(fresh=True).differs_from(before)
    endpoint.nodes[1]["provision_state"] = "deploying"
    after = nodes.snapshot(fresh=True)
    assert after.differs_from(before)
    assert [after.rows[node] is before.rows[node] for node in NODES] == [True, False, True]
    endpoint.nodes.pop()
    assert nodes.snapshot(fresh=True).differs_from(after)


def test_a_list_whose_page_ended_with_a_node_that_was_deleted_is_begun_anew(endpoint: Endpoint) -> None:
    endpoint.failures = [NotThere("marker"), NotThere("marker")]
    assert set(listing(endpoint).snapshot().rows) == set(NODES)
    endpoint.failures = [NotThere("marker")] * 3
    with pytest.raises(NotThere):
        listing(endpoint).snapshot()


def test_the_scope_is_put_into_the_query_and_its_version(endpoint: Endpoint) -> None:
    scope = Scope(resource_class="gold & more", shards=("a,b", "c"), conductor_group="rack", owner="me")
    listing(endpoint, scope).snapshot()
    ((query, version),) = endpoint.asked
    assert query["resource_class"] == "gold%20%26%20more"
    assert query["shards"] == ["a%2Cb", "c"]
    assert (query["conductor_group"], query["owner"], query["limit"]) == ("rack", "me", 0)
    assert version >= Microversion(1, 82)


@pytest.mark.parametrize(
    ("scope", "admitted"),
    [
        (Scope(), True),
        (Scope(resource_class="gold", shards=("a", "b"), conductor_group="RACK", owner="me"), True),
        (Scope(resource_class="silver"), False),
        (Scope(shards=("b",)), False),
        (Scope(conductor_group=""), False),
        (Scope(owner="you"), False),
    ],
)
def test_a_node_that_was_looked_at_alone_belongs_to_the_scope_or_not(scope: Scope, admitted: bool) -> None:
    row = NodeRow(uuid=NODES[0], resource_class="gold", shard="a", conductor_group="rack", owner="me")
    assert scope.admits(row) is admitted


def test_what_is_no_uuid_is_not_asked_for(endpoint: Endpoint) -> None:
    assert listing(endpoint).node("../../v1/chassis") is None
    assert endpoint.asked == []

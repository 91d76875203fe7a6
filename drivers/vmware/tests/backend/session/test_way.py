"""What a broken, stalled or crowded way to the server does."""

import socket
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from pyVmomi import vim
from urllib3 import HTTPSConnectionPool

from nova_virt_api.compute.operation import DriverSide
from nova_virt_api.errors import (
    Cancelled,
    ConnectionLost,
    StateAfter,
    Unavailable,
)
from nova_virt_vmware.connection import Connection
from nova_virt_vmware.wire import Wire
from tools.vcsim import Relay, VCenter

MakeConnection = Callable[..., Connection]


# --- the way ---------------------------------------------------------------------------------------------------------


def test_a_cut_connection_costs_one_more_attempt(
    busy_vcenter: VCenter,
    relay_to: Callable[[VCenter], Relay],
    make_connection: MakeConnection,
    names: Callable[[Connection], set[str]],
) -> None:
    relay = relay_to(busy_vcenter)
    connection = make_connection(to=relay)
    expected = names(connection)
    relay.cut()
    relay.restore()
    assert names(connection) == expected


def test_a_server_that_is_away_is_said(
    busy_vcenter: VCenter,
    relay_to: Callable[[VCenter], Relay],
    make_connection: MakeConnection,
    names: Callable[[Connection], set[str]],
) -> None:
    relay = relay_to(busy_vcenter)
    connection = make_connection(to=relay)
    relay.cut()
    with pytest.raises((ConnectionLost, Unavailable)):
        names(connection)


def test_a_verb_waits_until_the_server_is_back(
    busy_vcenter: VCenter,
    relay_to: Callable[[VCenter], Relay],
    make_connection: MakeConnection,
    op: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    relay = relay_to(busy_vcenter)
    connection = make_connection(to=relay)
    relay.cut()
    failed = threading.Event()
    real = Wire.post

    def post(*arguments: Any, **more: Any) -> Any:
        try:
            return real(*arguments, **more)
        except Exception:
            failed.set()
            raise

    monkeypatch.setattr(Wire, "post", post)

    def come_back() -> None:
        assert failed.wait(30)
        relay.restore()

    content = connection.content
    with ThreadPoolExecutor(1) as threads:
        back = threads.submit(come_back)
        found = connection.read("look", lambda: content.searchIndex.FindByInventoryPath("DC0"), op)
        back.result()
    assert isinstance(found, vim.Datacenter)


def test_a_stalled_server_is_given_up(
    busy_vcenter: VCenter, relay_to: Callable[[VCenter], Relay], make_connection: MakeConnection, op: Any
) -> None:
    relay = relay_to(busy_vcenter)
    connection = make_connection(to=relay, read_timeout=3.0, outage_timeout=0.0)
    relay.stall()
    with pytest.raises(ConnectionLost, match="timed out") as caught:
        connection.change("look", lambda: connection.content.searchIndex.FindByInventoryPath("DC0"), op)
    assert caught.value.state_after is StateAfter.UNKNOWN
    relay.restore()


def test_a_server_that_does_not_take_connections_is_given_up(make_connection: MakeConnection, vcenter: VCenter) -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=0) as deaf:
        port = deaf.getsockname()[1]
        connection = make_connection(opened=False, port=port, connect_timeout=0.5, read_timeout=0.5)
        with pytest.raises((ConnectionLost, Unavailable)):
            connection.open()


def test_a_change_that_may_have_been_heard_is_not_said_again(
    busy_vcenter: VCenter,
    relay_to: Callable[[VCenter], Relay],
    make_connection: MakeConnection,
    op: Any,
    watch: Callable[[], Any],
) -> None:
    relay = relay_to(busy_vcenter)
    connection = make_connection(to=relay, read_timeout=3.0)
    relay.stall()
    post = watch()
    folder = connection.content.rootFolder
    with pytest.raises(ConnectionLost):
        connection.change("make a folder", lambda: folder.CreateFolder("once"), op)
    assert post.count(b"CreateFolder") == 1
    relay.restore()


def test_a_cancel_ends_the_pause_between_attempts(
    busy_vcenter: VCenter,
    relay_to: Callable[[VCenter], Relay],
    make_connection: MakeConnection,
    operation: Callable[..., Any],
) -> None:
    relay = relay_to(busy_vcenter)
    connection = make_connection(to=relay)
    relay.cut()
    begun = operation()
    begun.cancel()
    with pytest.raises(Cancelled):
        connection.read("look", lambda: connection.content.searchIndex.FindByInventoryPath("DC0"), DriverSide(begun))


# --- many at once ----------------------------------------------------------------------------------------------------


def test_fifty_threads_share_one_session_and_few_connections(
    busy_vcenter: VCenter,
    make_connection: MakeConnection,
    monkeypatch: pytest.MonkeyPatch,
    names: Callable[[Connection], set[str]],
) -> None:
    connection = make_connection(to=busy_vcenter, max_requests=4)
    expected = names(connection)
    under_way = most = 0
    lock = threading.Lock()
    real = HTTPSConnectionPool._make_request

    def make_request(pool: Any, *arguments: Any, **more: Any) -> Any:
        nonlocal under_way, most
        with lock:
            under_way += 1
            most = max(most, under_way)
        try:
            return real(pool, *arguments, **more)
        finally:
            with lock:
                under_way -= 1

    monkeypatch.setattr(HTTPSConnectionPool, "_make_request", make_request)
    with ThreadPoolExecutor(50) as threads:
        found = list(threads.map(lambda _: names(connection), range(100)))
    assert found == [expected] * 100
    assert most <= 4
    assert connection.session_number == 1

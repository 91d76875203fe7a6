"""What an expired session costs: one login, and nothing that was asked."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import pytest
from pyVmomi import vim

from nova_virt_api.errors import (
    AuthenticationFailed,
)
from nova_virt_vmware import property_collector
from nova_virt_vmware.connection import Connection
from nova_virt_vmware.errors import NotThere
from nova_virt_vmware.property_collector import look_at, retrieve
from tools.vcsim import VCenter

MakeConnection = Callable[..., Connection]


NOTHING_SEEN = b"""<?xml version="1.0" encoding="UTF-8"?>
<soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/">
<soapenv:Body><RetrievePropertiesExResponse xmlns="urn:vim25"/></soapenv:Body></soapenv:Envelope>"""


GONE = b"""<?xml version="1.0" encoding="UTF-8"?>
<soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/"
 xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><soapenv:Body><soapenv:Fault>
<faultcode>ServerFaultCode</faultcode><faultstring>The object has already been deleted</faultstring><detail>
<ManagedObjectNotFoundFault xmlns="urn:vim25" xsi:type="ManagedObjectNotFound"><obj type="VirtualMachine">vm-7</obj>
</ManagedObjectNotFoundFault></detail></soapenv:Fault></soapenv:Body></soapenv:Envelope>"""


def test_an_expired_session_is_renewed_once_for_all_threads(
    busy_vcenter: VCenter,
    make_connection: MakeConnection,
    names: Callable[[Connection], set[str]],
    expire: Callable[[Connection], None],
    watch: Callable[[], Any],
) -> None:
    admin = make_connection(to=busy_vcenter)
    connection = make_connection(to=busy_vcenter)
    expected = names(connection)
    expire(admin)
    post = watch()
    with ThreadPoolExecutor(20) as threads:
        found = list(threads.map(lambda _: names(connection), range(20)))
    assert found == [expected] * 20
    assert post.count(b"Login") == 1
    assert connection.session_number == 2


def test_managed_objects_stay_good_when_the_session_is_renewed(
    busy_vcenter: VCenter, make_connection: MakeConnection, expire: Callable[[Connection], None]
) -> None:
    admin = make_connection(to=busy_vcenter)
    connection = make_connection(to=busy_vcenter)
    manager = connection.content.viewManager
    expire(admin)
    view = connection.read("make a view", lambda: manager.CreateContainerView(connection.content.rootFolder, [], True))
    connection.read("destroy it", view.DestroyView)


def test_a_session_that_expires_between_two_pages_costs_nothing(
    busy_vcenter: VCenter,
    make_connection: MakeConnection,
    names: Callable[[Connection], set[str]],
    expire: Callable[[Connection], None],
    watch: Callable[[], Any],
) -> None:
    admin = make_connection(to=busy_vcenter)
    connection = make_connection(to=busy_vcenter, page_size=10)
    expected = names(connection)
    assert len(expected) > 20
    post = watch()
    post.before[b"ContinueRetrievePropertiesEx"] = [lambda: expire(admin)]
    assert names(connection) == expected
    assert post.count(b"Login") == 1
    assert post.count(b"CreateContainerView") == 2


def test_a_list_that_another_thread_lost_the_session_of_is_begun_anew(
    busy_vcenter: VCenter,
    make_connection: MakeConnection,
    monkeypatch: pytest.MonkeyPatch,
    names: Callable[[Connection], set[str]],
    sessions: Callable[[Connection], list[Any]],
    expire: Callable[[Connection], None],
    watch: Callable[[], Any],
) -> None:
    admin = make_connection(to=busy_vcenter)
    connection = make_connection(to=busy_vcenter, page_size=10)
    expected = names(connection)
    another_thread = partial(sessions, connection)  # logs in anew
    todo: list[Callable[[], object]] = [partial(expire, admin), another_thread]

    real = property_collector.is_there

    def is_there(one: Any) -> bool:
        now, todo[:] = todo[:], []
        for each in now:
            each()
        return real(one)

    monkeypatch.setattr(property_collector, "is_there", is_there)
    post = watch()
    assert names(connection) == expected
    assert post.count(b"Login") == 1
    assert post.count(b"CreateContainerView") == 2


def test_an_object_that_vanishes_with_a_fault_costs_another_attempt(
    busy_vcenter: VCenter,
    make_connection: MakeConnection,
    names: Callable[[Connection], set[str]],
    watch: Callable[[], Any],
) -> None:
    connection = make_connection(to=busy_vcenter)
    expected = names(connection)
    post = watch()
    post.instead[b"RetrievePropertiesEx"] = [GONE, GONE]
    assert names(connection) == expected
    post.instead[b"RetrievePropertiesEx"] = [GONE] * 5
    with pytest.raises(NotThere):
        names(connection)
    assert post.count(b"CreateContainerView") == post.count(b"DestroyView") == 8


def test_properties_that_are_missing_for_want_of_a_session_are_read_again(
    busy_vcenter: VCenter,
    make_connection: MakeConnection,
    expire: Callable[[Connection], None],
    watch: Callable[[], Any],
) -> None:
    admin = make_connection(to=busy_vcenter)
    connection = make_connection(to=busy_vcenter)
    (moref, _), *_ = retrieve(connection, vim.VirtualMachine, ["name"])
    post = watch()
    post.before[b"RetrievePropertiesEx"] = [lambda: expire(admin)]
    assert all(values["name"] for _, values in look_at(connection, vim.VirtualMachine, [moref], ["name"]))
    assert post.count(b"Login") == 1


def test_an_empty_answer_of_an_expired_session_is_not_believed(
    busy_vcenter: VCenter,
    make_connection: MakeConnection,
    names: Callable[[Connection], set[str]],
    expire: Callable[[Connection], None],
    watch: Callable[[], Any],
) -> None:
    admin = make_connection(to=busy_vcenter)
    connection = make_connection(to=busy_vcenter)
    expected = names(connection)
    post = watch()

    def lose_the_session() -> None:
        expire(admin)
        post.instead[b"RetrievePropertiesEx"] = [NOTHING_SEEN]  # what is said to somebody who may see nothing

    post.before[b"RetrievePropertiesEx"] = [lose_the_session]
    assert names(connection) == expected
    assert post.count(b"Login") == 1


def test_an_empty_answer_is_not_believed_if_another_thread_has_renewed_the_session(
    busy_vcenter: VCenter,
    make_connection: MakeConnection,
    sessions: Callable[[Connection], list[Any]],
    expire: Callable[[Connection], None],
    watch: Callable[[], Any],
) -> None:
    admin = make_connection(to=busy_vcenter)
    connection = make_connection(to=busy_vcenter)
    post = watch()
    asked = 0

    def ask() -> str:
        nonlocal asked
        asked += 1
        if asked == 1:
            expire(admin)
            with ThreadPoolExecutor(1) as threads:
                threads.submit(sessions, connection).result()
        connection.still_logged_in()  # it is: in a session that what was asked before knows nothing of
        return "nothing"

    assert connection.read("look", ask) == "nothing"
    assert asked == 2
    assert post.count(b"Login") == 1


def test_an_empty_answer_of_a_good_session_is_believed(busy_vcenter: VCenter, make_connection: MakeConnection) -> None:
    connection = make_connection(to=busy_vcenter)
    before = connection.request_count
    assert list(retrieve(connection, vim.StoragePod, ["name"])) == []
    assert connection.request_count - before == 4
    assert connection.session_number == 1


def test_a_password_that_was_changed_meanwhile_is_said(
    busy_vcenter: VCenter,
    make_connection: MakeConnection,
    names: Callable[[Connection], set[str]],
    expire: Callable[[Connection], None],
) -> None:
    admin = make_connection(to=busy_vcenter)
    connection = make_connection(to=busy_vcenter)
    connection._options.password = "changed"  # as the server sees it
    expire(admin)
    with pytest.raises(AuthenticationFailed, match="check username"):
        names(connection)

"""Bulk reading: its requests, what vanishes meanwhile, and what is left at the server."""

from collections.abc import Callable
from typing import Any

import pytest
from pyVmomi import vim

from nova_virt_vmware.connection import Connection
from nova_virt_vmware.errors import NotThere
from nova_virt_vmware.property_collector import look_at, retrieve
from tools.vcsim import VCenter

MakeConnection = Callable[..., Connection]


def test_requests_grow_with_pages_only(
    busy_vcenter: VCenter, make_connection: MakeConnection, names: Callable[[Connection], set[str]]
) -> None:
    for size, pages in ((1000, 1), (25, 1), (10, 3)):
        connection = make_connection(to=busy_vcenter, page_size=size)
        before = connection.request_count
        assert len(names(connection)) >= 25
        assert connection.request_count - before in (pages + 2, pages + 3)  # a last page may be full


def test_a_vanished_object_is_left_out(busy_vcenter: VCenter, make_connection: MakeConnection) -> None:
    connection = make_connection(to=busy_vcenter)
    known = [moref for moref, _ in retrieve(connection, vim.VirtualMachine, ["name"])][:2]
    found = dict(look_at(connection, vim.VirtualMachine, [known[0], "vm-99999", known[1]], ["name"]))
    assert list(found) == known
    assert dict(look_at(connection, vim.VirtualMachine, ["vm-99999"], ["name"])) == {}
    before = connection.request_count
    assert dict(look_at(connection, vim.VirtualMachine, [], ["name"])) == {}
    assert connection.request_count == before


def test_a_machine_that_is_deleted_between_two_pages_is_left_out(
    busy_vcenter: VCenter, make_connection: MakeConnection, op: Any, watch: Callable[[], Any]
) -> None:
    admin = make_connection(to=busy_vcenter)
    connection = make_connection(to=busy_vcenter, page_size=10)
    morefs = [moref for moref, _ in retrieve(connection, vim.VirtualMachine, ["name"])]
    doomed = admin.object(vim.VirtualMachine, morefs[-1])

    def delete() -> None:
        admin.change("unregister", doomed.UnregisterVM, op)

    post = watch()
    post.before[b"ContinueRetrievePropertiesEx"] = [delete]
    found = [moref for moref, _ in retrieve(connection, vim.VirtualMachine, ["name"])]
    assert found == morefs[:-1]


def test_a_container_that_is_gone_is_said(
    busy_vcenter: VCenter, make_connection: MakeConnection, watch: Callable[[], Any]
) -> None:
    connection = make_connection(to=busy_vcenter)
    post = watch()
    gone = connection.object(vim.Folder, "group-v99999")
    with pytest.raises(NotThere):
        list(retrieve(connection, vim.VirtualMachine, ["name"], gone))
    assert post.count(b"CreateContainerView") == 1


def test_nothing_is_left_at_the_server(
    busy_vcenter: VCenter,
    make_connection: MakeConnection,
    names: Callable[[Connection], set[str]],
    watch: Callable[[], Any],
) -> None:
    connection = make_connection(to=busy_vcenter, page_size=10)
    post = watch()
    names(connection)

    def stop() -> None:
        raise KeyboardInterrupt

    post.before[b"ContinueRetrievePropertiesEx"] = [stop]
    with pytest.raises(KeyboardInterrupt):
        names(connection)
    assert post.count(b"CreateContainerView") == post.count(b"DestroyView") == 2
    assert post.count(b"CancelRetrievePropertiesEx") == 1

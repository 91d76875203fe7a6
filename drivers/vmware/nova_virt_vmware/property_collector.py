"""Bulk reading of properties: paged, in a number of requests that grows with pages only, nothing left at the server."""

from __future__ import annotations

import logging
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from pyVmomi import vim, vmodl

from nova_virt_vmware.errors import NATIVE, NotThere, SessionExpired, moref_of, text_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from nova_virt_api.driver.operation import Operation
    from nova_virt_vmware.connection import Connection

LOG: Final = logging.getLogger(__name__)

Found = tuple[str, "Mapping[str, Any]"]
"""An object's id and its properties by path; a property that is unset, or that the account may not see, is absent."""

ATTEMPTS: Final = 5
"""Times that a read is begun anew because an object of it vanished meanwhile and the server made a fault of that."""

Collector = vmodl.query.PropertyCollector


def retrieve(
    connection: Connection,
    kind: type[Any],
    paths: Sequence[str],
    container: vim.ManagedEntity | None = None,
    op: Operation | None = None,
) -> Iterator[Found]:
    """Properties of all objects of a kind under a container: ``ceil(n / page_size) + 2`` requests.

    Objects that vanish meanwhile are left out. A session that expires in the middle is renewed and all is read anew.

    Args:
        connection: asks.
        kind: e.g. ``vim.VirtualMachine``; objects of derived kinds are found, too.
        paths: the properties, e.g. ``("name", "runtime.powerState")``.
        container: a folder, datacenter, host, ...; None for all that there is.
        op: the operation worked for, if any.

    Raises:
        NotThere: the container does not exist.
        VirtError: see :mod:`nova_virt_vmware.errors`.
    """
    return ((moref, values) for _, moref, values in retrieve_kinds(connection, {kind: paths}, container, op))


def retrieve_kinds(
    connection: Connection,
    paths: Mapping[type[Any], Sequence[str]],
    container: vim.ManagedEntity | None = None,
    op: Operation | None = None,
) -> Iterator[tuple[type[Any], str, Mapping[str, Any]]]:
    """As :func:`retrieve`, for several kinds at once; also tells each object's own kind."""

    def read() -> list[vmodl.query.PropertyCollector.ObjectContent]:
        content = connection.content
        with view_of(content, list(paths), container) as view:
            seen = Collector.TraversalSpec(name="seen", type=vim.view.ContainerView, path="view", skip=False)
            start = Collector.ObjectSpec(obj=view, skip=True, selectSet=[seen])
            return collect(connection, [start], properties(paths))

    doing = f"list {', '.join(kind.__name__.removeprefix('vim.') for kind in paths)}"
    for _ in range(ATTEMPTS - 1):
        try:
            found = connection.read(doing, read, op)
            break
        except NotThere as error:
            if error.moref == moref_of(container):
                raise
    else:
        found = connection.read(doing, read, op)
    return ((type(one.obj), moref_of(one.obj), values_of(one)) for one in found)


def look_at(
    connection: Connection,
    kind: type[Any],
    morefs: Sequence[str],
    paths: Sequence[str],
    op: Operation | None = None,
) -> Iterator[Found]:
    """Properties of objects by their ids: ``ceil(n / page_size)`` requests; objects that are gone are left out.

    Args:
        connection: asks.
        kind: what they are, e.g. ``vim.VirtualMachine``.
        morefs: which.
        paths: the properties.
        op: the operation worked for, if any.
    """
    wanted = list(morefs)
    doing = f"look at {kind.__name__.removeprefix('vim.')} {', '.join(wanted[:3])}{' ...' if wanted[3:] else ''}"

    def read() -> list[vmodl.query.PropertyCollector.ObjectContent]:
        if not wanted:
            return []
        starts = [Collector.ObjectSpec(obj=connection.object(kind, moref)) for moref in wanted]
        spec = Collector.FilterSpec(
            objectSet=starts, propSet=properties({kind: paths}), reportMissingObjectsInResults=True
        )
        return everything(connection, spec)

    while True:
        try:
            found = connection.read(doing, read, op)
            return ((moref_of(one.obj), values_of(one)) for one in found)
        except NotThere as error:
            if error.moref not in wanted:
                raise
            wanted.remove(error.moref)  # a server that makes a fault of it although it was asked not to


# --- within one read --------------------------------------------------------------------------------------------------


@contextmanager
def view_of(
    content: vim.ServiceInstanceContent, kinds: Sequence[type[Any]], container: vim.ManagedEntity | None
) -> Iterator[vim.view.ContainerView]:
    """A view of all objects of some kinds under a container; destroyed in the end."""
    view = content.viewManager.CreateContainerView(container or content.rootFolder, list(kinds), True)
    try:
        yield view
    finally:
        forget("view", view.DestroyView)


def properties(paths: Mapping[type[Any], Sequence[str]]) -> list[vmodl.query.PropertyCollector.PropertySpec]:
    """What to tell of objects of each kind."""
    return [Collector.PropertySpec(type=kind, pathSet=list(wanted), all=False) for kind, wanted in paths.items()]


def collect(
    connection: Connection,
    starts: list[vmodl.query.PropertyCollector.ObjectSpec],
    wanted: list[vmodl.query.PropertyCollector.PropertySpec],
) -> list[vmodl.query.PropertyCollector.ObjectContent]:
    """Objects that are reached from others, which have to be there. Call it in the block of a read.

    A view is gone when another thread renewed the session, and must not look like one that nothing is in.

    Raises:
        SessionExpired: the server told less than all because it does not know the session any more.
    """
    return everything(connection, Collector.FilterSpec(objectSet=starts, propSet=wanted))


def everything(
    connection: Connection, spec: vmodl.query.PropertyCollector.FilterSpec
) -> list[vmodl.query.PropertyCollector.ObjectContent]:
    """All pages of one filter. Call it in the block of a read.

    Raises:
        SessionExpired: the server told less than all because it does not know the session any more.
    """
    found: list[vmodl.query.PropertyCollector.ObjectContent] = []
    for page in pages(connection.content.propertyCollector, spec, connection.page_size):
        found += (one for one in page if is_there(one))
    if not found:
        connection.still_logged_in()
    return found


def pages(
    collector: vmodl.query.PropertyCollector, spec: vmodl.query.PropertyCollector.FilterSpec, size: int
) -> Iterator[list[vmodl.query.PropertyCollector.ObjectContent]]:
    """The answer's pages; the rest is cancelled at the server when nobody wants it any more."""
    result = collector.RetrievePropertiesEx([spec], Collector.RetrieveOptions(maxObjects=size))
    token = ""
    try:
        while result is not None:
            token = result.token or ""
            yield result.objects
            if not token:
                return
            result = collector.ContinueRetrievePropertiesEx(token)
        token = ""
    finally:
        if token:
            forget("rest of a list", lambda: collector.CancelRetrievePropertiesEx(token))


def is_there(one: vmodl.query.PropertyCollector.ObjectContent) -> bool:
    """Whether an object was still there when its properties were read.

    Raises:
        SessionExpired: a property is missing because the session has expired.
    """
    for missing in one.missingSet or ():
        if isinstance(missing.fault, vim.fault.NotAuthenticated):
            raise SessionExpired(text_of(missing.fault))
        if isinstance(missing.fault, vmodl.fault.ManagedObjectNotFound):
            return False
    return True


def values_of(one: vmodl.query.PropertyCollector.ObjectContent) -> Mapping[str, Any]:
    """An object's properties by path."""
    return {each.name: each.val for each in one.propSet or ()}


def forget(what: str, call: Any) -> None:
    """Let the server forget something that ends with the session anyway, without hiding what went wrong before."""
    try:
        call()
    except NATIVE as error:
        LOG.debug("could not let the server forget a %s: %s", what, text_of(error))

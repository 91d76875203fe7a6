"""What a guest that was resized has of the host where that is finished: what its spec says, or the like of before."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from nova_virt_api.errors import InvalidSpec, MigrationError
from nova_virt_libvirt.claims.records import Records
from nova_virt_libvirt.host.cpus import chosen, floating
from nova_virt_libvirt.machine.host_parts import HostParts, set_cells, set_pages
from nova_virt_libvirt.migration.host_parts import asked_of
from nova_virt_libvirt.resize.definition import parsed, text_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from uuid import UUID

    from nova_virt_api.driver.operation import Operation
    from nova_virt_api.model.spec import InstanceSpec
    from nova_virt_libvirt.places import Places
    from nova_virt_libvirt.site import Site


@contextmanager
def on_host(site: Site, places: Places, text: str, spec: InstanceSpec | None, op: Operation) -> Iterator[str]:
    """A guest's definition with what it has of this host; define it inside this context.

    Args:
        site: the endpoint.
        places: what names of places mean there.
        text: the definition.
        spec: what it is to have; None for what the definition says.
        op: the operation worked for.

    Raises:
        InvalidSpec: processors or cells were named that are not there.
        NoCapacity: not enough processors are free.
        Busy: somebody else was still choosing at the deadline.
    """
    if spec is None:
        yield text
        return
    records = Records(places.records_pool(), site.host())
    cells = site.emulator().cells
    with chosen(spec, site.cpus, cells, site.connection(), records, site.owner, op) as runs_on:
        definition = parsed(text)
        set_cells(definition, spec)
        set_pages(definition, spec)
        HostParts.of(spec, runs_on, site.cpus.shared).put_into(definition)
        yield text_of(definition)


def as_there(site: Site, uuid: UUID, text: str, shared: frozenset[int]) -> str:
    """A guest's definition with the like, on this host, of what it had of another: cells, and processors of all guests.

    Args:
        site: the endpoint.
        uuid: the guest.
        text: the definition, of a guest without processors for itself.
        shared: the other host's processors that guests share.

    Raises:
        MigrationError: this host has no such cell.
    """
    definition = parsed(text)
    asked = asked_of(definition, shared)
    if asked is None:
        return text
    try:
        spec = asked.spec(uuid, None, None)
        runs_on = floating(spec, site.emulator().cells, site.cpus.shared)
    except InvalidSpec as error:
        message = f"the guest does not fit in here: {error.message}"
        raise MigrationError("finish_resize", message, hint="say with a spec what it gets here") from error
    HostParts.of(spec, runs_on, site.cpus.shared).put_into(definition)
    return text_of(definition)

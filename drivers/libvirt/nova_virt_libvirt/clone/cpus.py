"""The host's processors that a guest's copy runs on: those that the original has for itself are nobody else's."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from nova_virt_api.model.cpu import Cpu
from nova_virt_api.model.spec import LEAST_MEMORY, InstanceSpec
from nova_virt_libvirt.claims.records import Records
from nova_virt_libvirt.clone.definition import refused
from nova_virt_libvirt.host.cells import as_text, cpu_set
from nova_virt_libvirt.host.cpus import chosen

if TYPE_CHECKING:
    from collections.abc import Iterator

    import libvirt

    from nova_virt_api.driver.operation import Operation
    from nova_virt_api.model.clone import CloneSpec
    from nova_virt_libvirt.places import Places
    from nova_virt_libvirt.site import Site


@contextmanager
def own_cpus(
    site: Site, connection: libvirt.virConnect, places: Places, definition: Any, spec: CloneSpec, op: Operation
) -> Iterator[None]:
    """Give the copy processors of its own where the original has such; define it inside this context.

    Args:
        site: the endpoint.
        connection: the connection to use.
        places: what names of places mean.
        definition: the copy's, which is changed.
        spec: the copy.
        op: the operation worked for.

    Raises:
        NoCapacity: not enough of them are free.
        NotSupported: the original is bound to cells of its host, too.
        Busy: somebody else was still choosing at the deadline.
    """
    pins = dedicated_pins(definition, site.cpus.dedicated)
    if not pins:
        yield
        return
    if definition.find("numatune/memnode") is not None:
        raise refused("it has processors for itself in NUMA cells of its host that it is bound to")
    wanted = InstanceSpec(
        uuid=spec.uuid, name=spec.name, vcpus=len(pins), memory_bytes=LEAST_MEMORY, cpu=Cpu(dedicated=True)
    )
    records = Records(places.records_pool(), site.host())
    with chosen(wanted, site.cpus, site.emulator().cells, connection, records, site.owner, op) as found:
        for pin, cpus in zip(pins, found, strict=True):
            pin.set("cpuset", as_text(cpus))
        for pin in definition.iterfind("cputune/emulatorpin"):
            pin.set("cpuset", as_text(frozenset[int]().union(*found)))
        yield


def dedicated_pins(definition: Any, dedicated: frozenset[int]) -> list[Any]:
    """The elements that bind a virtual CPU to a processor which the guest has for itself."""
    found = [(pin, cpu_set("cpuset", pin.get("cpuset"))) for pin in definition.iterfind("cputune/vcpupin")]
    return [pin for pin, cpus in found if len(cpus) == 1 and cpus <= dedicated]

"""A machine that runs nothing: its QEMU joins volumes of a guest that are not in use."""

from __future__ import annotations

from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, Final

import libvirt
from lxml import etree
from lxml.builder import E

from nova_virt_libvirt.errors import translated

if TYPE_CHECKING:
    from collections.abc import Iterator
    from uuid import UUID

    from nova_virt_api.model.image import ImageFormat

TARGET: Final = "vda"
"""Its disk."""


@contextmanager
def joining_machine(
    connection: libvirt.virConnect, guest: UUID, virt_type: str, path: str, image_format: ImageFormat
) -> Iterator[Any]:
    """Such a machine, which goes with the connection.

    Args:
        connection: where.
        guest: for which guest; its claim must be held.
        virt_type: ``kvm`` or ``qemu``.
        path: the volume that its disk writes to, with all that are below it.
        image_format: that volume's format.

    Yields:
        Its ``virDomain``.
    """
    definition = E.domain(
        E.name(name_of(guest)),
        E.memory("16", unit="MiB"),
        E.os(E.type("hvm", arch="x86_64")),
        E.devices(
            E.disk(
                E.driver(name="qemu", type=image_format.value),
                E.source(file=path),
                E.target(dev=TARGET, bus="virtio"),
                type="file",
                device="disk",
            )
        ),
        type=virt_type,
    )
    flags = libvirt.VIR_DOMAIN_START_PAUSED | libvirt.VIR_DOMAIN_START_AUTODESTROY
    with translated(f"look into the disks of guest {guest}"):
        machine = connection.createXML(etree.tostring(definition, encoding="unicode"), flags)
    try:
        yield machine
    finally:
        with suppress(libvirt.libvirtError):  # gone with a connection that was lost
            machine.destroy()


def end_joining_machine(connection: libvirt.virConnect, guest: UUID) -> None:
    """End the machine of somebody who is gone: libvirtd forgets to when it is killed itself.

    The guest's claim must be held.
    """
    with translated(f"look into the disks of guest {guest}"):
        try:
            connection.lookupByName(name_of(guest)).destroy()
        except libvirt.libvirtError as error:
            if error.get_error_code() not in (libvirt.VIR_ERR_NO_DOMAIN, libvirt.VIR_ERR_OPERATION_INVALID):
                raise


def name_of(guest: UUID) -> str:
    """What a guest's machine is called."""
    return f"nova-virt-join-{guest}"

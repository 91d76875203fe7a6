"""Volumes that the host has connected for a guest before, asked for again, e.g. when the guest is resized."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nova_virt_api.capability import Feature
from nova_virt_api.errors import NotSupported
from nova_virt_libvirt.errors import translated
from nova_virt_libvirt.host_connections.connected import as_device, noted, volumes_of_mark
from nova_virt_libvirt.host_connections.initiator import device_of
from nova_virt_libvirt.remains import find_domain

if TYPE_CHECKING:
    from uuid import UUID

    from nova_virt_api.model.host_connection import HostConnection
    from nova_virt_api.model.volume import Volume
    from nova_virt_libvirt.site import Site


def connected_already(site: Site, guest: UUID, volume: Volume, connection: HostConnection, field: str) -> Volume:
    """A volume that the host has connected for a guest, as the device that it is.

    Raises:
        InvalidSpec: the host cannot make such connections.
        NotSupported: it has not made this one for the guest.
    """
    site.initiator.check(connection, field)
    with translated("look at the volumes that the guest's host connects"):
        domain = find_domain(site.connection(), guest)
        known = {} if domain is None else volumes_of_mark(domain)
    one = known.get(volume.id)
    if one is None or one.device is None or not one.is_same(noted(connection)):
        reason = (
            f"the host connects volume {volume.id} when it is attached: do that afterwards; other hosts get none so"
        )
        raise NotSupported(Feature.HOST_CONNECTIONS, field, reason)
    return as_device(volume, device_of(one.device))

"""How QEMU reaches a volume: the ``<source>`` of its disk. Secrets are named by uuid and never in it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from lxml import etree
from lxml.builder import E

from nova_virt_api.model.host_connection import HostConnection
from nova_virt_api.model.volume_connection import (
    BlockVolume,
    FileVolume,
    IscsiVolume,
    NbdVolume,
    NfsVolume,
    RbdVolume,
    VolumeConnection,
)
from nova_virt_libvirt.host_connections.already import connected_already
from nova_virt_libvirt.volumes.opaque import hosted, reached
from nova_virt_libvirt.volumes.secrets import CEPH, CHAP, LUKS, secret_uuid

if TYPE_CHECKING:
    from uuid import UUID

    from nova_virt_api.model.volume import Volume
    from nova_virt_libvirt.site import Site
    from nova_virt_libvirt.volumes.opaque import Reached

INITIATOR: Final = "iqn.2008-11.org.linux-kvm"
"""QEMU's own iSCSI name; with the host's uuid behind it one that storage services can tell hosts by."""


def initiator_of(host: str) -> str:
    """The iSCSI name that guests on a host log in with.

    Args:
        host: the host's uuid.
    """
    return f"{INITIATOR}:{host}"


def described(site: Site, guest: UUID, volume: Volume, field: str, turn: str = "") -> tuple[Volume, etree._Element]:
    """A volume with a connection that this driver makes, and the ``<source>`` of its disk.

    Args:
        site: the endpoint.
        guest: who uses it.
        volume: as it was asked for.
        field: the field that says how it is reached, for errors.
        turn: of its passwords.

    Raises:
        InvalidSpec: the driver makes no such connections.
    """
    volume = hosted(volume, field, multipath=site.initiator.multipath)
    if isinstance(volume.connection, HostConnection):
        volume = connected_already(site, guest, volume, volume.connection, field)
    how = reached(volume.connection, field)
    wanted = replace(volume, connection=how.connection)
    return wanted, source_element(guest, wanted, how, site.host(), turn)


def source_element(guest: UUID, volume: Volume, reached: Reached, host: str, turn: str = "") -> etree._Element:
    """The ``<source>`` of a volume's disk.

    Args:
        guest: who uses it.
        volume: the volume.
        reached: its connection, as this driver understands it.
        host: uuid of the endpoint's host.
        turn: of its passwords.
    """
    source = plain_source(reached.connection, host)
    auth = auth_element(guest, volume.id, reached, turn)
    if auth is not None:
        source.append(auth)
    if volume.encryption is not None:
        luks = E.secret(type="passphrase", uuid=str(secret_uuid(guest, volume.id, LUKS, turn)))
        source.append(E.encryption(luks, format="luks"))
    return source


def plain_source(connection: VolumeConnection, host: str) -> etree._Element:
    """Where the volume is."""
    match connection:
        case FileVolume():
            return E.source(file=connection.path)
        case BlockVolume():
            return E.source(dev=connection.path)
        case NbdVolume():
            server = (
                E.host(transport="unix", socket=connection.socket)
                if connection.socket is not None
                else E.host(name=connection.host or "", port=str(connection.port))
            )
            return E.source(server, protocol="nbd", name=connection.export)
        case NfsVolume():
            name = f"{connection.export.rstrip('/')}/{connection.path}"
            return E.source(E.host(name=connection.server), protocol="nfs", name=name)
        case RbdVolume():
            monitors = map(host_element, connection.monitors)
            return E.source(*monitors, protocol="rbd", name=f"{connection.pool}/{connection.image}")
        case IscsiVolume():
            return E.source(
                host_element(connection.portal),
                E.initiator(E.iqn(name=initiator_of(host))),
                protocol="iscsi",
                name=f"{connection.iqn}/{connection.lun}",
            )
    raise AssertionError("an opaque connection was read before")


def host_element(address: str) -> etree._Element:
    """A ``<host>`` of an address with its port."""
    name, _, port = address.rpartition(":")
    return E.host(name=name.strip("[]"), port=port)


def auth_element(guest: UUID, volume_id: str, reached: Reached, turn: str) -> etree._Element | None:
    """Who to say that one is; None where nobody asks."""
    connection = reached.connection
    if isinstance(connection, IscsiVolume) and connection.chap_username is not None:
        secret = E.secret(type="iscsi", uuid=str(secret_uuid(guest, volume_id, CHAP, turn)))
        return E.auth(secret, username=connection.chap_username)
    if isinstance(connection, RbdVolume) and connection.user is not None:
        secret = E.secret(type="ceph", uuid=str(secret_uuid(guest, volume_id, CEPH, turn)))
        return E.auth(secret, username=connection.user)
    if reached.ceph_secret is not None:
        return E.auth(E.secret(type="ceph", uuid=str(reached.ceph_secret)), username=reached.ceph_user or "")
    return None

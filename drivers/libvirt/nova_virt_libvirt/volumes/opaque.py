"""Connections as Cinder and os-brick describe them (``connection_info``), read as those that the contract names."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from nova_virt_api.errors import InvalidSpec
from nova_virt_api.model.host_connection import HostConnection
from nova_virt_api.model.image import ImageFormat
from nova_virt_api.model.secret import Secret
from nova_virt_api.model.volume_connection import (
    BlockVolume,
    IscsiVolume,
    NfsVolume,
    OpaqueVolume,
    RbdVolume,
    VolumeConnection,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from nova_virt_api.model.volume import Volume

KEYRING_KEY: Final = re.compile(r"^\s*key\s*=\s*(\S+)", re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reached:
    """A connection that this driver knows how to make.

    Args:
        connection: it, in the contract's words.
        ceph_user: the name that a Ceph cluster knows, where its key is not in the connection.
        ceph_secret: the uuid of the secret of libvirt's that has that key; whoever set up the host made it.
    """

    connection: VolumeConnection
    ceph_user: str | None = None
    ceph_secret: UUID | None = None


def reached(connection: VolumeConnection, field: str) -> Reached:
    """A connection in the contract's words.

    Args:
        connection: as it was asked for.
        field: where, for errors.

    Raises:
        InvalidSpec: the driver does not know this kind, or what it says is incomplete. Tells no value, as any may be a
            secret.
    """
    if not isinstance(connection, OpaqueVolume):
        return Reached(connection=connection)
    read = KINDS.get(connection.kind)
    if read is None:
        raise InvalidSpec(
            f"{field}.kind",
            connection.kind,
            f"one of: {', '.join(sorted(KINDS))}",
            hint="connect the volume to the hypervisor's host first (os-brick), and name its device by a BlockVolume",
        )
    try:
        return read(json.loads(connection.properties.reveal()))
    except InvalidSpec as error:
        raise InvalidSpec(f"{field}.properties", connection.properties, f"a good {error.field}") from None
    except (KeyError, ValueError, TypeError, AttributeError, IndexError):
        what = f"what Cinder says of a volume of kind {connection.kind}"
        raise InvalidSpec(f"{field}.properties", connection.properties, what) from None


def hosted(volume: Volume, field: str, *, multipath: bool) -> Volume:
    """A volume whose connection, where only the host can make it, says so in the contract's words.

    Args:
        volume: as it was asked for.
        field: the field that says how it is reached, for errors.
        multipath: whether the host reaches volumes over many paths, which QEMU cannot.

    Raises:
        InvalidSpec: what is said of it cannot be passed on.
    """
    way = volume.connection
    if not isinstance(way, OpaqueVolume) or (way.kind in KINDS and not (multipath and way.kind == "iscsi")):
        return volume
    try:
        return replace(volume, connection=HostConnection.of(way.kind, json.loads(way.properties.reveal())))
    except InvalidSpec as error:
        raise InvalidSpec(f"{field}.{error.field}", error.value, error.allowed) from None


def iscsi(said: Mapping[str, Any]) -> Reached:
    """``iscsi``: the first of several portals; QEMU logs in itself and knows no multipath."""
    chap = said.get("auth_method") == "CHAP"
    return Reached(
        connection=IscsiVolume(
            portal=said["target_portal"] if "target_portal" in said else said["target_portals"][0],
            iqn=said["target_iqn"] if "target_iqn" in said else said["target_iqns"][0],
            lun=int(said["target_lun"] if "target_lun" in said else said["target_luns"][0]),
            chap_username=said["auth_username"] if chap else None,
            chap_password=Secret(said["auth_password"]) if chap else None,
        )
    )


def rbd(said: Mapping[str, Any]) -> Reached:
    """``rbd``: with the user's key from its keyring, or with the secret that the host's set-up gave libvirt."""
    pool, _, image = said["name"].partition("/")
    monitors = tuple(
        f"[{host}]:{port}" if ":" in host and not host.startswith("[") else f"{host}:{port}"
        for host, port in zip(said.get("hosts") or (), said.get("ports") or (), strict=True)
    )
    user = said["auth_username"] if said.get("auth_enabled") else None
    found = KEYRING_KEY.search(said.get("keyring") or "")
    if user is not None and found is not None:
        return Reached(connection=RbdVolume(monitors=monitors, pool=pool, image=image, user=user, key=Secret(found[1])))
    plain = RbdVolume(monitors=monitors, pool=pool, image=image)
    return Reached(connection=plain, ceph_user=user, ceph_secret=UUID(said["secret_uuid"]) if user else None)


def nfs(said: Mapping[str, Any]) -> Reached:
    """``nfs``: by QEMU itself, whatever mount options were meant for the host."""
    server, _, export = said["export"].rpartition(":")
    shape = ImageFormat(said.get("format") or ImageFormat.RAW.value)
    return Reached(connection=NfsVolume(server=server.strip("[]"), export=export, path=said["name"], format=shape))


def local(said: Mapping[str, Any]) -> Reached:
    """``local`` or ``block``: a device of the host's own."""
    return Reached(connection=BlockVolume(path=said["device_path"]))


KINDS: Final[Mapping[str, Callable[[Mapping[str, Any]], Reached]]] = {
    "block": local,
    "iscsi": iscsi,
    "local": local,
    "nfs": nfs,
    "rbd": rbd,
}
"""Kinds of ``connection_info`` by Cinder's name for them (``driver_volume_type``)."""

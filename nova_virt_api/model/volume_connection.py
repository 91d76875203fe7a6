"""The ways in which a guest reaches a volume of a storage service."""

import json
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Final, TypeAlias

from nova_virt_api.capability import Feature
from nova_virt_api.errors import InvalidSpec
from nova_virt_api.model.check import check, check_integer, check_text, check_type, frozen_tuple
from nova_virt_api.model.host_connection import HostConnection
from nova_virt_api.model.image import ImageFormat
from nova_virt_api.model.secret import Secret

HIGHEST_LUN: Final = 2**64 - 1
LARGEST_JSON: Final = 65536
NBD_PORT: Final = 10809
LONGEST_PATH: Final = 4095
FILE_FORMATS: Final = (ImageFormat.RAW, ImageFormat.QCOW2)


@dataclass(frozen=True, slots=True, kw_only=True)
class IscsiVolume:
    """A logical unit of an iSCSI target (RFC 7143).

    Args:
        portal: address and port of the target, e.g. ``192.0.2.7:3260`` or ``[2001:db8::7]:3260``.
        iqn: the target's name.
        lun: number of the logical unit.
        chap_username: user name for CHAP; None when the target asks for none.
        chap_password: password for CHAP; given exactly when a user name is.
    """

    portal: str
    iqn: str
    lun: int = 0
    chap_username: str | None = None
    chap_password: Secret | None = None

    def __post_init__(self) -> None:
        check_address("portal", self.portal)
        check_text("iqn", self.iqn, 223)
        check_integer("lun", self.lun, 0, HIGHEST_LUN, "a logical unit")
        if self.chap_username is not None:
            check_text("chap_username", self.chap_username, 255)
        if self.chap_password is not None:
            kind = type(self.chap_password)
            check(kind is Secret, "chap_password", kind.__name__, "a Secret")
        paired = (self.chap_username is None) == (self.chap_password is None)
        check(paired, "chap_password", self.chap_password, "a password with a user name, or neither")


@dataclass(frozen=True, slots=True, kw_only=True)
class FileVolume:
    """A file on the hypervisor's host, e.g. on a file system that many hosts have mounted.

    Args:
        path: its absolute path there.
        format: what its bytes are, ``RAW`` or ``QCOW2``; never guessed from them.
    """

    path: str
    format: ImageFormat = ImageFormat.RAW

    def __post_init__(self) -> None:
        check_host_path("path", self.path)
        check(self.format in FILE_FORMATS, "format", self.format, "ImageFormat.RAW or ImageFormat.QCOW2")


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockVolume:
    """A block device of the hypervisor's host, e.g. one that os-brick connected.

    Args:
        path: its absolute path there; one below ``/dev/disk/by-id`` is the same after a restart of the host.
    """

    path: str

    def __post_init__(self) -> None:
        check_host_path("path", self.path)


@dataclass(frozen=True, slots=True, kw_only=True)
class NbdVolume:
    """An export of an NBD server (the network block device's own protocol).

    Args:
        host: its name or address; None for one that listens on a socket of the hypervisor's host.
        port: its TCP port.
        socket: absolute path of its Unix socket there; given exactly when ``host`` is not.
        export: name of the export; empty for the server's default.
    """

    host: str | None = None
    port: int = NBD_PORT
    socket: str | None = None
    export: str = ""

    def __post_init__(self) -> None:
        check((self.host is None) != (self.socket is None), "host", self.host, "a host or a socket, not both")
        if self.host is not None:
            check_text("host", self.host, 255)
        check_integer("port", self.port, 1, 65535, "a TCP port")
        if self.socket is not None:
            check_host_path("socket", self.socket)
        check_text("export", self.export, LONGEST_PATH, shortest=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class NfsVolume:
    """A file on an NFS server, which the hypervisor itself reads and writes; no host mounts anything.

    Args:
        server: its name or address.
        export: the directory that it exports, e.g. ``/srv/volumes``.
        path: of the file, relative to the export.
        format: what its bytes are, ``RAW`` or ``QCOW2``; never guessed from them.
    """

    server: str
    export: str
    path: str
    format: ImageFormat = ImageFormat.RAW

    def __post_init__(self) -> None:
        check_text("server", self.server, 255)
        check_host_path("export", self.export)
        check_text("path", self.path, LONGEST_PATH)
        inside = not PurePosixPath(self.path).is_absolute() and ".." not in PurePosixPath(self.path).parts
        check(inside, "path", self.path, "a relative path that stays inside of the export")
        check(self.format in FILE_FORMATS, "format", self.format, "ImageFormat.RAW or ImageFormat.QCOW2")


@dataclass(frozen=True, slots=True, kw_only=True)
class RbdVolume:
    """A block device of a Ceph cluster.

    Args:
        monitors: address and port of the cluster's monitors; none where the hypervisor's host is configured for it.
        pool: the pool.
        image: the image there.
        user: the name that the cluster knows, e.g. ``cinder``; None where it asks for none.
        key: the user's key; given exactly when a user is.
    """

    monitors: tuple[str, ...] = ()
    pool: str
    image: str
    user: str | None = None
    key: Secret | None = None

    def __post_init__(self) -> None:
        for index, monitor in enumerate(frozen_tuple(self, "monitors", str, "addresses")):
            check_address(f"monitors[{index}]", monitor)
        for field in ("pool", "image"):
            check_text(field, getattr(self, field), 255)
            check("/" not in getattr(self, field), field, getattr(self, field), "a name without '/'")
        if self.user is not None:
            check_text("user", self.user, 255)
        if self.key is not None:
            check(isinstance(self.key, Secret), "key", type(self.key).__name__, "a Secret")
        check((self.user is None) == (self.key is None), "key", self.key, "a key with a user, or neither")


@dataclass(frozen=True, slots=True)
class OpaqueVolume:
    """A connection that only the storage service and the driver understand, e.g. one made by os-brick or Cinder.

    Args:
        kind: its type there, e.g. ``iscsi`` or ``fibre_channel``.
        properties: a JSON object with all the rest. May hold secrets, so it is not printed.
    """

    kind: str
    properties: Secret

    def __post_init__(self) -> None:
        check_text("kind", self.kind, 63)
        check_type("properties", self.properties, Secret, "a Secret that holds a JSON object")
        text = self.properties.reveal()
        check(len(text) <= LARGEST_JSON, "properties", f"{len(text)} characters", f"at most {LARGEST_JSON}")
        try:
            good = isinstance(json.loads(text), dict)
        except ValueError:
            good = False
        if not good:
            raise InvalidSpec("properties", self.properties, "a JSON object")


VolumeConnection: TypeAlias = (
    IscsiVolume | FileVolume | BlockVolume | NbdVolume | NfsVolume | RbdVolume | HostConnection | OpaqueVolume
)
"""How a volume is reached."""

CONNECTIONS: Final = (
    IscsiVolume,
    FileVolume,
    BlockVolume,
    NbdVolume,
    NfsVolume,
    RbdVolume,
    HostConnection,
    OpaqueVolume,
)

NEEDED: Final[dict[type, Feature]] = {
    FileVolume: Feature.HOST_VOLUMES,
    BlockVolume: Feature.HOST_VOLUMES,
    NbdVolume: Feature.NBD_VOLUMES,
    NfsVolume: Feature.NFS_VOLUMES,
    RbdVolume: Feature.RBD_VOLUMES,
    HostConnection: Feature.HOST_CONNECTIONS,
}
"""What an endpoint has to declare for a way to reach a volume; every one that has volumes at all takes the others."""


def check_address(field: str, value: str) -> None:
    """Refuse what is no address with a port."""
    check_text(field, value, 255)
    host, _, port = value.rpartition(":")
    check(bool(host) and port.isdecimal() and 0 < int(port) < 65536, field, value, "address:port")


def check_host_path(field: str, value: str) -> None:
    """Refuse what is no absolute, plain path on the hypervisor's host."""
    check_text(field, value, LONGEST_PATH)
    plain = PurePosixPath(value).is_absolute() and ".." not in PurePosixPath(value).parts
    check(plain, field, value, "an absolute path without '..'")

"""What a guest tells of itself, by its agent."""

from dataclasses import dataclass
from ipaddress import IPv4Interface, IPv6Interface
from typing import TypeAlias

from nova_virt_api.model.check import check

GuestAddress: TypeAlias = IPv4Interface | IPv6Interface
"""An address with the length of its prefix."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GuestOs:
    """The operating system; empty where the guest does not tell.

    Args:
        id: a short name in lower case, e.g. ``debian`` or ``mswindows``.
        name: the name for people.
        version: the version for programs, e.g. ``13``.
        kernel: the release of the kernel.
        machine: the processor's architecture, e.g. ``x86_64``.
    """

    id: str = ""
    name: str = ""
    version: str = ""
    kernel: str = ""
    machine: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class GuestInterface:
    """A network interface as the guest sees it, its loopback included.

    Args:
        name: the guest's own name of it, e.g. ``eth0``.
        mac: hardware address in lower case; None for one that has none.
        addresses: its addresses, link-local ones too.
    """

    name: str
    mac: str | None = None
    addresses: tuple[GuestAddress, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class GuestFilesystem:
    """A file system that the guest has mounted from a disk.

    Args:
        mountpoint: where.
        kind: what it is, e.g. ``ext4``.
        size_bytes: how much it holds; None when the guest does not tell.
        used_bytes: how much of that is used; None when the guest does not tell.
    """

    mountpoint: str
    kind: str = ""
    size_bytes: int | None = None
    used_bytes: int | None = None

    def __post_init__(self) -> None:
        for name in ("size_bytes", "used_bytes"):
            value = getattr(self, name)
            check(value is None or value >= 0, name, value, "a number of bytes, or None")


@dataclass(frozen=True, slots=True, kw_only=True)
class GuestUser:
    """Somebody who is logged in.

    Args:
        name: the user.
        since: when the login was, in seconds since the epoch; None when the guest does not tell.
        domain: the domain of a Windows user; empty elsewhere.
    """

    name: str
    since: float | None = None
    domain: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class GuestInfo:
    """What a guest tells of itself. None: its agent does not tell. An empty tuple: there is none.

    Args:
        hostname: what it calls itself.
        os: its operating system.
        interfaces: its network interfaces with their addresses.
        filesystems: the file systems that it has mounted.
        users: who is logged in.
        time_zone: name of its time zone, e.g. ``CET``.
        utc_offset_seconds: how far its clock is ahead of UTC.
    """

    hostname: str | None = None
    os: GuestOs | None = None
    interfaces: tuple[GuestInterface, ...] | None = None
    filesystems: tuple[GuestFilesystem, ...] | None = None
    users: tuple[GuestUser, ...] | None = None
    time_zone: str | None = None
    utc_offset_seconds: int | None = None

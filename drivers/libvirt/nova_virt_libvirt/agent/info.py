"""What libvirt makes of an agent's answers, in our words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from ipaddress import ip_interface
from typing import Any, Final

from nova_virt_api.model.guest_info import (
    GuestAddress,
    GuestFilesystem,
    GuestInfo,
    GuestInterface,
    GuestOs,
    GuestUser,
)

Told = Mapping[str, Any]

NO_MAC: Final = "00:00:00:00:00:00"
MILLISECONDS: Final = 1000


def guest_info(told: Told) -> GuestInfo:
    """The answer of ``virDomainGetGuestInfo``, whose groups are there only if the agent knows them.

    Args:
        told: libvirt's typed parameters, e.g. ``fs.0.mountpoint``.
    """
    return GuestInfo(
        hostname=told.get("hostname"),
        os=operating_system(told) if any(key.startswith("os.") for key in told) else None,
        interfaces=tuple(map(interface, members(told, "if"))) if "if.count" in told else None,
        filesystems=tuple(map(filesystem, members(told, "fs"))) if "fs.count" in told else None,
        users=tuple(map(user, members(told, "user"))) if "user.count" in told else None,
        time_zone=told.get("timezone.name"),
        utc_offset_seconds=told.get("timezone.offset"),
    )


def operating_system(told: Told) -> GuestOs:
    """The operating system."""
    return GuestOs(
        id=told.get("os.id", ""),
        name=told.get("os.pretty-name") or told.get("os.name", ""),
        version=told.get("os.version-id", ""),
        kernel=told.get("os.kernel-release", ""),
        machine=told.get("os.machine", ""),
    )


def interface(told: Told) -> GuestInterface:
    """One network interface."""
    mac = told.get("hwaddr", NO_MAC).lower()
    return GuestInterface(
        name=told["name"],
        mac=None if mac == NO_MAC else mac,
        addresses=tuple(map(address, members(told, "addr"))),
    )


def address(told: Told) -> GuestAddress:
    """One address; its scope is the interface that it stands with."""
    return ip_interface(f"{told['addr'].partition('%')[0]}/{told['prefix']}")


def filesystem(told: Told) -> GuestFilesystem:
    """One file system."""
    return GuestFilesystem(
        mountpoint=told["mountpoint"],
        kind=told.get("fstype", ""),
        size_bytes=told.get("total-bytes"),
        used_bytes=told.get("used-bytes"),
    )


def user(told: Told) -> GuestUser:
    """One login; its time comes in milliseconds."""
    since = told.get("login-time")
    return GuestUser(
        name=told["name"], since=None if since is None else since / MILLISECONDS, domain=told.get("domain", "")
    )


def members(told: Told, group: str) -> Iterator[Told]:
    """The members of a group, each with what is told of it."""
    for number in range(told.get(f"{group}.count", 0)):
        prefix = f"{group}.{number}."
        yield {key.removeprefix(prefix): value for key, value in told.items() if key.startswith(prefix)}

"""``nova-virt guest info``."""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING, Any

from nova_virt_api.cli.command import add_guest
from nova_virt_api.cli.output import ShowOne

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from nova_virt_api.model.guest_info import GuestFilesystem, GuestInterface, GuestUser


class GuestInfo(ShowOne):
    """Show what a guest tells of itself by its agent: system, addresses, file systems, users."""

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        add_guest(parser)

    def take_action(self, parsed_args: argparse.Namespace) -> tuple[Sequence[str], Sequence[Any]]:
        told = self.compute.guest_info(self.guest(parsed_args.guest))
        fields = {
            "hostname": told.hostname,
            "os_id": None if told.os is None else told.os.id,
            "os_name": None if told.os is None else told.os.name,
            "os_version": None if told.os is None else told.os.version,
            "kernel": None if told.os is None else told.os.kernel,
            "machine": None if told.os is None else told.os.machine,
            "interfaces": None if told.interfaces is None else list(map(interface_fields, told.interfaces)),
            "filesystems": None if told.filesystems is None else list(map(filesystem_fields, told.filesystems)),
            "users": None if told.users is None else list(map(user_fields, told.users)),
            "time_zone": told.time_zone,
            "utc_offset_seconds": told.utc_offset_seconds,
        }
        return self.dict2columns(fields)


def interface_fields(interface: GuestInterface) -> dict[str, Any]:
    """An interface in plain values."""
    return {"name": interface.name, "mac": interface.mac, "addresses": list(map(str, interface.addresses))}


def filesystem_fields(filesystem: GuestFilesystem) -> dict[str, Any]:
    """A file system in plain values."""
    return {
        "mountpoint": filesystem.mountpoint,
        "kind": filesystem.kind,
        "size_bytes": filesystem.size_bytes,
        "used_bytes": filesystem.used_bytes,
    }


def user_fields(user: GuestUser) -> dict[str, Any]:
    """A login in plain values; its time as in ISO 8601."""
    since = user.since
    at = None if since is None else datetime.datetime.fromtimestamp(since, datetime.UTC).isoformat(timespec="seconds")
    return {"name": user.name, "since": at, "domain": user.domain}

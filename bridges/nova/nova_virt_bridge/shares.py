"""Manila's shares: mounted where nova-compute runs, and shared with guests from there."""

from __future__ import annotations

import hashlib
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import nova.conf
import nova.privsep.fs
from nova import exception, filesystem
from nova.objects import fields
from oslo_concurrency import processutils

import nova_virt_api as virt
from nova_virt_bridge.site import Bridged, guest

if TYPE_CHECKING:
    from collections.abc import Iterable

    from nova_virt_bridge.site import Site

CONF = nova.conf.CONF
MOUNTS: Final = "mounts"
USERS: Final = "users"
UP: Final = (virt.PowerState.RUNNING, virt.PowerState.PAUSED, virt.PowerState.SUSPENDED)
OPTIONS: Final = ("-o", "nosuid,nodev")
"""What is in a share is the business of guests, and must not help anybody on the host."""


class Shares(Bridged):
    """Nova's methods that mount shares and unmount them. Nova calls them one at a time for each share.

    Who uses a mount is kept in files beside it, so that it stays for the others, also after a restart.
    """

    def mount_share(self, context: Any, instance: Any, share_mapping: Any) -> None:
        """Idempotent: Nova comes here at each start of the guest."""
        share, uuid = mounted(share_mapping), str(guest(instance))
        try:
            share.used_by(uuid)
            share.mount(share_mapping.export_location)
        except (processutils.ProcessExecutionError, OSError) as error:
            raise exception.ShareMountError(
                share_id=share_mapping.share_id, server_id=share_mapping.instance_uuid, reason=error
            ) from error

    def umount_share(self, context: Any, instance: Any, share_mapping: Any) -> bool:
        """Whether it stays, as others use it. Idempotent."""
        share = mounted(share_mapping)
        try:
            if share.still_used_without(str(guest(instance))):
                return True
            share.umount()
        except (processutils.ProcessExecutionError, OSError) as error:
            raise exception.ShareUmountError(
                share_id=share_mapping.share_id, server_id=share_mapping.instance_uuid, reason=error
            ) from error
        return False

    def is_share_mounted(self, share_mapping: Any) -> bool:
        return mounted(share_mapping).is_there()


class Mounted:
    """A share on this machine.

    Args:
        export: what its server calls it.
    """

    def __init__(self, export: str) -> None:
        name = hashlib.sha256(export.encode()).hexdigest()
        self.path = Path(CONF.nova_virt.share_dir, MOUNTS, name)
        self._users = Path(CONF.nova_virt.share_dir, USERS, name)

    def is_there(self) -> bool:
        """Whether it is mounted. Its server is not asked, as that could take forever."""
        return bool(filesystem.is_mounted(str(self.path)))

    def mount(self, export: str) -> None:
        """Mount it, unless it is."""
        if not self.is_there():
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            nova.privsep.fs.mount("nfs", export, str(self.path), list(OPTIONS))

    def umount(self) -> None:
        """Unmount it, if it is mounted."""
        if self.is_there():
            nova.privsep.fs.umount(str(self.path))
        with suppress(FileNotFoundError):
            self.path.rmdir()

    def used_by(self, user: str) -> None:
        """Note that a guest uses it."""
        self._users.mkdir(mode=0o700, parents=True, exist_ok=True)
        (self._users / user).touch(mode=0o600)

    def still_used_without(self, user: str) -> bool:
        """Note that a guest does not use it any more. Whether others do."""
        (self._users / user).unlink(missing_ok=True)
        with suppress(FileNotFoundError):
            if any(self._users.iterdir()):
                return True
            self._users.rmdir()
        return False


def mounted(share_mapping: Any) -> Mounted:
    """A share of Manila's on this machine.

    Raises:
        ShareProtocolNotSupported: it is none of NFS, or this host gives guests no shares.
    """
    if share_mapping.share_proto != fields.ShareMappingProto.NFS or not CONF.nova_virt.share_dir:
        raise exception.ShareProtocolNotSupported(share_proto=share_mapping.share_proto)
    return Mounted(share_mapping.export_location)


def match_shares(site: Site, instance: Any, share_info: Iterable[Any] | None) -> None:
    """Let a guest that is off have the shares that Nova has for it, and no other of those that are mounted here.

    Nova says so only when it starts a guest. One that is on has them, as Nova changes them while it is off.
    """
    if share_info is None or not CONF.nova_virt.share_dir or not site.has(virt.Capability.SHARES):
        return
    uuid, timeout = guest(instance), site.verb_timeout
    wanted = {each.tag: shared(each) for each in share_info}
    there = {share.tag: share for share in site.compute.shares(uuid)}
    if there == wanted or site.compute.instance(uuid, fresh=True).power_state in UP:
        return
    for tag, share in there.items():
        if wanted.get(tag) != share and Path(share.source.path).is_relative_to(CONF.nova_virt.share_dir):
            site.compute.detach_share(uuid, tag, timeout=timeout)
    for share in wanted.values():
        site.compute.attach_share(uuid, share, timeout=timeout)


def shared(share_mapping: Any) -> virt.Share:
    """A share of Manila's as the guest sees it."""
    path = str(mounted(share_mapping).path)
    return virt.Share(tag=share_mapping.tag, source=virt.HostDirectory(path=path))

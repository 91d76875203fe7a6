"""What ties a guest to its host while it shares directories with it: QEMU cannot save the state of virtiofs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nova_virt_api.errors import NotSupported
from nova_virt_libvirt.shares.filesystems import LIVE, Filesystems

if TYPE_CHECKING:
    from nova_virt_api.capability import Capability, Feature
    from nova_virt_libvirt.domain import Domain

DETACH = "detach it first"


def refuse_shares(domain: Domain, what: Capability | Feature) -> None:
    """Refuse to keep the memory of a guest that shares directories now.

    Raises:
        NotSupported: names the shares.
    """
    filesystems = Filesystems(domain)
    tags = [share.tag for share in filesystems.all() if filesystems.has(share.tag, LIVE)]
    if tags:
        raise NotSupported(what, reason=f"QEMU cannot keep the state of {named(tags)}: {DETACH}")


def named(tags: list[str]) -> str:
    """The shares of these tags, for people."""
    return f"{'share' if len(tags) == 1 else 'shares'} {', '.join(tags)}"

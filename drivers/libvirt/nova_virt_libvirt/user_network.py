"""The network of guests of an account without privileges: QEMU itself is the router, and nobody reaches them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from nova_virt_api.model.place import Network

if TYPE_CHECKING:
    from collections.abc import Sequence

USER_MODE: Final = "user-mode"
"""What it is called; libvirt has no such object, each interface is a network of its own."""


def user_networks(native: Any, node: str) -> Sequence[Network]:
    """The network, where the daemon is an account's own and can make no others."""
    if not is_own_daemon(native):
        return ()
    return (Network(id=USER_MODE, name=USER_MODE, kind="user", nodes=(node,)),)


def is_own_daemon(native: Any) -> bool:
    """Whether a ``virConnect`` is to a daemon without privileges.

    Raises:
        libvirt.libvirtError: the connection broke.
    """
    return urlsplit(str(native.getURI())).path == "/session"

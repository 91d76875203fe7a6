"""The network of guests of an account without privileges: QEMU itself is the router, and nobody reaches them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from nova_virt_api.errors import InvalidSpec
from nova_virt_api.model.place import Network

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nova_virt_api.model.nic import Nic

USER_MODE: Final = "user-mode"
"""What it is called; libvirt has no such object, each interface is a network of its own."""


def user_networks(native: Any, node: str) -> Sequence[Network]:
    """The network, where the daemon is an account's own and can make no others."""
    if not is_own_daemon(native):
        return ()
    return (Network(id=USER_MODE, name=USER_MODE, kind="user", nodes=(node,)),)


def refuse_on_user_mode(nic: Nic, network: str, field: str) -> None:
    """Refuse what interfaces on this network cannot have; of limits libvirt only says so in its log.

    Args:
        nic: the interface that is wanted.
        network: its network.
        field: what errors call the interface.

    Raises:
        InvalidSpec: it has limits, queues or an MTU.
    """
    for name in ("limits", "queues", "mtu") if network == USER_MODE else ():
        if (value := getattr(nic, name)) is not None:
            raise InvalidSpec(f"{field}.{name}", value, f"None on the network {USER_MODE}")


def is_own_daemon(native: Any) -> bool:
    """Whether a ``virConnect`` is to a daemon without privileges.

    Raises:
        libvirt.libvirtError: the connection broke.
    """
    return urlsplit(str(native.getURI())).path == "/session"

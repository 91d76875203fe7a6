"""Other hosts' libvirt, as a destination reaches the source of a guest that it fetches."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from weakref import WeakValueDictionary

from lxml import etree

from nova_virt_api.errors import ConfigError, ConnectionLost, MigrationError, Unavailable, VirtError
from nova_virt_libvirt.connection import Connection
from nova_virt_libvirt.errors import translated
from nova_virt_libvirt.host.unreachable import without_password

if TYPE_CHECKING:
    from collections.abc import Iterator

    import libvirt

OPEN: Final[WeakValueDictionary[str, Connection]] = WeakValueDictionary()
"""Connections of this process that guests were prepared on, by the host's uuid: the nearest way there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Door:
    """What a connection to another host is opened with: as our own, but for the URI.

    Args:
        uri: libvirt's connection URI.
        own: the options of our own endpoint.
    """

    uri: str
    own: Any

    def __getattr__(self, name: str) -> Any:
        return getattr(self.own, name)


def remember(host: str, connection: Connection) -> None:
    """Let whoever wants to reach this host from this process use this connection."""
    OPEN[host] = connection


def door(options: Any, host_name: str) -> Door:
    """The way to a host: as the option ``peers`` says, or else the option ``source_uri``."""
    return Door(uri=options.peers.get(host_name) or options.source_uri.format(host=host_name), own=options)


@contextmanager
def reached(host: str, way: Door, phase: str) -> Iterator[libvirt.virConnect]:
    """A connection to another host's libvirt.

    Args:
        host: the host's uuid.
        way: how to get there, if this process is not there already.
        phase: what it is needed for, in the name of the contract's verb.

    Raises:
        MigrationError: it does not answer, refuses us, or somebody else answers.
    """
    native = open_here(host)
    if native is not None:
        yield native
        return
    connection = Connection(way)
    try:
        yield opened(connection, host, way, phase)
    finally:
        connection.close()


def opened(connection: Connection, host: str, way: Door, phase: str) -> libvirt.virConnect:
    """The connection, open, to the host that is wanted."""
    try:
        connection.open()
        native = connection.native
        check_identity(native, host, way.uri)
    except VirtError as error:
        message = f"{without_password(way.uri)} cannot be used to reach the source: {error.message}"
        hint = "name the source's host and its URI in the option 'peers', or set 'source_uri'"
        raise MigrationError(phase, message, hint=hint) from error
    return native


def open_here(host: str) -> libvirt.virConnect | None:
    """This process's own connection to that host, if it works."""
    connection = OPEN.get(host)
    if connection is None:
        return None
    try:
        native: libvirt.virConnect = connection.native
    except (Unavailable, ConnectionLost):
        return None
    return native


def check_identity(native: libvirt.virConnect, host: str, uri: str) -> None:
    """Refuse a host that is not the one wanted.

    Raises:
        ConfigError: the URI leads to another host.
    """
    with translated("look at the source's host"):
        found = etree.fromstring(native.getCapabilities()).findtext("host/uuid")
    if found != host:
        message = f"{without_password(uri)} leads to the host with uuid {found}, the guest waits on {host}"
        raise ConfigError("peers", message, hint="name the source's host and its URI in the option 'peers'")

"""The daemon at the other end of a live migration, as the source's process reaches it."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qsl, urlsplit

import libvirt
from lxml import etree

from nova_virt_api.errors import AuthenticationFailed, MigrationError, PermissionDenied, Unavailable
from nova_virt_libvirt.connection import Connection
from nova_virt_libvirt.errors import translated

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nova_virt_libvirt.migration.ticket import Offer

TRANSPORTS: Final = frozenset({"", "tls", "tcp", "ssh", "unix", "libssh", "libssh2"})
"""Not ``ext``, which runs a command of the URI's."""

PARAMETERS: Final = frozenset({"socket", "mode"})
"""The others name commands, keys and checks of this host, which a ticket must not choose."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerOptions:
    """How to open the other end: as this end, but for the URI."""

    uri: str
    username: str | None
    password: Any
    event_loop: str
    connect_timeout: float
    keepalive_interval: int
    keepalive_count: int

    @classmethod
    def beside(cls, options: Any, uri: str) -> PeerOptions:
        """The driver's own options with another URI."""
        return cls(
            uri=uri,
            username=options.username,
            password=options.password,
            event_loop=options.event_loop,
            connect_timeout=options.connect_timeout,
            keepalive_interval=options.keepalive_interval,
            keepalive_count=options.keepalive_count,
        )


@contextmanager
def opened(offer: Offer, options: Any, here: str, phase: str) -> Iterator[Any]:
    """A ``virConnect`` to the destination.

    Args:
        offer: what the destination said of itself.
        options: this driver's options.
        here: uuid of the source's host.
        phase: what is being done.

    Raises:
        MigrationError: it cannot be reached, it is not who it should be, or its URI must not be opened.
    """
    check_uri(offer.uri, phase)
    connection = Connection(PeerOptions.beside(options, offer.uri))
    try:
        try:
            connection.open()
        except (Unavailable, AuthenticationFailed, PermissionDenied) as error:
            hint = "the source's process has to reach the destination; see the destination's option migration_uri"
            raise MigrationError(phase, f"cannot reach the destination: {error.message}", hint=hint) from error
        native = connection.native
        with translated("look at the destination"):
            found = etree.fromstring(native.getCapabilities()).findtext("host/uuid")
        if found == here or found != offer.host:
            message = f"{offer.uri} does not lead from here to {offer.node}, but to the host with uuid {found}"
            raise MigrationError(phase, message, hint="set the destination's option migration_uri")
        yield native
    finally:
        connection.close()


def check_uri(uri: str, phase: str) -> None:
    """Refuse a URI that would do more than connect; tickets come from outside.

    Raises:
        MigrationError: it would.
    """
    parts = urlsplit(uri)
    driver, _, transport = parts.scheme.partition("+")
    asked = {name for name, _ in parse_qsl(parts.query, keep_blank_values=True)}
    if driver != "qemu" or transport not in TRANSPORTS or not asked <= PARAMETERS or parts.password is not None:
        allowed = f"qemu[+{'|'.join(sorted(TRANSPORTS - {''}))}]://... with no parameters but {sorted(PARAMETERS)}"
        raise MigrationError(phase, "the ticket's URI is not one that is opened", hint=f"allowed is {allowed}")


def find(native: Any, uuid: bytes) -> Any:
    """The domain of this uuid; None if there is none."""
    with translated("look for the guest"):
        try:
            return native.lookupByUUID(uuid)
        except libvirt.libvirtError as error:
            if error.get_error_code() == libvirt.VIR_ERR_NO_DOMAIN:
                return None
            raise

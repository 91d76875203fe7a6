"""Trust in one certificate: the one with a fingerprint, whoever issued it, and no other."""

from __future__ import annotations

import hashlib
import ssl
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import socket
    from typing import Self


class PinnedContext(ssl.SSLContext):
    """A client's context that looks at the fingerprint on every connection, before anything is sent.

    Args:
        fingerprint: SHA-256, 64 hexadecimal digits in lower case.
    """

    def __new__(cls, fingerprint: str) -> Self:  # the base class takes the protocol there
        return super().__new__(cls, ssl.PROTOCOL_TLS_CLIENT)

    def __init__(self, fingerprint: str) -> None:
        self._fingerprint = fingerprint
        self.check_hostname = False
        self.verify_mode = ssl.CERT_NONE

    def wrap_socket(self, sock: socket.socket, *arguments: Any, **more: Any) -> ssl.SSLSocket:
        """Shake hands on a connected socket.

        Raises:
            ssl.SSLCertVerificationError: the server shows another certificate; the connection is closed.
        """
        channel = super().wrap_socket(sock, *arguments, **more)
        shown = hashlib.sha256(channel.getpeercert(binary_form=True) or b"").hexdigest()
        if shown != self._fingerprint:
            channel.close()
            raise ssl.SSLCertVerificationError(f"the certificate's fingerprint is {shown}, not the one that is trusted")
        return channel

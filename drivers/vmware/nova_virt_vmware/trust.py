"""Whom to believe that it is the server: exactly what the options say, checked for every connection."""

from __future__ import annotations

import logging
import re
import ssl
from typing import Any, Final

from nova_virt_api.errors import ConfigError

LOG: Final = logging.getLogger(__name__)

SHA256: Final = re.compile(r"[0-9a-f]{64}")


def trust(options: Any) -> dict[str, Any]:
    """The arguments of urllib3's ``HTTPSConnectionPool`` for the options ``cafile``, ``thumbprint`` and ``insecure``.

    pyvmomi's own ways are not used: a pinned certificate is not looked at there when an authority vouches for another
    one, nor on any connection after the first.

    Raises:
        ConfigError: they contradict each other, or a value is wrong.
    """
    given = [name for name in ("cafile", "thumbprint", "insecure") if getattr(options, name)]
    if len(given) > 1:
        raise ConfigError(given[1], f"it contradicts {given[0]}", hint=f"give only one of {' and '.join(given)}")
    if options.insecure:
        LOG.warning("the certificate of %s is not verified (insecure)", options.host)
        return {"cert_reqs": ssl.CERT_NONE, "assert_hostname": False}
    if options.thumbprint:
        return {"cert_reqs": ssl.CERT_NONE, "assert_fingerprint": digits(options.thumbprint)}
    return {"ssl_context": context(options.cafile)}


def context(cafile: str | None) -> ssl.SSLContext:
    """A context that verifies certificate and host name.

    Raises:
        ConfigError: the file cannot be read, or holds no certificate.
    """
    try:
        return ssl.create_default_context(cafile=cafile or None)
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(
            "cafile", f"{cafile}: {error.strerror or error}", hint="name a file of certificates in PEM form"
        ) from error


def digits(thumbprint: str) -> str:
    """A fingerprint's hexadecimal digits.

    Raises:
        ConfigError: it is no SHA-256 fingerprint.
    """
    found = thumbprint.replace(":", "").strip().lower()
    if not SHA256.fullmatch(found):
        raise ConfigError(
            "thumbprint",
            "it is not a SHA-256 fingerprint",
            hint="give 64 hexadecimal digits, as 'openssl x509 -noout -fingerprint -sha256' prints them",
        )
    return found

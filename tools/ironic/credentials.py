"""Users and certificates, made anew for every run."""

import secrets
from dataclasses import dataclass, field
from pathlib import Path

import bcrypt
import trustme

from tools.ironic.settings import Auth, Settings

USERNAME = "nova-virt"
BCRYPT_ROUNDS = 4
"""The fewest there are: the password lives as long as the test."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """What a client needs besides the endpoint.

    Args:
        username: for http_basic, else None.
        password: for http_basic, else None.
        ca_file: the authority that signed the API's certificate, None without TLS.
    """

    username: str | None = None
    password: str | None = field(default=None, repr=False)
    ca_file: Path | None = None


def make_credentials(directory: Path, settings: Settings) -> Credentials:
    """Write `htpasswd`, `ca.pem`, `api.pem` and `api.key`, as far as the settings ask for them."""
    username = password = ca_file = None
    if settings.auth is Auth.HTTP_BASIC:
        username, password = USERNAME, secrets.token_urlsafe()
        digest = bcrypt.hashpw(password.encode(), bcrypt.gensalt(BCRYPT_ROUNDS)).decode()
        (directory / "htpasswd").write_text(f"{username}:{digest}\n")
    if settings.tls:
        authority = trustme.CA()
        certificate = authority.issue_cert("127.0.0.1", "localhost")
        ca_file = directory / "ca.pem"
        authority.cert_pem.write_to_path(str(ca_file))
        certificate.private_key_pem.write_to_path(str(directory / "api.key"))
        for pem in certificate.cert_chain_pems:
            pem.write_to_path(str(directory / "api.pem"), append=True)
    return Credentials(username=username, password=password, ca_file=ca_file)

"""Whom a connection trusts, and who it says we are."""

import hashlib
import logging
import socket
import ssl
from collections.abc import Callable
from typing import Any

import pytest
import trustme

from nova_virt_api.errors import (
    AuthenticationFailed,
    ConfigError,
    Unavailable,
    VirtError,
)
from nova_virt_api.model.secret import Secret
from nova_virt_vmware.connection import Connection
from tools.vcsim import Relay, VCenter

MakeConnection = Callable[..., Connection]


# --- whom it trusts --------------------------------------------------------------------------------------------------


def thumbprint_of(vcenter: VCenter) -> str:
    der = ssl.PEM_cert_to_DER_cert(ssl.get_server_certificate((vcenter.host, vcenter.port)))
    return hashlib.sha256(der).hexdigest()


@pytest.mark.parametrize("path", ["nothing", "other", "thumbprint"])
def test_an_untrusted_server_gets_no_password(
    path: str, vcenter: VCenter, make_connection: MakeConnection, tmp_path: Any, watch: Callable[[], Any]
) -> None:
    post = watch()
    other = tmp_path / "other.pem"
    trustme.CA().cert_pem.write_to_path(str(other))
    untrusting: dict[str, dict[str, Any]] = {
        "nothing": {"cafile": None},
        "other": {"cafile": str(other)},
        "thumbprint": {"cafile": None, "thumbprint": "ab" * 32},
    }
    connection = make_connection(opened=False, **untrusting[path])
    with pytest.raises(Unavailable, match="thumbprint"):
        connection.open()
    assert post.count(b"Login") == 0


def test_an_authority_is_no_way_around_a_pinned_certificate(vcenter: VCenter, make_connection: MakeConnection) -> None:
    with pytest.raises(ConfigError, match="contradicts cafile"):
        make_connection(opened=False, thumbprint="ab" * 32).open()


@pytest.mark.parametrize("by", ["cafile", "thumbprint"])
def test_every_connection_is_verified_not_only_the_first(
    by: str,
    vcenter: VCenter,
    busy_vcenter: VCenter,
    relay_to: Callable[[VCenter], Relay],
    make_connection: MakeConnection,
    names: Callable[[Connection], set[str]],
) -> None:
    relay = relay_to(vcenter)
    pin = thumbprint_of(vcenter).upper()
    colons = ":".join(pin[place : place + 2] for place in range(0, len(pin), 2))
    trusted: dict[str, Any] = {} if by == "cafile" else {"cafile": None, "thumbprint": colons}
    connection = make_connection(to=relay, **trusted)
    relay.cut()
    relay._vcenter = busy_vcenter  # somebody else sits in between from now on
    relay.restore()
    with pytest.raises(Unavailable, match="thumbprint"):
        names(connection)


def test_unverified_only_when_said_and_then_logged(
    vcenter: VCenter, make_connection: MakeConnection, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING), pytest.warns(Warning, match="Unverified"):
        make_connection(cafile=None, insecure=True).close()
    assert "not verified" in caplog.text


def test_the_name_is_verified_too(
    vcenter: VCenter, make_connection: MakeConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = socket.getaddrinfo

    def resolve(host: str, *more: Any, **named: Any) -> Any:
        return real("127.0.0.1" if host == "vc.example.org" else host, *more, **named)

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    with pytest.raises(Unavailable, match=r"not valid for 'vc\.example\.org'"):
        make_connection(opened=False, host="vc.example.org").open()


# --- who we are ------------------------------------------------------------------------------------------------------


def test_a_wrong_password_is_said_and_not_shown(
    vcenter: VCenter, make_connection: MakeConnection, caplog: pytest.LogCaptureFixture
) -> None:
    secret = "wr0ng-and-s3cret"
    connection = make_connection(opened=False, password=Secret(secret))
    with caplog.at_level(logging.DEBUG), pytest.raises(AuthenticationFailed) as caught:
        connection.open()
    error: BaseException | None = caught.value
    while error is not None:
        assert secret not in f"{error} {error!r}"
        error = error.__cause__ or error.__context__
    assert secret not in caplog.text
    assert secret not in f"{connection!r} {vars(connection)!r} {vars(connection._session)!r}"


@pytest.mark.parametrize("missing", ["host", "username", "password"])
def test_what_is_missing_is_named(missing: str, vcenter: VCenter, make_connection: MakeConnection) -> None:
    with pytest.raises(ConfigError, match=missing):
        make_connection(opened=False, **{missing: None}).open()


def test_an_address_that_is_not_vsphere_is_said(vcenter: VCenter, make_connection: MakeConnection) -> None:
    with pytest.raises(VirtError, match="check host, port and path"):
        make_connection(opened=False, path="/about").open()

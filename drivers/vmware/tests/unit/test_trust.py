"""Whom to believe: exactly what the options say."""

import ssl
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import trustme

from nova_virt_api.errors import ConfigError
from nova_virt_vmware.trust import trust

PIN = "AB" * 32


def options(**given: Any) -> SimpleNamespace:
    return SimpleNamespace(**({"host": "vc", "cafile": None, "thumbprint": None, "insecure": False} | given))


def test_the_system_s_authorities_are_asked_unless_something_else_is_said() -> None:
    context = trust(options())["ssl_context"]
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)


def test_an_authority_of_one_s_own_replaces_the_system_s(tmp_path: Path) -> None:
    pem = tmp_path / "ca.pem"
    trustme.CA().cert_pem.write_to_path(str(pem))
    context = trust(options(cafile=str(pem)))["ssl_context"]
    assert len(context.get_ca_certs()) == 1
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)


def test_a_fingerprint_decides_alone() -> None:
    colons = ":".join(["AB"] * 32)
    assert trust(options(thumbprint=PIN)) == trust(options(thumbprint=colons))
    assert trust(options(thumbprint=PIN))["assert_fingerprint"] == PIN.lower()


@pytest.mark.parametrize("wrong", ["AB" * 20, "AB" * 16, "x" * 64, ":"])
def test_weaker_fingerprints_are_refused(wrong: str) -> None:
    with pytest.raises(ConfigError, match="SHA-256"):
        trust(options(thumbprint=wrong))


@pytest.mark.parametrize(
    "both",
    [{"cafile": "x", "thumbprint": PIN}, {"cafile": "x", "insecure": True}, {"thumbprint": PIN, "insecure": True}],
)
def test_contradictions_are_refused(both: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="contradicts"):
        trust(options(**both))


@pytest.mark.parametrize("text", [None, "", "no certificate"])
def test_a_file_without_certificates_is_refused(text: str | None, tmp_path: Path) -> None:
    pem = tmp_path / "ca.pem"
    if text is not None:
        pem.write_text(text)
    with pytest.raises(ConfigError, match="cafile"):
        trust(options(cafile=str(pem)))

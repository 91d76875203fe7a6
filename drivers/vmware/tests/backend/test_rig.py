"""Whom the conformance rig trusts: the server that the options name, on all its ways, and nobody else."""

import hashlib
import ssl
from typing import Any

import pytest

from nova_virt_api.errors import ConfigError
from nova_virt_vmware.rig.native import Native, trusting
from nova_virt_vmware.rig.relay import Relay
from tools.vcsim import VCenter


def pinning(vcenter: VCenter, thumbprint: str) -> dict[str, Any]:
    return {**vcenter.options, "cafile": None, "thumbprint": thumbprint}


@pytest.fixture
def thumbprint(vcenter: VCenter) -> str:
    """Of the certificate that the vCenter shows, as people write it."""
    shown = ssl.PEM_cert_to_DER_cert(ssl.get_server_certificate((vcenter.host, vcenter.port)))
    digits = hashlib.sha256(shown).hexdigest()
    return ":".join(digits[at : at + 2] for at in range(0, len(digits), 2)).upper()


def test_pinned_certificate(vcenter: VCenter, thumbprint: str) -> None:
    native = Native(pinning(vcenter, thumbprint))
    assert native.content.about.apiType == "VirtualCenter"
    way = Relay(vcenter.host, vcenter.port, native.trust, native.trust).connection()
    way.request("GET", "/about")
    assert way.getresponse().status
    way.close()
    native.close()


def test_another_certificate_than_the_pinned_one_gets_no_password(vcenter: VCenter) -> None:
    logins = vcenter.calls["Login"]
    with pytest.raises(ssl.SSLCertVerificationError, match="fingerprint"):
        Native(pinning(vcenter, "ab" * 32))
    assert vcenter.calls["Login"] == logins


def test_relay_leads_to_no_other_certificate_than_the_pinned_one(vcenter: VCenter) -> None:
    native = Native(vcenter.options)
    native.options.thumbprint = "ab" * 32
    way = Relay(vcenter.host, vcenter.port, trusting(native.options), native.trust).connection()
    with pytest.raises(ssl.SSLCertVerificationError, match="fingerprint"):
        way.request("GET", "/about")
    native.close()


def test_fingerprint_that_is_none(vcenter: VCenter) -> None:
    with pytest.raises(ConfigError, match="thumbprint"):
        Native(pinning(vcenter, "nonsense"))

"""Images that must be signed by a certificate that the guest trusts: Nova's own client and real signatures."""

import base64
import datetime
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from castellan import key_manager
from castellan.common.objects.x_509 import X509
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.x509.oid import NameOID
from nova import exception, objects
from nova.image import glance

import nova_virt_api as virt
from nova_virt_bridge.disks import image_source
from nova_virt_bridge.glance import GlanceReader, SignedImage, lent

IMAGE = "155d900f-4e14-4e4c-a73d-069cbf4541e6"
CONTENT = b"a disk" * 1000


class Signer:
    """Somebody with a key and a certificate."""

    def __init__(self) -> None:
        self.id = str(uuid.uuid4())
        self._key = rsa.generate_private_key(65537, 2048)
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, self.id)])
        now = datetime.datetime.now(datetime.UTC)
        usage = dict.fromkeys(
            ("content_commitment", "key_encipherment", "data_encipherment", "key_agreement", "crl_sign"), False
        ) | {"encipher_only": False, "decipher_only": False, "digital_signature": True, "key_cert_sign": True}
        self.certificate = (
            x509.CertificateBuilder(name, name, self._key.public_key(), x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=1))
            .not_valid_after(now + datetime.timedelta(days=1))
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .add_extension(x509.KeyUsage(**usage), critical=True)
            .sign(self._key, hashes.SHA256())
        )

    def properties(self, content: bytes) -> dict[str, str]:
        """What Glance keeps about an image that this one signed."""
        scheme = padding.PSS(padding.MGF1(hashes.SHA256()), padding.PSS.MAX_LENGTH)
        signature = self._key.sign(content, scheme, hashes.SHA256())
        return {
            "img_signature": base64.b64encode(signature).decode(),
            "img_signature_hash_method": "SHA-256",
            "img_signature_key_type": "RSA-PSS",
            "img_signature_certificate_uuid": self.id,
        }


class KeyManager:
    """A key manager that holds these certificates."""

    def __init__(self, *signers: Signer) -> None:
        self._held = {one.id: one.certificate.public_bytes(serialization.Encoding.DER) for one in signers}

    def get(self, context: Any, certificate_id: str) -> X509:
        return X509(self._held[certificate_id])


class Wire:
    """A Glance that sends one image to Nova's client."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    def call(self, context: Any, version: int, method: str, args: Any) -> Any:
        """The image's bytes, as Glance's client hands them out."""
        return Chunks(self._content)


class Chunks:
    """An image's bytes."""

    def __init__(self, content: bytes) -> None:
        self.wrapped = content

    def __iter__(self) -> Iterator[bytes]:
        yield self.wrapped


@pytest.fixture
def signer(monkeypatch: pytest.MonkeyPatch, config: Any) -> Signer:
    """Who signed the image that Glance has."""
    signed_by = Signer()
    signed(monkeypatch, signed_by, CONTENT)
    return signed_by


def signed(monkeypatch: pytest.MonkeyPatch, signer: Signer, content: bytes) -> None:
    """Let Glance have an image with a signature of ``CONTENT``."""
    properties = signer.properties(CONTENT)
    service = glance.GlanceImageServiceV2(client=Wire(content))
    about = {"id": IMAGE, "size": len(content), "properties": properties}
    monkeypatch.setattr(service, "show", lambda context, image_id, include_locations: about)
    monkeypatch.setattr(glance.API, "_get_session_and_image_id", lambda self, context, image_id: (service, image_id))
    keys = KeyManager(signer)
    monkeypatch.setattr(key_manager, "API", lambda: keys)


def fetched(*certificates: str) -> bytes:
    """The image's bytes for a guest that trusts these certificates."""
    with lent("me", IMAGE):
        return b"".join(GlanceReader().read(str(SignedImage(IMAGE, certificates)), "1", 0))


def test_an_image_that_is_signed_by_a_trusted_certificate(signer: Signer) -> None:
    assert fetched(signer.id) == CONTENT


def test_another_certificate_than_the_trusted_one(monkeypatch: pytest.MonkeyPatch, signer: Signer) -> None:
    keys = KeyManager(signer, other := Signer())
    monkeypatch.setattr(key_manager, "API", lambda: keys)
    with pytest.raises(virt.ImageRejected, match="certificate"):
        fetched(other.id)


def test_bytes_that_were_not_signed(monkeypatch: pytest.MonkeyPatch, signer: Signer) -> None:
    signed(monkeypatch, signer, CONTENT[:-1] + b"!")
    with pytest.raises(virt.ImageRejected, match="signature"):
        fetched(signer.id)


def test_an_image_without_a_signature(monkeypatch: pytest.MonkeyPatch, signer: Signer) -> None:
    monkeypatch.setattr(signer, "properties", lambda content: {})
    signed(monkeypatch, signer, CONTENT)
    with pytest.raises(virt.ImageRejected, match="signature"):
        fetched(signer.id)


def test_bytes_that_nobody_checked_do_not_pass_for_checked_ones() -> None:
    told = virt.connect("fake", world="signed-images").capabilities()
    trusted = objects.TrustedCerts(ids=["a", "b"])
    plain, strict = (image_source(IMAGE, told, certificates) for certificates in (None, trusted))
    assert plain != strict
    assert isinstance(strict, virt.Store)
    assert SignedImage.parse(strict.id) == SignedImage(IMAGE, ("a", "b"))


def test_an_endpoint_that_fetches_images_itself_is_refused() -> None:
    told = virt.Capabilities(
        driver="x", driver_version="1", backend="x", backend_version="1", event_latency_seconds=0.0
    )
    with pytest.raises(exception.CertificateValidationFailed, match="fetched by the endpoint"):
        image_source(IMAGE, told, objects.TrustedCerts(ids=["a"]))

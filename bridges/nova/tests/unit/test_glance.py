"""Glance's images on their way to the image pipeline."""

import errno
import hashlib
import subprocess
from pathlib import Path
from typing import Any

import pytest
import requests
from cryptography.exceptions import InvalidSignature
from nova import exception
from nova.image import glance

import nova_virt_api as virt
from nova_virt_bridge.glance import GlanceReader, lent

IMAGE = "155d900f-4e14-4e4c-a73d-069cbf4541e6"


@pytest.fixture(autouse=True)
def _configured(config: Any) -> None:
    pass


def test_format_and_size(images: Any) -> None:
    with lent("me", IMAGE):
        told = GlanceReader().describe(IMAGE)
    assert (told.format, told.size_bytes) == (virt.ImageFormat.QCOW2, len(images.bytes[IMAGE]))


def test_other_bytes_are_another_version(images: Any) -> None:
    with lent("me", IMAGE):
        before = GlanceReader().describe(IMAGE).version
        assert GlanceReader().describe(IMAGE).version == before
        images.add(IMAGE, b"other")
        assert GlanceReader().describe(IMAGE).version != before


def test_bytes_from_an_offset(images: Any, tmp_path: Any) -> None:
    with lent("me", IMAGE):
        assert b"".join(GlanceReader().read(IMAGE, "1", 100)) == images.bytes[IMAGE][100:]
    assert not list((tmp_path / "nova-virt" / "cache").iterdir())


def test_without_a_request_nothing_is_read(images: Any) -> None:
    with pytest.raises(virt.PermissionDenied):
        GlanceReader().describe(IMAGE)


def test_the_last_request_takes_the_token_away(images: Any) -> None:
    with lent("me", IMAGE):
        with lent("you", IMAGE):
            pass
        assert GlanceReader().describe(IMAGE).size_bytes
    with pytest.raises(virt.PermissionDenied):
        GlanceReader().describe(IMAGE)


@pytest.mark.parametrize("algorithm", ["sha256", "sha384", "sha512"])
def test_glances_hash_is_the_checksum(images: Any, algorithm: str) -> None:
    digest = hashlib.new(algorithm, images.bytes[IMAGE]).hexdigest()
    images.images[IMAGE] |= {"os_hash_algo": algorithm, "os_hash_value": digest}
    with lent("me", IMAGE):
        assert GlanceReader().describe(IMAGE).checksum == virt.Checksum(algorithm=algorithm, digest=digest)


@pytest.mark.parametrize(("algorithm", "digest"), [("md5", "0" * 32), ("sha512", None), (None, None)])
def test_a_hash_that_proves_nothing_is_no_checksum(images: Any, algorithm: str | None, digest: str | None) -> None:
    images.images[IMAGE] |= {"os_hash_algo": algorithm, "os_hash_value": digest}
    with lent("me", IMAGE):
        assert GlanceReader().describe(IMAGE).checksum is None


def test_an_iso_image_is_refused_as_what_it_is(driver: Any, instance: Any, images: Any, spawn: Any) -> None:
    images.add(IMAGE, b"x", disk_format="iso")
    with pytest.raises(exception.ImageUnacceptable, match="ISO image"):
        spawn(driver, instance)
    assert not images.downloads


@pytest.mark.parametrize("kind", ["aki", "ari", "ami", None])
def test_what_is_no_disk_is_refused(images: Any, kind: str | None) -> None:
    images.add(IMAGE, b"x", disk_format=kind)
    with lent("me", IMAGE), pytest.raises(virt.ImageRejected, match=str(kind)):
        GlanceReader().describe(IMAGE)


@pytest.mark.parametrize(
    ("raised", "kind"),
    [
        (exception.ImageNotFound(image_id=IMAGE), virt.ImageNotFound),
        (exception.ImageNotAuthorized(image_id=IMAGE), virt.PermissionDenied),
        (exception.GlanceConnectionFailed(server="x", reason="down"), virt.Unavailable),
        (exception.ImageUnacceptable(image_id=IMAGE, reason="Image has no associated data"), virt.ImageRejected),
        (InvalidSignature(), virt.ImageRejected),
        (requests.exceptions.ChunkedEncodingError("Connection broken"), virt.Unavailable),
        (ConnectionResetError(errno.ECONNRESET, "Connection reset by peer"), virt.Unavailable),
        (TimeoutError("timed out"), virt.Unavailable),
    ],
)
def test_glances_errors(monkeypatch: pytest.MonkeyPatch, raised: Exception, kind: type[Exception]) -> None:
    class Broken:
        def get(self, context: Any, image_id: str) -> Any:
            raise raised

    monkeypatch.setattr(glance, "API", Broken)
    with lent("me", IMAGE), pytest.raises(kind) as caught:
        GlanceReader().describe(IMAGE)
    assert caught.value.__cause__ is raised


def other_bytes(images: Any) -> None:
    """Let Glance send as many bytes as before, of which one is wrong."""
    content = bytearray(images.bytes[IMAGE])
    content[-1] ^= 1
    images.bytes[IMAGE] = bytes(content)


def test_wrong_bytes_that_glances_client_notices(images: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def download(context: Any, image_id: str, dest_path: str, trusted_certs: Any) -> None:
        digest = images.images[image_id]["os_hash_value"]
        chunks = glance.glance_utils.serious_integrity_iter([images.bytes[image_id]], hashlib.sha512(), digest)
        Path(dest_path).write_bytes(b"".join(chunks))

    monkeypatch.setattr(images, "download", download)
    with lent("me", IMAGE):
        assert b"".join(GlanceReader().read(IMAGE, "1", 0)) == images.bytes[IMAGE]
        other_bytes(images)
        with pytest.raises(virt.ImageRejected, match="not those that Glance took"):
            list(GlanceReader().read(IMAGE, "1", 0))


def test_wrong_bytes_that_nobody_on_the_way_notices(
    driver: Any, beside: virt.Compute, instance: Any, images: Any, spawn: Any
) -> None:
    other_bytes(images)
    with pytest.raises(exception.ImageUnacceptable, match="sha512"):
        spawn(driver, instance)
    assert not beside.instances()


@pytest.mark.parametrize(
    ("number", "kind"),
    [
        (errno.ENOSPC, virt.NoCapacity),
        (errno.EACCES, virt.PermissionDenied),
        (errno.EIO, virt.StorageError),
    ],
)
def test_what_the_local_file_system_answers(
    images: Any, monkeypatch: pytest.MonkeyPatch, number: int, kind: type[Exception], tmp_path: Path
) -> None:
    def download(context: Any, image_id: str, dest_path: str, trusted_certs: Any) -> None:
        raise OSError(number, "no", dest_path)

    monkeypatch.setattr(images, "download", download)
    with lent("me", IMAGE), pytest.raises(kind, match=str(tmp_path)):
        list(GlanceReader().read(IMAGE, "1", 0))


def test_an_image_that_lies_ends_the_build(driver: Any, instance: Any, images: Any, spawn: Any) -> None:
    images.add(IMAGE, b"not a disk" * 1000)
    with pytest.raises(exception.ImageUnacceptable, match="qcow2"):
        spawn(driver, instance)


def test_a_flavor_that_is_too_small_for_the_image(
    driver: Any, make_instance: Any, images: Any, spawn: Any, tmp_path: Path
) -> None:
    large = tmp_path / "large.qcow2"
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", str(large), "5G"], check=True)
    images.add(IMAGE, large.read_bytes())
    with pytest.raises(exception.FlavorDiskTooSmall, match="5368709120"):
        spawn(driver, make_instance(flavor={"root_gb": 1}))

"""Image sources: what is refused, and that a URL's secrets are never shown."""

from typing import Any

import pytest

from nova_virt_api import BackendUrl, Checksum, InvalidSpec, LocalTarget, Url
from nova_virt_api.model.image import shown_url

CHECKSUM = Checksum(digest="0" * 64)


@pytest.mark.parametrize(
    "url",
    [
        "file:///etc/passwd?token=hunter2",
        "debian.qcow2?token=hunter2",
        "https://?token=hunter2",
        "https://user:hunter2@example.org/x",
        "https://hunter2@example.org/x",
        "https://example.org/\nhunter2",
        "https://[::1/x?hunter2",
        "ftp://example.org/x?hunter2",
        "https://example.org/" + "x" * 5000 + "?hunter2",
    ],
)
def test_bad_url_is_refused_without_showing_its_secret(url: str) -> None:
    with pytest.raises(InvalidSpec) as caught:
        Url(url)
    assert caught.value.field == "source.url"
    if "\n" not in url:
        assert "hunter2" not in str(caught.value)


def test_query_is_never_shown() -> None:
    url = "https://example.org/a/b.qcow2?X-Signature=hunter2#part"
    for source in (Url(url), BackendUrl(url, CHECKSUM)):
        assert "hunter2" not in repr(source)
        assert "https://example.org/a/b.qcow2" in repr(source)
        assert source.url == url
    assert shown_url(url) == "https://example.org/a/b.qcow2"


def test_plain_http_needs_a_checksum() -> None:
    assert Url("http://example.org/x", checksum=CHECKSUM).checksum is CHECKSUM
    with pytest.raises(InvalidSpec, match="http:// protects nothing"):
        Url("http://example.org/x")


@pytest.mark.parametrize(
    ("algorithm", "digest"),
    [("md5", "0" * 32), ("sha256", "0" * 63), ("sha256", "G" * 64), ("sha256", "A" * 64), ("sha512", "0" * 64)],
)
def test_bad_checksum_is_refused(algorithm: str, digest: Any) -> None:
    with pytest.raises(InvalidSpec, match=r"^checksum\."):
        Checksum(algorithm=algorithm, digest=digest)


def test_snapshot_is_written_as_qcow2_or_raw() -> None:
    from nova_virt_api import ImageFormat

    with pytest.raises(InvalidSpec, match=r"target\.format"):
        LocalTarget("x.vmdk", ImageFormat.VMDK)

"""What is sent to a server and believed of it: redirects, certificates, credentials, secrets, unchanged images."""

import hashlib
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from nova_virt_api.errors import (
    ImageRejected,
    Unavailable,
    VirtError,
)
from nova_virt_api.images.cache import ImageCache
from nova_virt_api.model.image import Checksum, Url

Good = Mapping[str, bytes]
Files = Callable[[], list[str]]
MIB = 1024**2
TOKEN = "s3cret-t0ken"


def checksum(content: bytes) -> Checksum:
    return Checksum(digest=hashlib.sha256(content).hexdigest())


def test_a_redirect_is_followed(site: Any, cache: ImageCache, op: Any) -> None:
    site.redirect = "/moved/disk"
    cache.fetch(site.plain(), op)
    assert site.paths == ["/images/disk.qcow2", "/moved/disk"]


@pytest.mark.parametrize(
    ("target", "why"),
    [
        ("file:///etc/passwd", "redirects to a file URL"),
        ("ftp://localhost/x", "redirects to a ftp URL"),
        ("http://me:secret@localhost/moved", "redirects to a URL with credentials"),
        ("http://[/", "redirects to a malformed URL"),
        ("/again", "redirects more than 10 times"),
    ],
)
def test_a_bad_redirect_is_refused(
    target: str, why: str, site: Any, cache: ImageCache, op: Any, cached_files: Files
) -> None:
    site.redirect = target
    with pytest.raises(ImageRejected, match=why):
        cache.fetch(site.plain(), op)
    assert cached_files() == []


def test_encryption_is_not_left_quietly(
    site: Any, tls_site: Any, certificate: Path, cache: ImageCache, op: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
    tls_site.redirect = site.url
    with pytest.raises(ImageRejected, match="redirects from https to http; give a checksum"):
        cache.fetch(Url(tls_site.url), op)
    cache.fetch(Url(tls_site.url, checksum=checksum(site.content)), op)


def test_a_certificate_that_nobody_signed_is_refused(tls_site: Any, cache: ImageCache, op: Any) -> None:
    with pytest.raises(Unavailable, match="certificate is not trusted") as caught:
        cache.fetch(Url(tls_site.url), op)
    assert "REQUESTS_CA_BUNDLE" in caught.value.hint
    assert tls_site.seen == []


def test_no_credentials_are_sent(
    site: Any, cache: ImageCache, op: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine localhost login me password secret\n")
    monkeypatch.setenv("NETRC", str(netrc))
    site.redirect = site.url.replace("localhost", "127.0.0.1").replace("images", "moved")
    cache.fetch(site.plain(), op)
    assert len(site.seen) == 2
    assert not any(name.lower() in ("authorization", "cookie", "referer") for seen in site.seen for name in seen)


@pytest.mark.parametrize("how", ["status", "nobody", "cut", "rubbish", "not found", "redirect"])
def test_a_query_is_never_shown(
    how: str,
    site: Any,
    cache: ImageCache,
    op: Any,
    cached_files: Files,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("DEBUG")
    query = f"?sig={TOKEN}"
    source = site.plain(query)
    match how:
        case "status":
            site.answers = [500] * 20
        case "nobody":
            source = Url(f"http://localhost:1/x{query}", checksum=checksum(b""))
        case "cut":
            site.cut_at = [MIB] * 20
        case "rubbish":
            site.content = b"rubbish" * 1000
        case "not found":
            site.answers = [404]
        case "redirect":
            site.redirect = f"http://localhost:1/moved{query}"
    with pytest.raises(VirtError) as caught:
        cache.fetch(source, op)
    error: BaseException | None = caught.value
    assert TOKEN not in "".join(traceback.format_exception(caught.value))
    assert TOKEN not in caplog.text
    while error is not None:
        assert TOKEN not in str(error)
        assert not isinstance(error, OSError) or isinstance(error, VirtError)
        error = error.__cause__ or error.__context__
    stored = [(tmp_path / "cache" / name).read_bytes() for name in cached_files()]
    assert not any(TOKEN.encode() in content for content in stored)


def test_a_query_is_not_stored_with_the_image(
    site: Any, cache: ImageCache, op: Any, cached_files: Files, tmp_path: Path
) -> None:
    cache.fetch(site.plain(f"?sig={TOKEN}"), op)
    assert cached_files()
    for name in cached_files():
        assert TOKEN not in name
        assert TOKEN.encode() not in (tmp_path / "cache" / name).read_bytes()


@pytest.mark.parametrize("kind", ["tag", "weak tag", "date"])
def test_an_unchanged_image_is_asked_about_but_not_fetched(
    kind: str, trusted: Any, cache: ImageCache, op: Any, another_op: Any
) -> None:
    trusted.etag = {"tag": '"one"', "weak tag": 'W/"one"', "date": None}[kind]
    trusted.modified = "Sat, 21 Nov 2026 10:00:00 GMT" if kind == "date" else None
    first = cache.fetch(Url(trusted.url), op)
    again = another_op()
    assert cache.fetch(Url(trusted.url), again) == first
    assert len(trusted.seen) == 2
    assert again.stages == []


@pytest.mark.parametrize("kind", ["changed", "no validator"])
def test_a_changed_image_is_fetched_again(kind: str, trusted: Any, cache: ImageCache, op: Any) -> None:
    trusted.etag = '"one"' if kind == "changed" else None
    cache.fetch(Url(trusted.url), op)
    trusted.content += b"more"
    trusted.etag = '"two"' if kind == "changed" else None
    with cache.fetch(Url(trusted.url), op) as image:
        assert image.path.read_bytes() == trusted.content


def test_a_server_that_cannot_be_asked_is_an_error(trusted: Any, cache: ImageCache, op: Any) -> None:
    """What is cached may be out of date; only a checksum makes it good without asking."""
    cache.fetch(Url(trusted.url), op)
    trusted.answers = [503] * 20
    with pytest.raises(Unavailable, match="503"):
        cache.fetch(Url(trusted.url), op)

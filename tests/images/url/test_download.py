"""Downloads: whole, resumed, repeated, bounded, or a typed error."""

import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from nova_virt_api.errors import (
    Cancelled,
    ImageNotFound,
    ImageRejected,
    NoCapacity,
    PermissionDenied,
    Timeout,
    Unavailable,
    VirtError,
)
from nova_virt_api.images import http
from nova_virt_api.images.cache import ImageCache
from nova_virt_api.images.limits import Limits
from nova_virt_api.model.image import Checksum, ImageFormat, Url

Good = Mapping[str, bytes]
Files = Callable[[], list[str]]
MIB = 1024**2


def checksum(content: bytes) -> Checksum:
    return Checksum(digest=hashlib.sha256(content).hexdigest())


def strays(files: list[str]) -> list[str]:
    return [name for name in files if not name.startswith(("images/", "records/"))]


def test_an_image_arrives(site: Any, cache: ImageCache, op: Any, cached_files: Files) -> None:
    with cache.fetch(site.plain(), op) as image:
        assert image.path.read_bytes() == site.content
        assert image.sha256 == hashlib.sha256(site.content).hexdigest()
        assert image.virtual_size_bytes == 4 * MIB
    assert op.stages == ["fetch image", "check image"]
    assert ("fetch image", len(site.content), len(site.content)) in op.counters
    assert strays(cached_files()) == []


def test_a_checksum_answers_without_asking_the_server(site: Any, cache: ImageCache, op: Any, another_op: Any) -> None:
    first = cache.fetch(site.plain("?sig=one"), op)
    again = another_op()
    assert cache.fetch(site.plain("?sig=another"), again) == first
    assert len(site.seen) == 1
    assert again.stages == []


def test_a_wrong_checksum_is_refused(site: Any, cache: ImageCache, op: Any, cached_files: Files) -> None:
    with pytest.raises(ImageRejected, match="its sha256 is"):
        cache.fetch(Url(site.url, checksum=Checksum(digest="0" * 64)), op)
    assert cached_files() == []


def test_a_cut_connection_is_resumed(site: Any, cache: ImageCache, op: Any) -> None:
    site.cut_at = [MIB, MIB + MIB // 8]
    with cache.fetch(site.plain(), op) as image:
        assert image.path.read_bytes() == site.content
    assert [headers.get("Range") for headers in site.seen] == [None, f"bytes={MIB}-", f"bytes={MIB + MIB // 8}-"]
    assert site.seen[1]["If-Range"] == '"one"'


def test_a_date_serves_where_there_is_no_strong_tag(site: Any, cache: ImageCache, op: Any) -> None:
    site.etag, site.modified = 'W/"weak"', "Sat, 21 Nov 2026 10:00:00 GMT"
    site.cut_at = [MIB]
    cache.fetch(site.plain(), op)
    assert site.seen[1]["If-Range"] == site.modified


@pytest.mark.parametrize("how", ["no validator", "no ranges", "another tag"])
def test_what_cannot_be_resumed_begins_anew(how: str, site: Any, good: Good, cache: ImageCache, op: Any) -> None:
    site.cut_at = [MIB]
    if how == "no validator":
        site.etag = None
    site.ranges = how != "no ranges"
    old = site.content

    def change() -> None:
        if how == "another tag":
            site.etag, site.content = '"two"', good["huge"]

    site.on_cut = change
    source = Url(site.url, checksum=checksum(good["huge"] if how == "another tag" else old))
    with cache_for_huge(cache).fetch(source, op) as image:
        assert image.path.read_bytes() == site.content
    assert len(site.seen) == 2


def cache_for_huge(cache: ImageCache) -> ImageCache:
    """The same cache, where disks may be as large as the second image's."""
    return ImageCache(cache._directory, limits=Limits(virtual_size_bytes=2**50))


def test_a_server_that_mixes_versions_is_not_believed(site: Any, cache: ImageCache, op: Any) -> None:
    """It ignores the condition and sends the end of another version."""
    site.cut_at = [MIB]
    site.on_cut = lambda: site.headers.update({"ETag": '"two"'})
    cache.fetch(site.plain(), op)
    assert [headers.get("Range") for headers in site.seen] == [None, f"bytes={MIB}-", None]


@pytest.mark.parametrize("code", [408, 429, 500, 503])
def test_a_passing_failure_is_repeated(code: int, site: Any, cache: ImageCache, op: Any) -> None:
    site.answers = [code, code]
    cache.fetch(site.plain(), op)
    assert len(site.seen) == 3


def test_a_lasting_failure_is_reported_and_what_came_is_kept(
    site: Any, cache: ImageCache, op: Any, cached_files: Files
) -> None:
    site.cut_at = [MIB] * 20
    with pytest.raises(Unavailable, match="cannot be fetched") as caught:
        cache.fetch(site.plain(), op)
    assert "what has arrived is kept" in caught.value.hint
    assert len(site.seen) == 1 + http.MOST_FRUITLESS
    assert [name.split("/")[-1] for name in cached_files()] == ["part", "part.json"]
    site.cut_at = []
    with cache.fetch(site.plain(), op) as image:
        assert image.path.read_bytes() == site.content
    assert site.seen[-1]["Range"] == f"bytes={MIB}-"
    assert strays(cached_files()) == []


def test_bytes_that_had_all_come_are_not_fetched_again(site: Any, cache: ImageCache, op: Any) -> None:
    late = Timeout("check image")

    def once(op: Any) -> bool:
        if op.stages[-1:] == ["check image"] and op.stages.count("check image") == 1:
            raise late
        return False

    op.stop_when = once
    with pytest.raises(Timeout):
        cache.fetch(site.plain(), op)
    op.stop_when = lambda op: False
    cache.fetch(site.plain(), op)
    assert site.seen[-1]["Range"] == f"bytes={len(site.content)}-"
    assert len(site.seen) == 2


@pytest.mark.parametrize(
    ("code", "kind"),
    [(404, ImageNotFound), (410, ImageNotFound), (401, PermissionDenied), (403, PermissionDenied), (418, Unavailable)],
)
def test_a_refusal_is_not_repeated(
    code: int, kind: type[VirtError], site: Any, cache: ImageCache, op: Any, cached_files: Files
) -> None:
    site.answers = [code]
    with pytest.raises(kind, match=str(code)):
        cache.fetch(site.plain(), op)
    assert len(site.seen) == 1
    assert strays(cached_files()) in ([], [name for name in cached_files() if "/part" in name])


def test_nobody_there_is_unavailable(cache: ImageCache, op: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "pause", lambda seconds, op: None)
    with pytest.raises(Unavailable, match="Connection refused") as caught:
        cache.fetch(Url("http://localhost:1/x", checksum=Checksum(digest="0" * 64)), op)
    assert caught.value.retryable


def test_pauses_between_attempts_end_with_the_operation(op: Any) -> None:
    op.stop_when = lambda op: True
    with pytest.raises(Cancelled):
        http.pause(1000, op)


def test_an_encoded_answer_is_refused(site: Any, cache: ImageCache, op: Any) -> None:
    site.headers = {"Content-Encoding": "gzip"}
    with pytest.raises(ImageRejected, match="only in an encoded form"):
        cache.fetch(site.plain(), op)
    assert site.seen[0]["Accept-Encoding"] == "identity"


def test_a_size_may_be_unknown(site: Any, cache: ImageCache, op: Any) -> None:
    site.told_length = False
    with cache.fetch(site.plain(), op) as image:
        assert image.path.read_bytes() == site.content
    assert {total for stage, _, total in op.counters if stage == "fetch image"} == {0}


def test_too_much_is_refused_before_it_comes(site: Any, op: Any, tmp_path: Path) -> None:
    cache = ImageCache(tmp_path / "cache", limits=Limits(stored_bytes=MIB))
    with pytest.raises(ImageRejected, match="larger than the 1048576 bytes allowed"):
        cache.fetch(site.plain(), op)
    assert op.counters == []


def test_what_will_not_fit_is_refused_before_it_comes(
    site: Any, cache: ImageCache, op: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    full = type("Usage", (), {"free": 1000})
    monkeypatch.setattr("nova_virt_api.images.part.shutil.disk_usage", lambda path: full)
    with pytest.raises(NoCapacity, match=f"needs {len(site.content)} bytes"):
        cache.fetch(site.plain(), op)


def test_a_declared_format_is_checked(site: Any, cache: ImageCache, op: Any) -> None:
    with pytest.raises(ImageRejected, match="declared raw, but its bytes are qcow2"):
        cache.fetch(Url(site.url, ImageFormat.RAW, checksum(site.content)), op)

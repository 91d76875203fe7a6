"""Stores that plug-ins bring: found by entry point, described, read, resumed."""

import hashlib
from collections.abc import Callable, Generator, Mapping
from importlib.metadata import EntryPoint, EntryPoints
from typing import Any, ClassVar

import pytest

from nova_virt_api.errors import DriverBug, ImageNotFound, ImageRejected, InvalidSpec, Unavailable
from nova_virt_api.images import store
from nova_virt_api.images.cache import ImageCache
from nova_virt_api.images.store import GROUP, StoreImage, StoreReader
from nova_virt_api.model.image import Checksum, ImageFormat, Store

Good = Mapping[str, bytes]
SOURCE = Store("shelf", "web-7")


class Shelf(StoreReader):
    """Images in memory."""

    images: ClassVar[dict[str, bytes]] = {}
    about: ClassVar[StoreImage] = StoreImage(version="1")
    asked: ClassVar[list[int]] = []
    stop_after: ClassVar[int | None] = None
    closed: ClassVar[int] = 0

    def describe(self, image_id: str) -> StoreImage:
        if image_id not in self.images:
            raise ImageNotFound(f"no image {image_id} on the shelf")
        return self.about

    def read(self, image_id: str, version: str, offset: int) -> Generator[bytes, None, None]:
        self.asked.append(offset)
        content = self.images[image_id][offset : self.stop_after]
        try:
            for start in range(0, len(content), 100_000):
                yield content[start : start + 100_000]
        finally:
            type(self).closed += 1


class Broken(StoreReader):
    """A plug-in with bugs."""

    def describe(self, image_id: str) -> StoreImage:
        raise KeyError(image_id)

    def read(self, image_id: str, version: str, offset: int) -> Generator[bytes, None, None]:
        raise NotImplementedError


def not_a_reader() -> object:
    return object()


@pytest.fixture(autouse=True)
def shelf(good: Good, monkeypatch: pytest.MonkeyPatch) -> type[Shelf]:
    """A shelf with one image, found as an installed plug-in would be."""
    monkeypatch.setattr(Shelf, "images", {"web-7": good["qcow2"]})
    monkeypatch.setattr(Shelf, "asked", [])
    monkeypatch.setattr(Shelf, "closed", 0)
    install(monkeypatch, shelf=Shelf, broken=Broken, wrong=not_a_reader)
    return Shelf


def install(monkeypatch: pytest.MonkeyPatch, **plugins: Any) -> None:
    class Point(EntryPoint):
        def load(self) -> Any:
            return plugins[self.name]

    points = [Point(name=name, value=f"{name}_plugin:Reader", group=GROUP) for name in plugins]
    points.append(Point(name="twice", value="one:Reader", group=GROUP))
    points.append(Point(name="twice", value="two:Reader", group=GROUP))
    points.append(Point(name="lost", value="lost:Reader", group=GROUP))
    monkeypatch.setattr(store, "entry_points", lambda **chosen: EntryPoints(points).select(**chosen))


def test_an_image_arrives(shelf: type[Shelf], cache: ImageCache, op: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    content = shelf.images["web-7"]
    about = StoreImage(
        version="1",
        size_bytes=len(content),
        format=ImageFormat.QCOW2,
        checksum=Checksum(digest=hashlib.sha256(content).hexdigest()),
    )
    monkeypatch.setattr(shelf, "about", about)
    with cache.fetch(SOURCE, op) as image:
        assert image.path.read_bytes() == content
    assert op.counters[-1] == ("fetch image", len(content), len(content))
    assert shelf.closed == 1


def test_the_version_decides_whether_it_is_read_again(
    shelf: type[Shelf], cache: ImageCache, op: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = cache.fetch(SOURCE, op)
    assert cache.fetch(SOURCE, op) == first
    assert shelf.asked == [0]
    monkeypatch.setattr(shelf, "about", StoreImage(version="2"))
    cache.fetch(SOURCE, op)
    assert shelf.asked == [0, 0]


@pytest.mark.parametrize(("version", "offset"), [("1", 500_000), ("2", 0)])
def test_reading_goes_on_where_it_stopped(
    version: str, offset: int, shelf: type[Shelf], cache: ImageCache, op: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    size = len(shelf.images["web-7"])
    monkeypatch.setattr(shelf, "about", StoreImage(version="1", size_bytes=size))
    monkeypatch.setattr(shelf, "stop_after", 500_000)
    with pytest.raises(Unavailable, match=f"only 500000 of {size} bytes came"):
        cache.fetch(SOURCE, op)
    monkeypatch.setattr(shelf, "about", StoreImage(version=version, size_bytes=size))
    monkeypatch.setattr(shelf, "stop_after", None)
    cache.fetch(SOURCE, op)
    assert shelf.asked == [0, offset]


def test_what_the_store_says_is_checked(
    shelf: type[Shelf], cache: ImageCache, op: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shelf, "about", StoreImage(version="1", checksum=Checksum(digest="0" * 64)))
    with pytest.raises(ImageRejected, match="image shelf:web-7 rejected: its sha256"):
        cache.fetch(SOURCE, op)


def test_the_plugin_says_what_is_missing(cache: ImageCache, op: Any) -> None:
    with pytest.raises(ImageNotFound, match="on the shelf"):
        cache.fetch(Store("shelf", "other"), op)


@pytest.mark.parametrize(
    ("scheme", "kind", "text"),
    [
        ("unheard", InvalidSpec, "broken, lost, shelf, twice, wrong"),
        ("twice", InvalidSpec, "one installed plug-in"),
        ("lost", Unavailable, "the image store lost .* cannot be loaded"),
        ("wrong", DriverBug, "is not a StoreReader"),
        ("broken", DriverBug, "the image store broken raised KeyError"),
    ],
)
def test_a_plugin_that_cannot_be_used_is_named(
    scheme: str, kind: type[Exception], text: str, cache: ImageCache, op: Any, cached_files: Callable[[], list[str]]
) -> None:
    with pytest.raises(kind, match=text):
        cache.fetch(Store(scheme, "web-7"), op)
    assert cached_files() == []

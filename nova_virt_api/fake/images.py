"""Where a fake disk's first content comes from."""

import hashlib
from dataclasses import dataclass, replace

from nova_virt_api.driver.operation import Operation
from nova_virt_api.errors import ImageNotFound, InvalidSpec
from nova_virt_api.fake.connection import Connection
from nova_virt_api.model.disk import Blank, Disk
from nova_virt_api.model.image import BackendUrl, ImageFormat, ImageSource, LocalFile, Native, Store, Url


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """What a new disk begins with.

    Args:
        size_bytes: size of the disk.
        text: where its content is from, in words.
        sha256: of an image's bytes; empty for what is from none.
        from_image: whether that is an image.
    """

    size_bytes: int
    text: str
    sha256: str = ""
    from_image: bool = True


def content_of(connection: Connection, disk: Disk, field: str, op: Operation) -> Content:
    """What a disk of a spec begins with. Images from outside pass through the cache and are inspected, as for real.

    Raises:
        ImageNotFound: there is no such image.
        ImageRejected: it is not what was promised, or not safe.
        InvalidSpec: the source is of a kind that the fake hypervisor does not take, or the disk is too small for it.
    """
    source = disk.source
    if isinstance(source, Blank):
        return Content(size_bytes=disk.size_bytes or 0, text="nothing", from_image=False)
    image = image_of(connection, source, f"{field}.source", op)
    if disk.size_bytes is not None and disk.size_bytes < image.size_bytes:
        allowed = f"at least {image.size_bytes}, the image's own size"
        raise InvalidSpec(f"{field}.size_bytes", disk.size_bytes, allowed)
    return replace(image, size_bytes=disk.size_bytes or image.size_bytes)


def image_of(connection: Connection, source: ImageSource, field: str, op: Operation) -> Content:
    """What a disk that is made from an image begins with, in the image's own size.

    Raises:
        ImageNotFound: there is no such image.
        ImageRejected: it is not what was promised, or not safe.
        InvalidSpec: the source is of a kind that the fake hypervisor does not take.
    """
    if isinstance(source, Native):
        text = f"image {source.ref}"
        sha256 = hashlib.sha256(text.encode()).hexdigest()
        return Content(size_bytes=native_size(connection, source.ref), text=text, sha256=sha256)
    text = f"{type(source).__name__} image"
    if isinstance(source, BackendUrl):  # this hypervisor lives in the client's process, and fetches there
        source = Url(source.url, format=source.format, checksum=source.checksum)
    if isinstance(source, LocalFile | Url | Store):
        size, sha256 = fetched(connection, source, op)
        return Content(size_bytes=size, text=text, sha256=sha256)
    raise InvalidSpec(field, source, "LocalFile, Url, BackendUrl, Store, Native or Blank()")


def native_size(connection: Connection, ref: str) -> int:
    """Size of the disk in an image that the hypervisor has."""
    with connection.world.reading() as state:
        image = state.images.get(ref)
        names = ", ".join(state.images)
    if image is None:
        raise ImageNotFound(f"no image {ref!r} here", hint=f"there are: {names}" if names else "")
    return image.virtual_size_bytes


def fetched(connection: Connection, source: LocalFile | Url | Store, op: Operation) -> tuple[int, str]:
    """Size of the disk in an image that passed the client's checks, and the hash of its bytes."""
    from nova_virt_api.images.cache import ImageCache  # what fetches and inspects is not needed by most tests

    with ImageCache(connection.endpoint.cache_dir).fetch(source, op, formats=frozenset(ImageFormat)) as image:
        return image.virtual_size_bytes, image.sha256

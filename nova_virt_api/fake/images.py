"""Where a fake disk's first content comes from."""

from dataclasses import dataclass

from nova_virt_api.driver.operation import Operation
from nova_virt_api.errors import ImageNotFound, InvalidSpec
from nova_virt_api.fake.connection import Connection
from nova_virt_api.model.disk import Blank, Disk
from nova_virt_api.model.image import ImageFormat, LocalFile, Native, Store, Url


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """What a new disk begins with.

    Args:
        size_bytes: size of the disk.
        text: where its content is from, in words.
    """

    size_bytes: int
    text: str


def content_of(connection: Connection, disk: Disk, field: str, op: Operation) -> Content:
    """What a disk of a spec begins with. Images from outside pass through the cache and are inspected, as for real.

    Raises:
        ImageNotFound: there is no such image.
        ImageRejected: it is not what was promised, or not safe.
        InvalidSpec: the source is of a kind that the fake hypervisor does not take, or the disk is too small for it.
    """
    source = disk.source
    if isinstance(source, Blank):
        return Content(size_bytes=disk.size_bytes or 0, text="nothing")
    if isinstance(source, Native):
        image_size, text = native_size(connection, source.ref), f"image {source.ref}"
    elif isinstance(source, LocalFile | Url | Store):
        image_size, text = fetched_size(connection, source, op), f"{type(source).__name__} image"
    else:
        raise InvalidSpec(f"{field}.source", source, "LocalFile, Url, Store, Native or Blank()")
    if disk.size_bytes is not None and disk.size_bytes < image_size:
        raise InvalidSpec(f"{field}.size_bytes", disk.size_bytes, f"at least {image_size}, the image's own size")
    return Content(size_bytes=disk.size_bytes or image_size, text=text)


def native_size(connection: Connection, ref: str) -> int:
    """Size of the disk in an image that the hypervisor has."""
    with connection.world.reading() as state:
        image = state.images.get(ref)
        names = ", ".join(state.images)
    if image is None:
        raise ImageNotFound(f"no image {ref!r} here", hint=f"there are: {names}" if names else "")
    return image.virtual_size_bytes


def fetched_size(connection: Connection, source: LocalFile | Url | Store, op: Operation) -> int:
    """Size of the disk in an image that passed the client's checks."""
    from nova_virt_api.images.cache import ImageCache  # what fetches and inspects is not needed by most tests

    with ImageCache(connection.endpoint.cache_dir).fetch(source, op, formats=frozenset(ImageFormat)) as image:
        return image.virtual_size_bytes

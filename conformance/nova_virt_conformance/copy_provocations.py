"""How the errors about copies of images are brought about."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final
from uuid import uuid4

from nova_virt_api.capability import Feature
from nova_virt_api.errors import Busy, ImageNotFound, ImageRejected, InvalidSpec, NoCapacity, StorageError, VirtError
from nova_virt_api.model.image import ImageFormat, LocalFile
from nova_virt_conformance.scene import NOWHERE, Recipe, Scene, provoked

if TYPE_CHECKING:
    from nova_virt_conformance.lab import Lab


@contextmanager
def wrong_request(lab: Lab, _: str, error: type[VirtError]) -> Iterator[Scene]:
    """An image that is not there, or not what it is said to be, or a pool that is not there."""
    new, wrong = new_image(lab), lab.directory / "not-an-image.qcow2"
    wrong.write_bytes(bytes(65536))
    pool, patience = lab.target.pools[0], lab.patience
    calls: dict[type[VirtError], Callable[[], object]] = {
        ImageNotFound: lambda: lab.compute.prefetch_image(LocalFile(lab.directory / NOWHERE), pool=pool),
        ImageRejected: lambda: lab.compute.prefetch_image(LocalFile(wrong, format=ImageFormat.QCOW2), pool=pool),
        InvalidSpec: lambda: lab.compute.prefetch_image(new, pool=NOWHERE, timeout=patience),
    }
    yield Scene(calls[error])
    wrong.unlink()


@contextmanager
def refused_prefetch(lab: Lab, method: str, error: type[VirtError]) -> Iterator[Scene]:
    """The backend does not take an image."""
    new, pool = new_image(lab), lab.target.pools[0]
    with provoked(lab, method, error, None):
        yield Scene(lambda: lab.compute.prefetch_image(new, pool=pool, timeout=lab.patience))


@contextmanager
def refused_pruning(lab: Lab, method: str, error: type[VirtError]) -> Iterator[Scene]:
    """The backend does not remove a copy that nobody uses."""
    lab.compute.prefetch_image(new_image(lab), pool=lab.target.pools[0], timeout=lab.patience)
    with provoked(lab, method, error, None):
        yield Scene(lambda: lab.compute.prune_images(timeout=lab.patience))
    lab.compute.prune_images(timeout=lab.patience)


def new_image(lab: Lab) -> LocalFile:
    """An image that nobody has used before, where images come from a client: its bytes are new."""
    lab.require(Feature.CLIENT_IMAGES)
    path = lab.directory / "new.raw"
    path.write_bytes(uuid4().bytes.ljust(65536, b"\0"))
    return LocalFile(path, format=ImageFormat.RAW)


OF_COPIES: Final[dict[tuple[str, type[VirtError]], Recipe]] = {
    ("ImageCache.prefetch_image", Busy): refused_prefetch,
    ("ImageCache.prefetch_image", ImageNotFound): wrong_request,
    ("ImageCache.prefetch_image", ImageRejected): wrong_request,
    ("ImageCache.prefetch_image", InvalidSpec): wrong_request,
    ("ImageCache.prefetch_image", NoCapacity): refused_prefetch,
    ("ImageCache.prefetch_image", StorageError): refused_prefetch,
    ("ImageCache.prune_images", StorageError): refused_pruning,
}
"""Ways that serve one method."""

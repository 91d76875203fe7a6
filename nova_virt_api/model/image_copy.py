"""Copies of images that an endpoint keeps, so that guests can be made from them at once."""

from dataclasses import dataclass

from nova_virt_api.model.image import ImageFormat


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageCopy:
    """An image that was brought into a pool once, for all guests that are made from it there.

    Args:
        id: names it in its pool; the same bytes have the same id in every pool.
        pool: name of the pool.
        format: what the bytes are.
        size_bytes: what it takes.
        made_at: when it was made, in seconds since the epoch.
        used: whether a disk is based on it, which keeps it from being pruned.
    """

    id: str
    pool: str
    format: ImageFormat
    size_bytes: int
    made_at: float
    used: bool

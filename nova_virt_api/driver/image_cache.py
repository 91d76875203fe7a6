"""The role of keeping copies of images where guests are made."""

from abc import abstractmethod
from collections.abc import Sequence

from nova_virt_api.capability import Capability
from nova_virt_api.driver.operation import Operation
from nova_virt_api.driver.role import Role
from nova_virt_api.model.image import ImageSource
from nova_virt_api.model.image_copy import ImageCopy


class ImageCache(Role, capability=Capability.IMAGE_CACHE):
    """See, make and remove the copies of images that spawns leave in pools for the next. Experimental."""

    @abstractmethod
    def cached_images(self) -> Sequence[ImageCopy]:
        """The copies in all pools that are available; may take a request for each volume."""

    @abstractmethod
    def prefetch_image(self, source: ImageSource, op: Operation, *, pool: str | None = None) -> ImageCopy:
        """Bring an image into a pool, as the first spawn from it there would do. Idempotent.

        Args:
            source: the image.
            op: the operation worked for.
            pool: name or id of the pool; may be left out where a spec may leave it out.

        Raises:
            ImageNotFound: the source has no such image.
            ImageRejected: it is not what was promised or not safe.
            InvalidSpec: there is no such pool, or it keeps no copies.
            NoCapacity: the pool is full.
            StorageError: it could not be written.
            Busy: somebody else is bringing it there.
        """

    @abstractmethod
    def prune_images(self, op: Operation, *, older_than_seconds: float = 0.0) -> Sequence[ImageCopy]:
        """Remove the copies that no disk is based on; a later spawn from such an image makes its copy anew. Idempotent.

        Stopped in the middle, it has removed some of them. Copies that somebody makes or removes now are passed over.

        Args:
            op: the operation worked for.
            older_than_seconds: those that were made within this time stay.

        Returns:
            What was removed.

        Raises:
            StorageError: a copy could not be removed.
        """

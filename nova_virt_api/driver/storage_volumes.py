"""The role of keeping volumes in an endpoint's own storage pools."""

from abc import abstractmethod
from collections.abc import Sequence
from uuid import UUID

from nova_virt_api.capability import Capability
from nova_virt_api.driver.operation import Operation
from nova_virt_api.driver.role import Role
from nova_virt_api.model.image import ImageInfo, ImageSource, LocalTarget
from nova_virt_api.model.instance import Scope
from nova_virt_api.model.stored_volume import StoredVolume, StoredVolumeSpec


class StorageVolumes(Role, capability=Capability.STORAGE_VOLUMES):
    """Make, fill, read and remove volumes that no guest owns. Experimental.

    A volume is there once it is complete; what an interrupted verb leaves is no volume but among the ``leftovers``,
    under the volume's id. Repeating the verb, ``delete_volume`` or ``destroy`` with that id removes it. Guests get a
    volume by the role ``Volumes``: :meth:`~nova_virt_api.model.stored_volume.StoredVolume.attachable` is what
    ``attach_volume`` takes. Guests' own disks, copies of images and what the endpoint notes there are no volumes.
    """

    @abstractmethod
    def stored_volumes(self, *, scope: Scope = Scope.OWNED) -> Sequence[StoredVolume]:
        """The volumes in all pools that are available.

        Takes a request for each pool, and at most one more for each volume that is shown.

        Args:
            scope: ``OWNED`` for those of this connection's owner, ``ALL`` for all that the account sees.
        """

    @abstractmethod
    def stored_volume(self, volume: UUID) -> StoredVolume:
        """One volume of any owner, with the guests that use it.

        Args:
            volume: its id.

        Raises:
            VolumeNotFound: there is no such volume.
        """

    @abstractmethod
    def create_volume(self, spec: StoredVolumeSpec, op: Operation) -> StoredVolume:
        """Make a volume that reads as zeros.

        Idempotent on the id: a volume that was made empty under this id stays as it is, grown or written since or not.

        Args:
            spec: what is wanted; its ``size_bytes`` must be given.
            op: the operation worked for.

        Raises:
            InvalidSpec: there is no such pool, or it keeps no such volumes, or no size was given.
            VolumeExists: the id is that of another volume: of another name, pool, format or content, or smaller.
            NoCapacity: the pool is full.
            StorageError: it could not be made.
            Busy: somebody else is making or removing it.
        """

    @abstractmethod
    def upload_volume(self, spec: StoredVolumeSpec, source: ImageSource, op: Operation) -> StoredVolume:
        """Make a volume with an image's content. Nothing that is there is ever written over.

        The image is checked like any other, and converted where it has another format than the volume. Idempotent on
        the id: a volume that was made from the same image under this id stays as it is, grown or written since or not.
        Cancelled or failed, it leaves no volume.

        Args:
            spec: what is wanted.
            source: the image.
            op: the operation worked for; tells progress in bytes.

        Raises:
            InvalidSpec: there is no such pool, or it keeps no such volumes, or the size is less than the image's.
            VolumeExists: the id is that of another volume: of another name, pool, format or content, or smaller.
            ImageNotFound: the source has no such image.
            ImageRejected: it is not what was promised or not safe.
            NoCapacity: the pool is full.
            StorageError: it could not be written.
            Busy: somebody else is making or removing it.
        """

    @abstractmethod
    def resize_volume(self, volume: UUID, size_bytes: int, op: Operation) -> StoredVolume:
        """Make a volume larger; what it holds stays. Idempotent.

        A volume that a guest uses is grown with it: by ``extend_volume``, or while the guest is off.

        Args:
            volume: its id.
            size_bytes: the size wanted, which an endpoint may round up to what its storage counts in.
            op: the operation worked for.

        Raises:
            VolumeNotFound: there is no such volume.
            PermissionDenied: it is not owned by this connection.
            InvalidSpec: it is larger: a volume only grows.
            NoCapacity: the pool is full.
            StorageError: it could not be made larger.
            Busy: a guest that is on uses it, or somebody works on it.
        """

    @abstractmethod
    def delete_volume(self, volume: UUID, op: Operation) -> bool:
        """Remove a volume with all that it holds, or what is left of one. Idempotent.

        Args:
            volume: its id.
            op: the operation worked for.

        Returns:
            Whether there was anything to remove.

        Raises:
            PermissionDenied: it is not owned by this connection.
            StorageError: it could not be removed.
            Busy: a guest uses it, running or not, or somebody works on it.
        """

    @abstractmethod
    def download_volume(self, volume: UUID, target: LocalTarget, op: Operation) -> ImageInfo:
        """Write what a volume holds to a new file of the client's, which is checked as an image.

        The file appears whole or not at all, and never in the place of another.

        Args:
            volume: its id.
            target: the file, which must not be there; its format must be the volume's.
            op: the operation worked for; tells progress in bytes.

        Raises:
            VolumeNotFound: there is no such volume.
            PermissionDenied: it is not owned by this connection.
            InvalidSpec: the file is there, or cannot be made there, or its format is another than the volume's.
            NoCapacity: the file's file system is full.
            StorageError: it could not be read or written, or what a guest has written to it is not safe to hand on.
            Busy: a guest that is on uses it, or somebody works on it, or it changed while it was read.
        """

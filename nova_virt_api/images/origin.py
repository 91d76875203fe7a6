"""What the cache needs to know of a source: a name, whether it is still the same, and its bytes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, ClassVar

from nova_virt_api.errors import InvalidSpec
from nova_virt_api.model.image import ImageFormat, ImageSource, LocalFile, Store, Url

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nova_virt_api.driver.operation import Operation
    from nova_virt_api.images.part import Part
    from nova_virt_api.model.image import Checksum


class Origin(ABC):
    """One image at its source.

    Args:
        name: what errors and records call it; free of secrets.
        declared: the format that the caller says it has.
        checksum: what the caller says its bytes hash to.
    """

    stage: ClassVar[str] = "fetch image"
    resumable: ClassVar[bool] = True

    def __init__(self, name: str, declared: ImageFormat | None, checksum: Checksum | None) -> None:
        self.name = name
        self.declared = declared
        self.checksum = checksum

    @abstractmethod
    def key(self) -> tuple[str, ...]:
        """What tells it from other images; never shown to anybody."""

    @abstractmethod
    def unchanged(self, identity: Mapping[str, str], op: Operation) -> bool:
        """Whether its bytes are still those that once had this identity.

        Raises:
            ImageNotFound: it is no longer there.
        """

    @abstractmethod
    def fetch(self, part: Part, op: Operation) -> Mapping[str, str]:
        """Write its bytes to the part, going on where the part ends if it can; returns their identity.

        Raises:
            ImageNotFound: there is no such image.
            ImageRejected: it is not something that can be an image.
            PermissionDenied: the account may not read it.
            Unavailable: the source does not deliver; what has arrived stays in the part.
        """


def origin_of(source: ImageSource) -> Origin:
    """The source's origin.

    Raises:
        InvalidSpec: the bytes of such a source never pass through the client.
    """
    match source:
        case LocalFile():
            from nova_virt_api.images.local import LocalOrigin

            return LocalOrigin(source)
        case Url():
            from nova_virt_api.images.http import UrlOrigin

            return UrlOrigin(source)
        case Store():
            from nova_virt_api.images.store import StoreOrigin

            return StoreOrigin(source)
        case _:
            raise InvalidSpec("source", type(source).__name__, "a LocalFile, Url or Store where the client fetches")

"""Images in stores that installed plug-ins know.

A plug-in is a class derived from :class:`StoreReader`, registered under its scheme in the entry point group
``nova_virt_api.images.v1``. It is created without arguments and finds its configuration by itself.
"""

from abc import ABC, abstractmethod
from collections.abc import Generator, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from typing import Final

from nova_virt_api.driver.operation import Operation
from nova_virt_api.errors import DriverBug, InvalidSpec, Unavailable, VirtError
from nova_virt_api.images.origin import Origin
from nova_virt_api.images.part import Part
from nova_virt_api.model.image import Checksum, ImageFormat, Store

GROUP: Final = "nova_virt_api.images.v1"


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreImage:
    """What a store says about an image.

    Args:
        version: text that changes whenever the image's bytes do.
        size_bytes: bytes stored; None when not known.
        format: what the bytes are said to be; refused if they are not.
        checksum: of the bytes.
    """

    version: str
    size_bytes: int | None = None
    format: ImageFormat | None = None
    checksum: Checksum | None = None


class StoreReader(ABC):
    """Reads images of one kind of store. Thread-safe; does no I/O before its first call."""

    @abstractmethod
    def describe(self, image_id: str) -> StoreImage:
        """What the store knows about an image. Asked before every use of a cached copy, so it should be quick.

        Raises:
            ImageNotFound: there is no such image.
            PermissionDenied: the account may not read it.
            Unavailable: the store does not answer.
        """

    @abstractmethod
    def read(self, image_id: str, version: str, offset: int) -> Generator[bytes, None, None]:
        """The image's bytes from an offset on, in chunks of about 1 MiB. Closed early when the operation ends.

        Raises:
            ImageNotFound: there is no such image, or no longer in this version.
            Unavailable: the store does not deliver; asked again later, it goes on from there.
        """


class StoreOrigin(Origin):
    """An image in a store.

    Raises:
        InvalidSpec: no installed plug-in, or more than one, has this scheme.
    """

    def __init__(self, source: Store) -> None:
        self._source = source
        self._reader = reader(source.scheme)
        with self._guarded():
            self._image = self._reader.describe(source.id)
        super().__init__(f"{source.scheme}:{source.id}", self._image.format, self._image.checksum)

    def key(self) -> tuple[str, ...]:
        """The store's scheme and the image's id."""
        return ("store", self._source.scheme, self._source.id)

    def unchanged(self, identity: Mapping[str, str], op: Operation) -> bool:
        """Whether the store still has the same version."""
        return identity == {"version": self._image.version}

    def fetch(self, part: Part, op: Operation) -> Mapping[str, str]:
        """Read it from where the part ends, if that was of the same version."""
        version, size = self._image.version, self._image.size_bytes or 0
        if part.resume(op) != {"version": version}:
            part.restart({"version": version})
        part.expect(size)
        with self._guarded(), closing(self._reader.read(self._source.id, version, part.size)) as chunks:
            part.append_all(chunks, size, op)
        if part.size < size:
            hint = "try again; what has arrived is kept"
            raise Unavailable(f"image {self.name}: only {part.size} of {size} bytes came", hint=hint)
        return {"version": version}

    @contextmanager
    def _guarded(self) -> Iterator[None]:
        try:
            yield
        except VirtError:
            raise
        except Exception as error:
            raise DriverBug(f"the image store {self._source.scheme} raised {type(error).__name__}") from error


def reader(scheme: str) -> StoreReader:
    """The plug-in for a scheme, newly made."""
    found = {point.value: point for point in entry_points(group=GROUP, name=scheme)}
    if len(found) != 1:
        known = sorted({point.name for point in entry_points(group=GROUP)})
        allowed = f"the scheme of one installed plug-in: {', '.join(known) or 'none is installed'}"
        raise InvalidSpec("source.scheme", scheme, allowed)
    (point,) = found.values()
    return load(point)


def load(point: EntryPoint) -> StoreReader:
    """Import a plug-in."""
    try:
        made = point.load()()
    except Exception as error:
        raise Unavailable(f"the image store {point.name} ({point.value}) cannot be loaded: {error}") from error
    if not isinstance(made, StoreReader):
        raise DriverBug(f"the image store {point.name} ({point.value}) is not a StoreReader")
    return made

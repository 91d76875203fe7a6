"""Glance's images for nova-virt-api's image pipeline: the store ``glance``, which works inside nova-compute only."""

from __future__ import annotations

import errno
import tempfile
import threading
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import nova.conf
from cryptography.exceptions import InvalidSignature
from cursive.exception import SignatureVerificationError
from nova import exception
from nova.image import glance
from nova.objects.trusted_certs import TrustedCerts

from nova_virt_api.errors import ImageNotFound, ImageRejected, PermissionDenied, Unavailable, VirtError
from nova_virt_api.images.disk_errors import writing_to
from nova_virt_api.images.store import StoreImage, StoreReader
from nova_virt_api.model.image import DIGEST_LENGTHS, Checksum, ImageFormat

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Mapping

CONF = nova.conf.CONF
CHUNK: Final = 1024**2
SIGNED_BY: Final = "?signed-by="
FORMATS: Final = {
    "raw": ImageFormat.RAW,
    "qcow2": ImageFormat.QCOW2,
    "vmdk": ImageFormat.VMDK,
    "vdi": ImageFormat.VDI,
    "vhd": ImageFormat.VHD,
    "vhdx": ImageFormat.VHDX,
}
"""Glance's disk formats that are disks; a kernel, a ramdisk or a medium is none."""


class Tokens:
    """By whose token an image may be read: that of a request that is under way and wants it. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._contexts: dict[str, Any] = {}
        self._users: Counter[str] = Counter()

    def lend(self, image_id: str, context: Any) -> None:
        """Let the image be read by this request's token."""
        with self._lock:
            self._contexts[image_id] = context
            self._users[image_id] += 1

    def take_back(self, image_id: str) -> None:
        """The request is done; the last one for an image takes its token away."""
        with self._lock:
            self._users[image_id] -= 1
            if not self._users[image_id]:
                del self._users[image_id], self._contexts[image_id]

    def find(self, image_id: str) -> Any:
        """The request that lent its token.

        Raises:
            PermissionDenied: none did.
        """
        with self._lock:
            context = self._contexts.get(image_id)
        if context is None:
            raise PermissionDenied(f"image {image_id} is wanted by no request of Nova", hint="ask Nova for the guest")
        return context


TOKENS: Final = Tokens()


@contextmanager
def lent(context: Any, image_id: str | None) -> Iterator[None]:
    """Let an image, if there is one, be read by the token of this request for as long as the block takes."""
    if not image_id:
        yield
        return
    TOKENS.lend(image_id, context)
    try:
        yield
    finally:
        TOKENS.take_back(image_id)


@dataclass(frozen=True, slots=True)
class SignedImage:
    """An image as a request wants it: its bytes must be signed by one of the certificates that the guest trusts.

    They are part of the image's name in the store, so bytes that were fetched for somebody who asked for no signature
    never pass for checked ones.

    Args:
        id: Glance's.
        certificates: ids of certificates in the key manager; with none, Nova's configuration decides.
    """

    id: str
    certificates: tuple[str, ...] = ()

    @classmethod
    def parse(cls, text: str) -> SignedImage:
        """From its name in the store."""
        image_id, _, certificates = text.partition(SIGNED_BY)
        return cls(image_id, tuple(certificates.split(",")) if certificates else ())

    def __str__(self) -> str:
        return f"{self.id}{SIGNED_BY}{','.join(self.certificates)}" if self.certificates else self.id

    @property
    def trusted(self) -> Any:
        """The certificates as Nova has them."""
        return TrustedCerts(ids=list(self.certificates)) if self.certificates else None


class GlanceReader(StoreReader):
    """Images of Glance, by the configuration and the client of the nova-compute that this runs in."""

    def describe(self, image_id: str) -> StoreImage:
        """See :meth:`nova_virt_api.images.store.StoreReader.describe`."""
        wanted = SignedImage.parse(image_id)
        with glance_errors(wanted.id):
            image = glance.API().get(TOKENS.find(wanted.id), wanted.id)
        kind = image.get("disk_format")
        if kind == "iso":
            hint = "use an image that is a disk, e.g. qcow2"
            raise ImageRejected(wanted.id, "it is an ISO image, a medium to install from and no disk", hint=hint)
        if kind not in FORMATS:
            raise ImageRejected(wanted.id, f"its format is {kind}, which is no disk", hint=f"use {', '.join(FORMATS)}")
        hashed = image.get("os_hash_value") or image.get("checksum")
        return StoreImage(
            version=f"{hashed or ''} {image.get('updated_at') or ''} {image.get('size')}",
            size_bytes=image.get("size") or None,
            format=FORMATS[kind],
            checksum=checksum_of(image),
        )

    def read(self, image_id: str, version: str, offset: int) -> Generator[bytes, None, None]:
        """See :meth:`nova_virt_api.images.store.StoreReader.read`.

        Nova fetches into a file, so that its own ways past Glance's API (``[glance] enable_rbd_download``) are used.

        Raises:
            ImageRejected: the bytes are not those that Glance once took, or their signature is wrong.
        """
        wanted = SignedImage.parse(image_id)
        directory = Path(CONF.nova_virt.cache_dir)
        with writing_to(directory):
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile(dir=directory, prefix="glance-") as file:
                with glance_errors(wanted.id):
                    glance.API().download(
                        TOKENS.find(wanted.id), wanted.id, dest_path=file.name, trusted_certs=wanted.trusted
                    )
                with Path(file.name).open("rb") as fetched:  # whoever fetched it may have put another file in its place
                    fetched.seek(offset)
                    yield from iter(lambda: fetched.read(CHUNK), b"")


def checksum_of(image: Mapping[str, Any]) -> Checksum | None:
    """What Glance hashed the bytes to, by the algorithm of its configuration; images of long ago have an MD5 only."""
    algorithm, digest = image.get("os_hash_algo"), image.get("os_hash_value")
    return Checksum(algorithm=algorithm, digest=digest) if digest and algorithm in DIGEST_LENGTHS else None


@contextmanager
def glance_errors(image_id: str) -> Iterator[None]:
    """Let what Nova's client raises leave as an error of ours; what the local file system answers leaves as it is."""
    try:
        yield
    except VirtError:  # one of them is an OSError too
        raise
    except (exception.ImageNotFound, exception.ImageNotActive) as error:
        raise ImageNotFound(f"no image {image_id} in Glance: {error}") from error
    except exception.ImageNotAuthorized as error:
        raise PermissionDenied(f"Glance does not give image {image_id}: {error}") from error
    except (
        exception.CertificateValidationFailed,
        exception.ImageUnacceptable,
        InvalidSignature,
        SignatureVerificationError,
    ) as error:
        raise ImageRejected(image_id, str(error) or "its signature is wrong") from error
    except exception.NovaException as error:
        raise Unavailable(f"image {image_id} could not be had from Glance: {error}") from error
    except OSError as error:
        if error.errno == errno.EPIPE:  # so Glance's client says that the bytes do not have the image's hash
            hint = "look into Glance's store; the image may have to be made anew"
            raise ImageRejected(
                image_id, f"its bytes are not those that Glance took: {error.strerror}", hint=hint
            ) from error
        if error.errno is None or isinstance(error, (ConnectionError, TimeoutError)):
            raise Unavailable(f"Glance stopped sending image {image_id}: {error}") from error
        raise

"""Where an image comes from and where a snapshot goes to."""

import enum
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias
from urllib.parse import urlsplit

from nova_virt_api.errors import InvalidSpec
from nova_virt_api.model.check import check, check_text, check_type

DIGEST_LENGTHS: Final = {"sha256": 64, "sha384": 96, "sha512": 128}
URL_SCHEMES: Final = ("https", "http")
LONGEST_REFERENCE: Final = 4096


class ImageFormat(enum.Enum):
    """Formats of a disk image's bytes."""

    RAW = "raw"
    QCOW2 = "qcow2"
    VMDK = "vmdk"
    VDI = "vdi"
    VHD = "vpc"
    VHDX = "vhdx"
    ISO = "iso"


@dataclass(frozen=True, slots=True, kw_only=True)
class Checksum:
    """A digest of the image's bytes as stored at its source.

    Args:
        algorithm: ``sha256``, ``sha384`` or ``sha512``.
        digest: lower-case hexadecimal.
    """

    algorithm: str = "sha256"
    digest: str

    def __post_init__(self) -> None:
        names = ", ".join(DIGEST_LENGTHS)
        check(self.algorithm in DIGEST_LENGTHS, "checksum.algorithm", self.algorithm, f"one of {names}")
        length = DIGEST_LENGTHS[self.algorithm]
        good = isinstance(self.digest, str) and re.fullmatch(f"[0-9a-f]{{{length}}}", self.digest) is not None
        check(good, "checksum.digest", self.digest, f"{length} lower-case hexadecimal digits")


@dataclass(frozen=True, slots=True)
class LocalFile:
    """A file on the client's machine.

    Args:
        path: the file.
        format: what its bytes are said to be; refused if they are not. None takes what they are found to be.
        checksum: checked before use when given.
    """

    path: str | Path
    format: ImageFormat | None = None
    checksum: Checksum | None = None

    def __post_init__(self) -> None:
        check_type("source.path", self.path, (str, Path), "a path")
        check_text("source.path", str(self.path), LONGEST_REFERENCE)
        check_image_fields(self.format, self.checksum)
        object.__setattr__(self, "path", str(self.path))


@dataclass(frozen=True, slots=True, repr=False)
class Url:
    """An image that the client fetches and hands on. Its query, which may hold a token, is never shown.

    Args:
        url: ``https://`` or ``http://``; plain http needs a checksum.
        format: as for :class:`LocalFile`.
        checksum: checked while fetching.
    """

    url: str
    format: ImageFormat | None = None
    checksum: Checksum | None = None

    def __post_init__(self) -> None:
        check_url(self.url)
        check_image_fields(self.format, self.checksum)
        safe = self.url.startswith("https:") or self.checksum is not None
        check(safe, "source.checksum", self.checksum, "a checksum, since http:// protects nothing")

    def __repr__(self) -> str:
        return f"Url({shown_url(self.url)!r}, format={self.format}, checksum={self.checksum})"


@dataclass(frozen=True, slots=True, repr=False)
class BackendUrl:
    """An image that the hypervisor or its service fetches itself. Its query is never shown.

    Args:
        url: as the backend sees it.
        checksum: what the backend has to verify.
        format: what its bytes are.
    """

    url: str
    checksum: Checksum
    format: ImageFormat | None = None

    def __post_init__(self) -> None:
        check_url(self.url)
        check_type("source.checksum", self.checksum, Checksum, "a Checksum")
        check_image_fields(self.format, self.checksum)

    def __repr__(self) -> str:
        return f"BackendUrl({shown_url(self.url)!r}, format={self.format}, checksum={self.checksum})"


@dataclass(frozen=True, slots=True)
class Native:
    """An image that the backend already has, by the backend's own reference."""

    ref: str

    def __post_init__(self) -> None:
        check_text("source.ref", self.ref, LONGEST_REFERENCE)


@dataclass(frozen=True, slots=True)
class Template:
    """A whole machine that the backend already has and that is copied, by the backend's own reference."""

    ref: str

    def __post_init__(self) -> None:
        check_text("source.ref", self.ref, LONGEST_REFERENCE)


@dataclass(frozen=True, slots=True)
class Store:
    """An image in a store that an installed plug-in knows (entry points ``nova_virt_api.images.v1``).

    Args:
        scheme: the plug-in's name.
        id: the image's id in that store.
    """

    scheme: str
    id: str

    def __post_init__(self) -> None:
        check_text("source.scheme", self.scheme, 63)
        check_text("source.id", self.id, LONGEST_REFERENCE)


ImageSource: TypeAlias = LocalFile | Url | BackendUrl | Native | Template | Store
"""Where a disk's first content comes from."""


@dataclass(frozen=True, slots=True)
class LocalTarget:
    """A file on the client's machine that a snapshot is written to; made with mode 0600, replaced in one step.

    Args:
        path: the file; its directory must exist.
        format: what to write, ``QCOW2`` or ``RAW``.
    """

    path: str | Path
    format: ImageFormat = ImageFormat.QCOW2

    def __post_init__(self) -> None:
        check_type("target.path", self.path, (str, Path), "a path")
        check_text("target.path", str(self.path), LONGEST_REFERENCE)
        written = (ImageFormat.QCOW2, ImageFormat.RAW)
        check(self.format in written, "target.format", self.format, "QCOW2 or RAW")
        object.__setattr__(self, "path", str(self.path))


@dataclass(frozen=True, slots=True)
class NativeTarget:
    """An image that stays in one of the backend's pools.

    Args:
        name: name of the new image, unique in the pool.
        pool: name or id of the pool; None takes the guest's own.
    """

    name: str
    pool: str | None = None

    def __post_init__(self) -> None:
        check_text("target.name", self.name, 255)
        if self.pool is not None:
            check_text("target.pool", self.pool, 255)


ImageTarget: TypeAlias = LocalTarget | NativeTarget
"""Where a snapshot goes to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageInfo:
    """What a snapshot or an inspection found or made.

    Args:
        ref: path or native reference, usable as the matching source.
        format: what the bytes are.
        size_bytes: bytes stored.
        virtual_size_bytes: size of the disk that a guest sees.
    """

    ref: str
    format: ImageFormat
    size_bytes: int
    virtual_size_bytes: int


def check_url(url: object) -> None:
    """Refuse what is not an absolute http(s) URL, or one that carries credentials (they would end in logs)."""
    allowed = "an absolute https:// or http:// URL"
    check_type("source.url", url, str, allowed)
    shown = shown_url(str(url))
    try:
        parts = urlsplit(str(url))
        host = parts.hostname
    except ValueError:
        raise InvalidSpec("source.url", shown, allowed) from None
    check(parts.scheme in URL_SCHEMES and bool(host), "source.url", shown, allowed)
    check_text("source.url", str(url), LONGEST_REFERENCE)
    bare = parts.username is None and parts.password is None
    check(bare, "source.url", shown, "a URL without user name or password")


def shown_url(url: str) -> str:
    """A URL as it may be seen: without user name, password, query and fragment."""
    scheme, separator, rest = url.partition("://")
    authority, slash, path = re.split("[?#]", rest, maxsplit=1)[0].partition("/")
    return f"{scheme}{separator}{authority.rpartition('@')[2]}{slash}{path}" if separator else "***"


def check_image_fields(image_format: object, checksum: object) -> None:
    """Refuse wrong types of the two optional fields that sources share."""
    if image_format is not None:
        check_type("source.format", image_format, ImageFormat, "an ImageFormat")
    if checksum is not None:
        check_type("source.checksum", checksum, Checksum, "a Checksum")

"""Bad images: each is refused for its own reason, and nothing of it stays."""

import os
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from nova_virt_api.errors import ImageNotFound, ImageRejected
from nova_virt_api.images.cache import ImageCache
from nova_virt_api.model.image import Checksum, ImageFormat, LocalFile

Good = Mapping[str, bytes]
MIB = 1024**2
QCOW2, RAW, VMDK, VDI = ImageFormat.QCOW2, ImageFormat.RAW, ImageFormat.VMDK, ImageFormat.VDI
VHD, VHDX, ISO = ImageFormat.VHD, ImageFormat.VHDX, ImageFormat.ISO
NOT_KNOWN = "it needs features that are not known here"
OTHER_FILES = "its descriptor names other files or a layout that is not accepted"
BEYOND = "it is cut short: its data lie beyond its end"
PARENT = "it is a differencing image, which needs its parent"


@dataclass(frozen=True)
class Bad:
    """How to make a bad image of good ones, what it is said to be, and why it must be refused."""

    make: Callable[[Good], bytes]
    declared: ImageFormat | None
    why: str


def patched(content: bytes, *changes: tuple[int, bytes]) -> bytes:
    """The content with some bytes replaced."""
    copy = bytearray(content)
    for offset, new in changes:
        copy[offset : offset + len(new)] = new
    return bytes(copy)


def q(value: int) -> bytes:
    return struct.pack(">Q", value)


def i(value: int) -> bytes:
    return struct.pack(">I", value)


def qcow2(*changes: tuple[int, bytes]) -> Callable[[Good], bytes]:
    return lambda good: patched(good["qcow2"], *changes)


def cut(name: str, keep: Callable[[bytes], int]) -> Callable[[Good], bytes]:
    return lambda good: good[name][: keep(good[name])]


def l1_offset(content: bytes) -> int:
    return int(struct.unpack_from(">Q", content, 40)[0])


def disk_with_partitions(*kinds: int, boot: int = 0) -> bytes:
    """A raw disk with an MBR."""
    sector = bytearray(512)
    sector[510:] = b"\x55\xaa"
    for number, kind in enumerate(kinds):
        start = 446 + 16 * number
        first = (0, 2, 0) if kind == 0xEE else (0, 1, 1)
        sector[start : start + 16] = struct.pack("<B3BB3BII", boot, *first, kind, 0, 0, 0, 1, 100)
    return bytes(sector) + bytes(MIB)


def iso() -> bytes:
    """The beginning of an ISO 9660 medium of 1 MiB."""
    descriptor = bytearray(2048)
    descriptor[:7] = b"\x01CD001\x01"
    struct.pack_into("<I", descriptor, 80, 512)
    struct.pack_into("<H", descriptor, 128, 2048)
    return bytes(32 * 1024) + bytes(descriptor) + bytes(MIB - 34 * 1024)


def descriptor(create_type: str, extent: str, more: str = "") -> bytes:
    lines = ["# Disk DescriptorFile", "version=1", "CID=123a", "parentCID=ffffffff", f'createType="{create_type}"']
    return "\n".join([*lines, more, "# Extent description", extent, "# The Disk Data Base", "#DDB", ""]).encode()


def vmdk(embedded: bytes) -> Callable[[Good], bytes]:
    """A sparse VMDK with another descriptor in it."""
    return lambda good: patched(good["vmdk"], (512, embedded.ljust(20 * 512, b"\0")))


def exported(good: Good) -> bytes:
    """A VMDK as products write it to a stream: the header is told at the end where the grain directory is."""
    content = good["streamOptimized"]
    content = content[: len(content) // 512 * 512]
    end_of_stream = bytes(512)
    footer_marker = struct.pack("<QII", 1, 0, 3).ljust(512, b"\0")
    return patched(content, (56, b"\xff" * 8)) + footer_marker + content[:512] + end_of_stream


def footer(good: Good, disk_type: int) -> bytes:
    """A VHD of another type."""
    content = good["vpc"]
    return patched(content, (60, i(disk_type)), (len(content) - 512 + 60, i(disk_type)))


def luks(version: int) -> bytes:
    """An encrypted disk: the magic, the version, what is encrypted with."""
    words = (b"aes", b"xts-plain64", b"sha256")
    return b"LUKS\xba\xbe" + struct.pack(">H32s32s32sII", version, *words, 4096, 64) + b"\x5a" * MIB


CORPUS = {
    "qcow2 with a backing file": Bad(
        qcow2((8, q(512)), (16, i(11)), (512, b"/etc/passwd")), QCOW2, "it names a backing file"
    ),
    "qcow2 with a data file": Bad(qcow2((72, q(1 << 2))), QCOW2, "it names an external data file"),
    "qcow2 with an unknown feature": Bad(qcow2((72, q(1 << 5))), QCOW2, NOT_KNOWN),
    "qcow2 with the highest unknown feature": Bad(qcow2((72, q(1 << 63))), QCOW2, NOT_KNOWN),
    "qcow2 with extended tables": Bad(qcow2((72, q(1 << 4))), QCOW2, NOT_KNOWN),
    "qcow of version 1": Bad(qcow2((4, i(1))), QCOW2, NOT_KNOWN),
    "qcow2 of a later version": Bad(qcow2((4, i(4))), QCOW2, NOT_KNOWN),
    "qcow2 marked as corrupt": Bad(qcow2((72, q(1 << 1))), QCOW2, "it is marked as corrupt"),
    "qcow2 with encrypted data": Bad(qcow2((32, i(2))), QCOW2, "it is encrypted"),
    "qcow2 with old encryption": Bad(qcow2((32, i(1))), QCOW2, "it is encrypted"),
    "qcow2 with 64 bytes": Bad(
        lambda good: good["qcow2"][:64], QCOW2, "it is cut short or malformed: it only begins like qcow2"
    ),
    "qcow2 with 64 bytes as raw": Bad(lambda good: good["qcow2"][:64], RAW, "it is cut short or malformed"),
    "qcow2 without its tables": Bad(cut("qcow2", l1_offset), QCOW2, "it is cut short: its tables lie beyond its end"),
    "qcow2 without its last data": Bad(cut("qcow2", lambda content: len(content) - MIB // 2), QCOW2, BEYOND),
    "qcow2 with a table behind its end": Bad(qcow2((196608, q((1 << 63) | (1 << 40)))), QCOW2, BEYOND),
    "qcow2 with half a table": Bad(
        lambda good: patched(good["qcow2"], (l1_offset(good["qcow2"]), q((1 << 63) | (len(good["qcow2"]) - 512)))),
        QCOW2,
        "it is cut short: its tables lie beyond its end",
    ),
    "qcow2 with refcounts behind its end": Bad(
        qcow2((48, q(1 << 50))), QCOW2, "it is cut short: its tables lie beyond its end"
    ),
    "qcow2 with absurd clusters": Bad(qcow2((20, i(30))), QCOW2, "its cluster size is not allowed"),
    "qcow2 with more disk than its table covers": Bad(
        qcow2((24, q(1 << 62))), QCOW2, "its first-level table does not fit its size"
    ),
    "qcow2 with an absurd table": Bad(qcow2((36, i(1 << 31))), QCOW2, "its first-level table does not fit its size"),
    "qcow2 of an absurd size": Bad(lambda good: good["huge"], QCOW2, "its disk of 71468255805440 bytes is larger than"),
    "qcow2 of no size": Bad(qcow2((24, q(0))), QCOW2, "it says that its disk has no size"),
    "qcow2 with an MBR in it": Bad(
        lambda good: patched(good["qcow2"], (446, disk_with_partitions(0x83)[446:512])),
        QCOW2,
        "several formats at once",
    ),
    "qcow2 with an ISO in it": Bad(
        lambda good: patched(iso(), (0, good["qcow2"][:512])),
        QCOW2,
        "its bytes are of several formats at once: iso, qcow2",
    ),
    "LUKS": Bad(lambda good: luks(1), None, "LUKS is not accepted"),
    "LUKS as raw": Bad(lambda good: luks(1), RAW, "LUKS is not accepted"),
    "LUKS 2": Bad(lambda good: luks(2), RAW, "LUKS is not accepted"),
    "QED": Bad(lambda good: good["qed"], None, "QED is not accepted"),
    "QED as raw": Bad(lambda good: good["qed"], RAW, "QED is not accepted"),
    "VMDK naming a host file": Bad(
        lambda good: descriptor("monolithicFlat", 'RW 8192 FLAT "/etc/passwd" 0'), VMDK, OTHER_FILES
    ),
    "VMDK naming a host file as raw": Bad(
        lambda good: descriptor("monolithicFlat", 'RW 8192 FLAT "/etc/passwd" 0'),
        RAW,
        "declared raw, but its bytes are vmdk",
    ),
    "VMDK in many files": Bad(
        lambda good: descriptor("twoGbMaxExtentSparse", 'RW 8192 SPARSE "disk-s001.vmdk"'), VMDK, OTHER_FILES
    ),
    "VMDK of a server": Bad(lambda good: descriptor("vmfs", 'RW 8192 VMFS "disk-flat.vmdk"'), VMDK, OTHER_FILES),
    "VMDK naming a neighbour": Bad(
        lambda good: descriptor("monolithicSparse", 'RW 8192 SPARSE "other.vmdk"'),
        VMDK,
        "it is only a descriptor of other files",
    ),
    "VMDK with a descriptor inside naming a host file": Bad(
        vmdk(descriptor("monolithicSparse", 'RW 8192 FLAT "/etc/shadow" 0')), VMDK, OTHER_FILES
    ),
    "VMDK with a flat descriptor inside": Bad(
        vmdk(descriptor("monolithicFlat", 'RW 8192 FLAT "a" 0')), VMDK, OTHER_FILES
    ),
    "VMDK with a parent": Bad(
        vmdk(descriptor("monolithicSparse", 'RW 8192 SPARSE "a"', 'parentFileNameHint="/etc/passwd"')),
        VMDK,
        "it names a parent image",
    ),
    "VMDK with a parent's id": Bad(
        vmdk(descriptor("monolithicSparse", 'RW 8192 SPARSE "a"').replace(b"=ffffffff", b"=12345678")),
        VMDK,
        "it names a parent image",
    ),
    "VMDK of no size": Bad(
        lambda good: patched(good["vmdk"], (12, bytes(8))), VMDK, "it says that its disk has no size"
    ),
    "VMDK without grains": Bad(
        lambda good: patched(good["vmdk"], (20, bytes(8))), VMDK, "its grain size is not allowed"
    ),
    "VMDK with absurd tables": Bad(
        lambda good: patched(good["vmdk"], (12, b"\xff" * 7)), VMDK, "its grain tables do not fit its size"
    ),
    "VMDK without its last data": Bad(cut("vmdk", lambda content: len(content) - MIB // 2), VMDK, BEYOND),
    "stream of a VMDK that ends early": Bad(
        lambda good: exported(good)[:-512], VMDK, "its footer contradicts its header, or it is cut short"
    ),
    "stream of a VMDK with lost data": Bad(
        lambda good: exported(good)[: 40 * 512] + exported(good)[-1536:], VMDK, "it is cut short"
    ),
    "VMDK with 40 bytes": Bad(lambda good: good["vmdk"][:40], VMDK, "cut short"),
    "VHD with a parent": Bad(lambda good: footer(good, 4), VHD, PARENT),
    "VHD without its footer": Bad(
        cut("vpc", lambda content: len(content) - 512), VHD, "it is cut short: its footer is missing"
    ),
    "VDI with a parent": Bad(lambda good: patched(good["vdi"], (0x4C, b"\x04")), VDI, PARENT),
    "VDI without its last data": Bad(cut("vdi", lambda content: len(content) - MIB // 2), VDI, BEYOND),
    "VHDX without its last data": Bad(
        cut("vhdx", lambda content: len(content) // 2), VHDX, "qemu-img cannot convert it"
    ),
    "VHD as raw": Bad(lambda good: good["vpc"], RAW, "declared raw, but its bytes are vpc"),
    "fixed VHD as raw": Bad(lambda good: good["fixed"], RAW, "declared raw, but its bytes are vpc"),
    "VHDX as raw": Bad(lambda good: good["vhdx"], RAW, "declared raw, but its bytes are vhdx"),
    "VDI as raw": Bad(lambda good: good["vdi"], RAW, "declared raw, but its bytes are vdi"),
    "VMDK as raw": Bad(lambda good: good["vmdk"], RAW, "declared raw, but its bytes are vmdk"),
    "qcow2 as raw": Bad(lambda good: good["qcow2"], RAW, "declared raw, but its bytes are qcow2"),
    "ISO as raw": Bad(lambda good: iso(), RAW, "declared raw, but its bytes are iso"),
    "ISO as qcow2": Bad(lambda good: iso(), QCOW2, "declared qcow2, but its bytes are iso"),
    "raw as qcow2": Bad(lambda good: disk_with_partitions(0x83), QCOW2, "declared qcow2, but its bytes are raw"),
    "text as qcow2": Bad(lambda good: b"#!/bin/sh\n" * 100, QCOW2, "declared qcow2, but its bytes are raw"),
    "an error page": Bad(lambda good: b"<html>no such file</html>\n" * 40, None, "its format is not recognised"),
    "text that ends in rubbish": Bad(lambda good: b"version=1\n" * 60 + b"\xff" * 9999, RAW, "cannot be parsed"),
    "disk with a malformed MBR": Bad(
        lambda good: disk_with_partitions(0x83, boot=7), RAW, "its partition table is malformed"
    ),
    "disk with a GPT and hidden partitions": Bad(
        lambda good: disk_with_partitions(0xEE, 0x83), RAW, "its partition table is malformed"
    ),
    "nothing": Bad(lambda good: b"", RAW, "it is empty"),
}


@pytest.mark.parametrize("name", CORPUS)
def test_a_bad_image_is_refused_with_its_reason(
    name: str, good: Good, cache: ImageCache, op: Any, tmp_path: Path, cached_files: Callable[[], list[str]]
) -> None:
    bad = CORPUS[name]
    path = tmp_path / "image"
    path.write_bytes(bad.make(good))
    with pytest.raises(ImageRejected) as caught:
        cache.fetch(LocalFile(path, bad.declared), op)
    assert bad.why in caught.value.why
    assert str(path) in str(caught.value)
    assert cached_files() == []


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (lambda path: path.mkdir(), "it is a directory and not a regular file"),
        (os.mkfifo, "it is a named pipe and not a regular file"),
        (lambda path: path.symlink_to("/dev/zero"), "it is a character device and not a regular file"),
    ],
    ids=["directory", "pipe", "device"],
)
def test_what_is_no_file_is_refused_and_not_opened(
    make: Callable[[Path], Any], why: str, cache: ImageCache, op: Any, tmp_path: Path
) -> None:
    make(tmp_path / "image")
    with pytest.raises(ImageRejected) as caught:
        cache.fetch(LocalFile(tmp_path / "image", RAW), op)
    assert caught.value.why == why


def test_a_wrong_checksum_is_refused(
    good: Good, cache: ImageCache, op: Any, tmp_path: Path, cached_files: Callable[[], list[str]]
) -> None:
    (tmp_path / "image").write_bytes(good["qcow2"])
    with pytest.raises(ImageRejected, match=r"its sha512 is .* and not 0000"):
        cache.fetch(LocalFile(tmp_path / "image", checksum=Checksum(algorithm="sha512", digest="0" * 128)), op)
    assert cached_files() == []


@pytest.mark.parametrize("path", ["missing", "image/below"])
def test_a_missing_file_is_not_found(path: str, cache: ImageCache, op: Any, tmp_path: Path) -> None:
    (tmp_path / "image").write_bytes(b"a file")
    with pytest.raises(ImageNotFound, match="check the path"):
        cache.fetch(LocalFile(tmp_path / path), op)


def test_a_vmdk_as_products_export_it_is_accepted(good: Good, cache: ImageCache, op: Any, tmp_path: Path) -> None:
    (tmp_path / "image").write_bytes(exported(good))
    with cache.fetch(LocalFile(tmp_path / "image", VMDK), op) as image:
        assert (image.format, image.virtual_size_bytes) == (QCOW2, 4 * MIB)

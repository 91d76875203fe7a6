"""What may be shared, by the paths alone, and memory that is made to be shared."""

from pathlib import Path
from typing import Any

import pytest
from lxml import etree

from nova_virt_api.capability import Capability, Feature
from nova_virt_api.errors import ConfigError, InvalidSpec, PermissionDenied, StorageError
from nova_virt_api.model.share import HostDirectory, Share
from nova_virt_libvirt.capabilities import share_answers
from nova_virt_libvirt.host.emulator import NOTHING, Emulator
from nova_virt_libvirt.shares.directories import ShareDirectories
from nova_virt_libvirt.shares.filesystems import element_of, filesystems_of
from nova_virt_libvirt.shares.memory import is_shared, share_memory

LOCAL = "qemu:///system"
REMOTE = "qemu+ssh://root@host/system"
ABLE = Emulator(filesystems=frozenset({"path", "virtiofs"}), memory_sources=frozenset({"memfd"}))


@pytest.mark.parametrize("path", ["/", "srv", "/srv/", "/srv/../etc", "//srv", "/srv/./x", ""])
def test_only_plain_directories_are_allowed(path: str) -> None:
    with pytest.raises(ConfigError, match="share_directories"):
        ShareDirectories.of([path], LOCAL)


@pytest.mark.parametrize("path", ["/srv/shares", "/srv/shares/a", "/srv/shares/a/b", "/mnt/x"])
def test_what_lies_below_is_shared(path: str) -> None:
    ShareDirectories.of(["/srv/shares", "/mnt"], REMOTE).require(path)


@pytest.mark.parametrize("path", ["/srv", "/srv/shares-of-others", "/etc", "/", "/srv/share", "/mn"])
def test_what_lies_beside_is_not(path: str) -> None:
    with pytest.raises(PermissionDenied, match="share_directories"):
        ShareDirectories.of(["/srv/shares", "/mnt"], REMOTE).require(path)


def test_links_are_followed_on_this_machine_only(tmp_path: Path) -> None:
    root, outside = tmp_path.resolve() / "root", tmp_path.resolve() / "outside"
    (root / "inside").mkdir(parents=True)
    outside.mkdir()
    (root / "link").symlink_to(outside)
    (root / "near").symlink_to(root / "inside")
    (tmp_path / "alias").symlink_to(root)
    here = ShareDirectories.of([str(root), f"{tmp_path.resolve()}/alias"], LOCAL)
    here.require(f"{root}/inside")
    here.require(f"{tmp_path.resolve()}/alias/inside")
    for path, error in (("link", PermissionDenied), ("near", InvalidSpec), ("missing", StorageError)):
        with pytest.raises(error):
            here.require(f"{root}/{path}")
    with pytest.raises(InvalidSpec, match="without symbolic links"):
        here.require(f"{tmp_path.resolve()}/alias")
    ShareDirectories.of([str(root)], REMOTE).require(f"{root}/link")


@pytest.mark.parametrize(
    ("before", "source"),
    [
        ("", "memfd"),
        ("<memoryBacking><access mode='private'/></memoryBacking>", "memfd"),
        ("<memoryBacking><source type='anonymous'/></memoryBacking>", "memfd"),
        ("<memoryBacking><source type='file'/><discard/></memoryBacking>", "file"),
        ("<memoryBacking><hugepages/></memoryBacking>", None),
        ("<cpu><numa><cell memAccess='private'/><cell/></numa></cpu>", "memfd"),
    ],
)
def test_memory_is_shared_and_otherwise_left(before: str, source: str | None) -> None:
    domain: Any = etree.fromstring(f"<domain>{before}</domain>")
    kept = {element.tag for element in domain.iterfind("memoryBacking/*")}
    assert not is_shared(domain)
    share_memory(domain)
    assert is_shared(domain)
    found = domain.find("memoryBacking/source")
    assert (None if found is None else found.get("type")) == source
    assert kept <= {element.tag for element in domain.iterfind("memoryBacking/*")}


@pytest.mark.parametrize("read_only", [False, True])
def test_a_share_is_read_as_it_was_written(read_only: bool) -> None:
    share = Share(tag="a <tag>", source=HostDirectory(path="/srv/it's"), read_only=read_only)
    domain = etree.fromstring("<domain><devices/></domain>")
    domain[0].append(element_of(share))
    assert [one.share for one in filesystems_of(domain)] == [share]


def test_what_is_no_share_is_left_out() -> None:
    virtiofs = "<driver type='virtiofs'/>"
    domain = etree.fromstring(
        "<domain><devices>"
        "<filesystem><source dir='/nine'/><target dir='p'/></filesystem>"
        f"<filesystem>{virtiofs}<source socket='/run/x'/><target dir='own-daemon'/></filesystem>"
        f"<filesystem>{virtiofs}<source dir='/x'/><target dir='{'long' * 10}'/></filesystem>"
        f"<filesystem>{virtiofs}<source dir='/y/../x/'/><target dir='good'/></filesystem>"
        "</devices></domain>"
    )
    assert [one.share for one in filesystems_of(domain)] == [Share(tag="good", source=HostDirectory(path="/x"))]


@pytest.mark.parametrize(
    ("emulator", "version", "uri", "refusal", "shares", "read_only"),
    [
        (ABLE, 9_000_000, LOCAL, "", True, False),
        (ABLE, 11_000_000, LOCAL, "", True, True),
        (ABLE, 11_000_000, LOCAL, "none is allowed", False, False),
        (ABLE, 9_000_000, "qemu:///session", "", False, False),
        (ABLE, 10_000_000, "qemu:///session?socket=/x", "", True, False),
        (NOTHING, 11_000_000, LOCAL, "", False, False),
    ],
)
def test_answers(emulator: Emulator, version: int, uri: str, refusal: str, shares: bool, read_only: bool) -> None:
    found = share_answers(emulator, version, uri, refusal)
    assert found[Capability.SHARES].available is found[Feature.ATTACH_SHARES].available is shares
    assert found[Feature.SHARE_READ_ONLY].available is read_only
    assert all(answer.available or answer.reason for answer in found.values())

"""What a share may be called, and which paths say by themselves where they are."""

import pytest

import nova_virt_api as virt

SOURCE = virt.HostDirectory(path="/srv/shares/web")


@pytest.mark.parametrize("path", ["/", "/srv", "/srv/with space", "/srv/.hidden", "/srv/..well"])
def test_plain_paths(path: str) -> None:
    assert virt.HostDirectory(path=path).path == path


@pytest.mark.parametrize(
    "path", ["", "srv", "./srv", "/srv/", "//srv", "/srv//web", "/srv/./web", "/srv/../etc", "/srv/..", "/a\nb", 7]
)
def test_other_paths_are_refused(path: str) -> None:
    with pytest.raises(virt.InvalidSpec, match="path"):
        virt.HostDirectory(path=path)


@pytest.mark.parametrize("tag", ["a", "x" * 36, "ü" * 18, "with space"])
def test_tags(tag: str) -> None:
    assert virt.Share(tag=tag, source=SOURCE).tag == tag


@pytest.mark.parametrize("tag", ["", "x" * 37, "ü" * 19, "a\0b", None])
def test_other_tags_are_refused(tag: str) -> None:
    with pytest.raises(virt.InvalidSpec, match="tag"):
        virt.Share(tag=tag, source=SOURCE)


def test_a_share_has_a_source() -> None:
    with pytest.raises(virt.InvalidSpec, match="source"):
        virt.Share(tag="web", source="/srv/shares/web")  # type: ignore[arg-type]
    with pytest.raises(virt.InvalidSpec, match="read_only"):
        virt.Share(tag="web", source=SOURCE, read_only="yes")  # type: ignore[arg-type]


def test_what_a_share_needs() -> None:
    assert list(virt.Share(tag="web", source=SOURCE).features()) == []
    found = list(virt.Share(tag="web", source=SOURCE, read_only=True).features())
    assert found == [(virt.Feature.SHARE_READ_ONLY, "read_only")]

"""Files that are written whole where nothing is, or not at all."""

from contextlib import suppress
from pathlib import Path

import pytest

from nova_virt_api.errors import InvalidSpec
from nova_virt_api.images.target import write_new_target
from nova_virt_api.model.image import LocalTarget


def test_the_file_appears_whole(tmp_path: Path) -> None:
    final = tmp_path / "image"
    with write_new_target(LocalTarget(final)) as path:
        path.write_bytes(b"whole")
        assert not final.exists()
    assert final.read_bytes() == b"whole"
    assert final.stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.iterdir()) == [final]


def test_what_is_there_stays(tmp_path: Path) -> None:
    final, link = tmp_path / "image", tmp_path / "link"
    final.write_bytes(b"precious")
    link.symlink_to(tmp_path / "nowhere")
    for taken in (final, link, tmp_path):
        with pytest.raises(InvalidSpec, match="nothing yet"), write_new_target(LocalTarget(taken)):
            pytest.fail("it was lent")
    assert final.read_bytes() == b"precious"


def test_what_came_meanwhile_stays(tmp_path: Path) -> None:
    final = tmp_path / "image"
    lent = write_new_target(LocalTarget(final))
    lent.__enter__().write_bytes(b"late")
    final.write_bytes(b"precious")
    with pytest.raises(InvalidSpec, match="nothing yet"):
        lent.__exit__(None, None, None)
    assert final.read_bytes() == b"precious"
    assert list(tmp_path.iterdir()) == [final]


def test_a_failure_leaves_nothing(tmp_path: Path) -> None:
    with suppress(KeyError), write_new_target(LocalTarget(tmp_path / "image")) as path:
        path.write_bytes(b"half")
        raise KeyError
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(InvalidSpec, match="directory"), write_new_target(LocalTarget(tmp_path / "no" / "image")):
        pytest.fail("it was lent")

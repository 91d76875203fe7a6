"""Snapshots reach their place in one step, or not at all."""

import errno
import os
from pathlib import Path

import pytest

from nova_virt_api.errors import BackendError, InvalidSpec, NoCapacity, PermissionDenied, StorageError
from nova_virt_api.images.disk_errors import writing_to
from nova_virt_api.images.target import write_target
from nova_virt_api.model.image import LocalTarget


def test_a_finished_file_takes_the_targets_place(tmp_path: Path) -> None:
    target = tmp_path / "snapshot.qcow2"
    target.write_text("an older one")
    target.chmod(0o644)
    with write_target(LocalTarget(target)) as path:
        assert path.parent == tmp_path
        path.write_text("a newer one")
        assert target.read_text() == "an older one"
    assert target.read_text() == "a newer one"
    assert target.stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.iterdir()) == [target]


def test_the_file_may_be_replaced_by_its_writer(tmp_path: Path) -> None:
    with write_target(LocalTarget(tmp_path / "snapshot")) as path:
        other = tmp_path / "converted"
        other.write_text("converted")
        other.chmod(0o644)
        other.replace(path)
    assert (tmp_path / "snapshot").read_text() == "converted"
    assert (tmp_path / "snapshot").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("old", [None, "an older one"])
def test_a_failure_leaves_everything_as_it_was(old: str | None, tmp_path: Path) -> None:
    target = tmp_path / "snapshot"
    if old:
        target.write_text(old)

    def fail() -> None:
        with write_target(LocalTarget(target)) as path:
            path.write_text("half of it")
            raise BackendError("no more")

    with pytest.raises(BackendError):
        fail()
    assert [path.read_text() for path in tmp_path.iterdir()] == ([old] if old else [])


@pytest.mark.parametrize("path", ["nowhere/snapshot", "."])
def test_a_place_that_cannot_be_is_refused(path: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidSpec, match=r"target\.path"), write_target(LocalTarget(tmp_path / path)):
        pytest.fail("nothing is to be written")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("number", "kind"),
    [
        (errno.ENOSPC, NoCapacity),
        (errno.EDQUOT, NoCapacity),
        (errno.EACCES, PermissionDenied),
        (errno.EROFS, PermissionDenied),
        (errno.EIO, StorageError),
    ],
)
def test_what_the_file_system_answers_is_typed(number: int, kind: type[Exception]) -> None:
    with pytest.raises(kind, match="/some/where") as caught, writing_to("/some/where"):
        raise OSError(number, os.strerror(number))
    assert isinstance(caught.value.__cause__, OSError)

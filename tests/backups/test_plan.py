"""Which clusters of a disk a backup takes."""

import pytest

from nova_virt_api.backups.plan import CHUNK, window_of
from nova_virt_api.backups.qcow2_file import CLUSTER
from nova_virt_api.model.backup import Extent, ExtentKind


def data(offset: int, length: int) -> Extent:
    return Extent(offset=offset, length=length, kind=ExtentKind.DATA)


def zero(offset: int, length: int) -> Extent:
    return Extent(offset=offset, length=length, kind=ExtentKind.ZERO)


@pytest.mark.parametrize(
    ("extents", "kinds"),
    [
        ([], "00000"),
        ([data(0, 1)], "20000"),
        ([data(CLUSTER - 1, 2)], "22000"),
        ([data(CLUSTER, CLUSTER)], "02000"),
        ([zero(CLUSTER, CLUSTER)], "01000"),
        ([zero(CLUSTER + 1, 2 * CLUSTER)], "02120"),
        ([zero(CLUSTER + 1, 100)], "02000"),
        ([zero(0, CLUSTER), data(CLUSTER - 1, 2)], "22000"),
        ([data(10, 10), zero(20, CLUSTER)], "22000"),
        ([zero(4 * CLUSTER, 100)], "00001"),
        ([data(0, 4 * CLUSTER + 100)], "22222"),
    ],
)
def test_clusters_that_are_touched(extents: list[Extent], kinds: str) -> None:
    window = window_of(extents, 0, 4 * CLUSTER + 100)
    assert "".join(map(str, window.kinds)) == kinds


def test_window_that_begins_within_the_disk() -> None:
    window = window_of([data(10 * CLUSTER, CLUSTER), zero(11 * CLUSTER, CLUSTER)], 9 * CLUSTER, 4 * CLUSTER)
    assert list(window.reads()) == [(10, 1)]
    assert list(window.zeros()) == [11]


def test_reads_are_bounded() -> None:
    window = window_of([data(0, (2 * CHUNK + 1) * CLUSTER)], 0, 4 * CHUNK * CLUSTER)
    assert list(window.reads()) == [(0, CHUNK), (CHUNK, CHUNK), (2 * CHUNK, 1)]
    assert window.data_clusters() == 2 * CHUNK + 1

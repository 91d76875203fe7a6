"""What a guest is to become in a resize."""

from typing import Any

import pytest

import nova_virt_api as virt
from nova_virt_api import GiB, MiB


def test_sizes_that_mean_the_same_are_equal() -> None:
    assert virt.Size(vcpus=2, disks=[GiB(1), None, None]) == virt.Size(vcpus=2, disks=(GiB(1),))
    assert virt.Size(disks=[None]) == virt.Size()
    assert [virt.Size(disks=[None, 5]).disk(index) for index in range(3)] == [None, 5, None]


def test_only_disks_need_a_feature() -> None:
    assert not list(virt.Size(vcpus=2, memory_bytes=MiB(64)).features())
    assert list(virt.Size(disks=[GiB(1)]).features()) == [(virt.Feature.RESIZE_DISKS, "disks")]


def test_each_part_of_a_live_size_needs_a_feature() -> None:
    both = virt.Size(vcpus=2, memory_bytes=MiB(64))
    features = [(virt.Feature.LIVE_VCPUS, "vcpus"), (virt.Feature.LIVE_MEMORY, "memory_bytes")]
    assert list(both.live_features()) == features
    for size, field in ((virt.Size(), "size"), (virt.Size(vcpus=2, disks=[GiB(1)]), "disks")):
        with pytest.raises(virt.InvalidSpec) as caught:
            list(size.live_features())
        assert caught.value.field == field


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"vcpus": 0}, "vcpus"),
        ({"vcpus": True}, "vcpus"),
        ({"memory_bytes": MiB(1) + 1}, "memory_bytes"),
        ({"memory_bytes": "1G"}, "memory_bytes"),
        ({"disks": [GiB(1), 0]}, "disks[1]"),
        ({"disks": "1G"}, "disks"),
        ({"disks": [1] * 65}, "disks"),
    ],
)
def test_what_is_no_size_is_refused(fields: dict[str, Any], field: str) -> None:
    with pytest.raises(virt.InvalidSpec) as caught:
        virt.Size(**fields)
    assert caught.value.field == field


def test_encoding_is_read_back() -> None:
    size = virt.Size(vcpus=2, disks=[None, GiB(1)])
    assert virt.Size.decode(size.encode() | {"of_a_later_version": 1}) == size
    with pytest.raises(virt.InvalidSpec):
        virt.Size.decode("large")

"""What guests read from volumes and write to them, on the fake driver with counters of the test's own."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest
from nova import objects

import nova_virt_api as virt

VOLUME = "6f2b0f60-7a57-4f8e-9a4a-0d1f7a0f6c01"
REACHED = {"driver_volume_type": "iscsi", "serial": VOLUME, "data": {}}


@pytest.fixture
def counted(driver: Any, running: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """An instance with a volume whose disk has counters."""
    driver.attach_volume(None, REACHED, running, "/dev/vdb")
    (volume,) = driver.compute.volumes(UUID(running.uuid))
    disk = virt.DiskMetrics(
        device=volume.device, read_bytes=10, read_requests=1, write_bytes=20, write_requests=2, flush_requests=3
    )
    (sample,) = driver.compute.metrics()
    assert disk.device not in [each.device for each in sample.disks]
    monkeypatch.setattr(driver.compute, "metrics", lambda: (replace(sample, disks=(*sample.disks, disk)),))
    return running


def bdm(**more: Any) -> Any:
    """A block device as Nova's database has it."""
    return SimpleNamespace(**{"is_volume": True, "volume_id": VOLUME, "device_name": "/dev/vdb"} | more)


def test_all_volumes_are_counted_in_one_call(driver: Any, counted: Any, make_instance: Any) -> None:
    off = make_instance()
    asked = [{"instance": counted, "instance_bdms": [bdm()]}, {"instance": off, "instance_bdms": [bdm()]}]
    assert driver.get_all_volume_usage(None, asked) == [
        {"volume": VOLUME, "instance": counted, "rd_req": 1, "rd_bytes": 10, "wr_req": 2, "wr_bytes": 20}
    ]


def test_a_volume_that_the_guest_does_not_have_is_not_counted(driver: Any, counted: Any) -> None:
    asked = [{"instance": counted, "instance_bdms": [bdm(volume_id="another")]}]
    assert driver.get_all_volume_usage(None, asked) == []


@pytest.mark.parametrize(("name", "stats"), [("vdb", (1, 10, 2, 20, 3)), ("vda", None), ("vdc", None)])
def test_one_disk_by_novas_name(
    driver: Any, counted: Any, monkeypatch: pytest.MonkeyPatch, name: str, stats: Any
) -> None:
    devices = [bdm(is_volume=False, device_name="/dev/vda"), bdm()]
    monkeypatch.setattr(
        objects.BlockDeviceMappingList, "get_by_instance_uuid", lambda context, uuid: devices * (uuid == counted.uuid)
    )
    assert driver.block_stats(counted, name) == stats


def test_a_guest_that_is_gone_is_not_counted(driver: Any, counted: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nova counts before it detaches, and would not detach: a rebuild removes the guest first."""
    monkeypatch.setattr(objects.BlockDeviceMappingList, "get_by_instance_uuid", lambda context, uuid: [bdm()])
    driver.destroy(None, counted, [])
    assert driver.block_stats(counted, "vdb") is None

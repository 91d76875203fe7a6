"""Which nodes will do, and in which order they are tried."""

import uuid
from dataclasses import replace
from typing import Any

import pytest

from nova_virt_api.errors import InvalidSpec, NoCapacity, NotSupported
from nova_virt_api.model.disk import Disk
from nova_virt_api.model.image import BackendUrl, Checksum, ImageFormat, LocalFile, Native
from nova_virt_api.model.placement import Placement
from nova_virt_api.model.spec import Firmware, InstanceSpec
from nova_virt_ironic.choice import candidates, kind, misfit, taken
from nova_virt_ironic.extras import BootIso, Hardware, PartitionImage
from nova_virt_ironic.images import check, deployment, trouble_with
from nova_virt_ironic.node import NodeRow

ROW = NodeRow(
    uuid=str(uuid.uuid4()),
    name="rack1",
    provision_state="available",
    power_state="power off",
    properties={"cpus": "8", "memory_mb": 16384, "local_gb": 100, "capabilities": "boot_mode:uefi,raid:10"},
    resource_class="Gold.big",
    traits=("CUSTOM_A", "HW_B"),
    deploy_interface="direct",
)
GIB = 1024**3


def spec(**more: Any) -> InstanceSpec:
    """A spec of a small guest."""
    usual: dict[str, Any] = {
        "uuid": uuid.uuid4(),
        "name": "web",
        "memory_bytes": GIB,
        "disks": [Disk(source=Native("image"))],
    }
    return InstanceSpec(**(usual | more))


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({}, ""),
        ({"instance_uuid": uuid.uuid4()}, "guest"),
        ({"maintenance": True, "maintenance_reason": "fan"}, "fan"),
        ({"provision_state": "clean failed"}, "clean failed"),
        ({"target_provision_state": "manageable"}, "available"),
        ({"retired": True}, "retired"),
        ({"power_state": None}, "power"),
        ({"power_state": "error"}, "power"),
    ],
)
def test_taken(change: dict[str, Any], why: str) -> None:
    """Only a node that is available, free, in order and whose power is known can be claimed."""
    found = taken(replace(ROW, **change))
    assert bool(found) == bool(why)
    assert why in found


@pytest.mark.parametrize(
    ("more", "fits"),
    [
        ({"vcpus": 8}, True),
        ({"vcpus": 9}, False),
        ({"memory_bytes": 17 * GIB}, False),
        ({"disks": [Disk(source=Native("i"), size_bytes=101 * GIB)]}, False),
        ({"extras": [Hardware(resource_class="CUSTOM_GOLD_BIG")]}, True),
        ({"extras": [Hardware(resource_class="silver")]}, False),
        ({"extras": [Hardware(traits=["HW_B"], capabilities={"raid": "10"})]}, True),
        ({"extras": [Hardware(traits=["HW_C"])]}, False),
        ({"extras": [Hardware(capabilities={"raid": "1"})]}, False),
    ],
)
def test_misfit(more: dict[str, Any], fits: bool) -> None:
    """CPUs, memory and disk are minima; resource class, traits and capabilities must be there."""
    assert (misfit(spec(**more), ROW) == "") is fits


def test_order() -> None:
    """Nodes that do not say what they are come last, locked ones later than others."""
    locked, unknown = replace(ROW, uuid="l", reservation="c1"), replace(ROW, uuid="u", properties={})
    assert [row.uuid for row in candidates(spec(), [unknown, locked, ROW])] == [ROW.uuid, "l", "u"]
    many = [replace(ROW, uuid=str(number)) for number in range(50)]
    orders = {tuple(row.uuid for row in candidates(spec(), many)) for _ in range(5)}
    assert len(orders) > 1


def test_nothing_to_choose() -> None:
    """The error says whether the name, the fit or the time was wrong."""
    with pytest.raises(InvalidSpec, match="rack1"):
        candidates(spec(placement=Placement(node="rack2")), [ROW])
    with pytest.raises(NoCapacity, match="free"):
        candidates(spec(), [replace(ROW, maintenance=True)])
    with pytest.raises(NoCapacity, match="needs it"):
        candidates(spec(vcpus=99), [ROW])
    with pytest.raises(NoCapacity, match="8 CPUs"):
        candidates(spec(vcpus=99, placement=Placement(node="rack1")), [ROW])


def test_kinds_are_compared_as_placement_does() -> None:
    """Ironic's spelling and Placement's are the same class."""
    assert kind("gold-big") == kind("CUSTOM_GOLD_BIG") != kind("gold")


def test_image_by_url() -> None:
    """A URL goes with its checksum and format; the size is that of a root partition."""
    source = BackendUrl("http://x/i", Checksum(algorithm="sha512", digest="0" * 128), ImageFormat.QCOW2)
    info = deployment(spec(disks=[Disk(source=source, size_bytes=GIB + 1)], firmware=Firmware.BIOS), ROW)
    assert info == {
        "image_source": "http://x/i",
        "image_os_hash_algo": "sha512",
        "image_os_hash_value": "0" * 128,
        "image_disk_format": "qcow2",
        "root_gb": 2,
        "capabilities": {"boot_mode": "bios"},
    }


def test_iso_and_partition_image() -> None:
    """An ISO is started by the ramdisk deployment, for this once; a partition image brings its kernel."""
    iso = spec(disks=(), extras=[BootIso("http://x/boot.iso")])
    assert deployment(iso, ROW) == {"boot_iso": "http://x/boot.iso", "deploy_interface": "ramdisk"}
    assert "deploy_interface" not in deployment(iso, replace(ROW, deploy_interface="ramdisk"))
    info = deployment(spec(extras=[PartitionImage(kernel="k", ramdisk="r"), Hardware(traits=["HW_B"])]), ROW)
    assert info == {"image_source": "image", "kernel": "k", "ramdisk": "r", "traits": ["HW_B"]}


def test_what_cannot_be_deployed() -> None:
    """Exactly one thing to start from, of a kind that Ironic takes."""
    with pytest.raises(InvalidSpec, match="nothing to start from"):
        check(spec(disks=()))
    with pytest.raises(InvalidSpec, match="BootIso and disks"):
        check(spec(extras=[BootIso("http://x/boot.iso")]))
    with pytest.raises(NotSupported):
        deployment(spec(disks=[Disk(source=LocalFile("x"))]), ROW)
    vmdk = BackendUrl("http://x/i", Checksum(digest="0" * 64), ImageFormat.VMDK)
    with pytest.raises(InvalidSpec, match="qcow2"):
        deployment(spec(disks=[Disk(source=vmdk)]), ROW)


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("Validation of image href x failed, reason: Got HTTP code 404", "ImageNotFound"),
        ("Image 7f could not be found.", "ImageNotFound"),
        ("Error verifying image checksum: Image failed to verify against checksum", "ImageRejected"),
        ("the management controller does not answer", "NoneType"),
    ],
)
def test_trouble_with_an_image(text: str, error: str) -> None:
    """What Ironic says of an image becomes the error that callers know."""
    assert type(trouble_with(spec(), text)).__name__ == error


@pytest.mark.parametrize(
    ("said", "wanted", "fits"),
    [
        ("boot_mode:uefi", Firmware.UEFI, True),
        ("boot_mode:uefi", Firmware.BIOS, False),
        ("raid:10", Firmware.BIOS, True),
        ("boot_mode:bios", None, True),
    ],
)
def test_firmware(said: str, wanted: Firmware | None, fits: bool) -> None:
    """A node that is said to start otherwise is not taken: Ironic would go by the node and not by the guest."""
    row = replace(ROW, properties={"capabilities": said})
    assert (misfit(spec(firmware=wanted), row) == "") is fits

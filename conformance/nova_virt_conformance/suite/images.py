"""Disks that begin as images: good ones become disks of the right size, bad ones are refused and leave nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest

from nova_virt_api.capability import Feature
from nova_virt_api.driver.driver import Driver
from nova_virt_api.errors import ImageNotFound, ImageRejected, InvalidSpec, StateAfter, VirtError
from nova_virt_api.model.disk import Disk
from nova_virt_api.model.image import Checksum, ImageFormat, LocalFile, Native, Store, Url
from nova_virt_api.model.instance import PowerState
from nova_virt_api.model.units import MiB
from nova_virt_conformance.aftermath import check_gone, leaving_nothing
from nova_virt_conformance.covers import covers, needs
from nova_virt_conformance.image_files import BAD, GOOD, QCOW2, RAW, VIRTUAL_SIZE, WITH_BACKING_FILE, ImageFile
from nova_virt_conformance.image_server import serving
from nova_virt_conformance.lab import Lab
from nova_virt_conformance.outcome import NotApplicable
from nova_virt_conformance.promise import Promise

if TYPE_CHECKING:
    from nova_virt_conformance.hardware import Hardware

WRONG: Final = Checksum(digest="0" * 64)
UNKNOWN: Final = "conformance-no-such-image"


def made(lab: Lab, disk: Disk) -> Hardware:
    """Spawn a guest with this disk; what the backend has of it.

    Raises:
        NotApplicable: the endpoint does not take this kind of source.
    """
    spec = lab.spec(disks=(disk,))
    try:
        guest = lab.compute.spawn(spec, timeout=lab.patience)
    except VirtError as error:
        require_taken(error, 0)
        raise
    assert guest.power_state is PowerState.RUNNING
    return lab.rig.hardware(spec.uuid)


def refusal(lab: Lab, *disks: Disk) -> VirtError:
    """What a spec with these disks, of which the last is bad, is refused with; nothing comes of it.

    Raises:
        NotApplicable: the endpoint does not take this kind of source.
    """
    spec = lab.spec(disks=disks, power_on=False)
    with leaving_nothing(lab, "the failed spawn"), pytest.raises(VirtError) as caught:
        lab.compute.spawn(spec, timeout=lab.patience)
    check_gone(lab, spec.uuid)
    require_taken(caught.value, len(disks) - 1)
    assert caught.value.state_after is StateAfter.UNCHANGED
    assert not caught.value.leftovers
    return caught.value


def require_taken(error: VirtError, index: int) -> None:
    """Leave a test out where the endpoint says that it does not take such a source for this disk."""
    if isinstance(error, InvalidSpec) and error.field == f"disks[{index}].source":
        raise NotApplicable(error.message) from error


# --- good ones --------------------------------------------------------------------------------------------------------


@covers(Promise.IMAGES, Feature.CLIENT_IMAGES, Driver.spawn)
@pytest.mark.parametrize("image", GOOD, ids=lambda image: image.format.value)
def test_disk_from_a_file_has_the_images_size(lab: Lab, image: ImageFile) -> None:
    """A disk that is made from a file of the client, with the right checksum, is as large as the image's disk."""
    hardware = made(lab, Disk(source=image.source(lab.directory, checksum=image.checksum())))
    assert [disk.size_bytes for disk in hardware.disks] == [VIRTUAL_SIZE]


@covers(Promise.IMAGES, Feature.CLIENT_IMAGES, Driver.spawn)
def test_disk_may_be_larger_than_its_image(lab: Lab) -> None:
    """A disk is as large as was asked for, where that is more than the image has."""
    hardware = made(lab, Disk(source=QCOW2.source(lab.directory), size_bytes=VIRTUAL_SIZE + MiB(6)))
    assert [disk.size_bytes for disk in hardware.disks] == [VIRTUAL_SIZE + MiB(6)]


@covers(Promise.IMAGES, Feature.CLIENT_IMAGES, Driver.spawn)
def test_image_from_a_url(lab: Lab) -> None:
    """An image is fetched from a URL that the client can reach, and its checksum is checked."""
    with serving(lab.directory) as address:
        url = f"{address}/{QCOW2.written(lab.directory).name}"
        hardware = made(lab, Disk(source=Url(url, format=ImageFormat.QCOW2, checksum=QCOW2.checksum())))
        assert [disk.size_bytes for disk in hardware.disks] == [VIRTUAL_SIZE]
        wrong = refusal(lab, Disk(source=Url(url, format=ImageFormat.QCOW2, checksum=WRONG)))
        assert isinstance(wrong, ImageRejected), repr(wrong)
        missing = refusal(lab, Disk(source=Url(f"{address}/{UNKNOWN}", checksum=WRONG)))
        assert isinstance(missing, ImageNotFound), repr(missing)


@covers(Promise.IMAGES, Feature.BACKEND_URL, Driver.spawn)
def test_image_that_the_backend_fetches(lab: Lab) -> None:
    """An image is fetched by the backend itself, and the guest that is made from it runs."""
    hardware = made(lab, Disk(source=lab.rig.backend_url()))
    assert hardware.disks, "the guest has no disk"


# --- bad ones ---------------------------------------------------------------------------------------------------------


@covers(Promise.IMAGES, Feature.CLIENT_IMAGES, Driver.spawn)
@pytest.mark.parametrize("image", BAD, ids=lambda image: image.name)
def test_bad_image_is_rejected(lab: Lab, image: ImageFile) -> None:
    """Bytes that are not what they are declared to be, not whole or not safe are ImageRejected; nothing is left."""
    error = refusal(lab, Disk(source=image.source(lab.directory)))
    assert isinstance(error, ImageRejected), repr(error)
    assert error.why


@covers(Promise.IMAGES, Feature.CLIENT_IMAGES, Driver.spawn)
def test_undeclared_image_with_a_backing_file_is_rejected(lab: Lab) -> None:
    """An image that names a backing file is refused also if nobody said what format it is."""
    error = refusal(lab, Disk(source=LocalFile(WITH_BACKING_FILE.written(lab.directory))))
    assert isinstance(error, ImageRejected), repr(error)


@covers(Promise.IMAGES, Feature.CLIENT_IMAGES, Driver.spawn)
def test_wrong_checksum_is_rejected(lab: Lab) -> None:
    """An image with another checksum than the spec says is ImageRejected, also if the same bytes were used before."""
    made(lab, Disk(source=RAW.source(lab.directory, checksum=RAW.checksum())))
    error = refusal(lab, Disk(source=RAW.source(lab.directory, checksum=WRONG)))
    assert isinstance(error, ImageRejected), repr(error)


@covers(Promise.IMAGES, Feature.CLIENT_IMAGES, Driver.spawn)
def test_missing_file_is_not_found(lab: Lab) -> None:
    """A file that is not there is ImageNotFound."""
    error = refusal(lab, Disk(source=LocalFile(lab.directory / UNKNOWN, format=ImageFormat.RAW)))
    assert isinstance(error, ImageNotFound), repr(error)


@covers(Feature.BACKEND_URL, Driver.spawn)
def test_wrong_image_that_the_backend_fetches_is_rejected(lab: Lab) -> None:
    """An image that the backend fetches and finds to have another checksum is ImageRejected; nothing is left."""
    error = refusal(lab, Disk(source=lab.rig.wrong_backend_url()))
    assert isinstance(error, ImageRejected), repr(error)


@covers(Promise.IMAGES, Driver.spawn)
def test_unknown_native_image_is_not_found(lab: Lab) -> None:
    """A native reference that the backend does not know is ImageNotFound."""
    error = refusal(lab, Disk(source=Native(UNKNOWN)))
    assert isinstance(error, ImageNotFound), repr(error)


@covers(Promise.IMAGES, Feature.CLIENT_IMAGES, Driver.spawn)
def test_unknown_image_store_is_refused(lab: Lab) -> None:
    """An image of a store that no plug-in knows is InvalidSpec."""
    spec = lab.spec(disks=(Disk(source=Store("conformance-none", UNKNOWN)),))
    with leaving_nothing(lab, "the failed spawn"), pytest.raises(InvalidSpec) as caught:
        lab.compute.spawn(spec, timeout=lab.patience)
    assert "source" in caught.value.field
    check_gone(lab, spec.uuid)


@covers(Promise.IMAGES, Feature.CLIENT_IMAGES, Driver.spawn)
def test_disk_smaller_than_its_image_is_refused(lab: Lab) -> None:
    """A size below the image's own is InvalidSpec and names the field; no guest loses the end of its disk."""
    error = refusal(lab, Disk(source=QCOW2.source(lab.directory), size_bytes=VIRTUAL_SIZE - MiB(1)))
    assert isinstance(error, InvalidSpec), repr(error)
    assert error.field == "disks[0].size_bytes"


@covers(Promise.IMAGES, Feature.CLIENT_IMAGES, Driver.spawn)
@needs(Feature.MULTIPLE_DISKS)
def test_bad_image_after_a_good_disk_leaves_nothing(lab: Lab) -> None:
    """When a later disk's image is bad, the disks that were made before it are removed again."""
    error = refusal(lab, lab.disk(), Disk(source=WITH_BACKING_FILE.source(lab.directory)))
    assert isinstance(error, ImageRejected), repr(error)

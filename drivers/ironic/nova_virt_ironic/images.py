"""What a node is to be deployed with, in the words of Ironic's ``instance_info``."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any, Final

from nova_virt_api.capability import Feature
from nova_virt_api.errors import ImageNotFound, ImageRejected, InvalidSpec, NotSupported, VirtError
from nova_virt_api.model.image import BackendUrl, ImageFormat, Native
from nova_virt_ironic.errors import cleaned
from nova_virt_ironic.extras import BootIso, Hardware, PartitionImage

if TYPE_CHECKING:
    from nova_virt_api.model.disk import Disk
    from nova_virt_api.model.spec import InstanceSpec
    from nova_virt_ironic.node import NodeRow

GIB: Final = 1024**3
RAMDISK: Final = "ramdisk"
"""Ironic's way of deploying that starts what it is given and writes no disk."""

WRITABLE: Final = {ImageFormat.RAW: "raw", ImageFormat.QCOW2: "qcow2"}
"""Formats that Ironic's agent writes to a disk."""

MISSING: Final = re.compile(
    r"Validation of image href|Image \S+ could not be found|Could not find image|No image found"
)
WRONG: Final = re.compile(
    r"checksum|Image \S+ is unacceptable|hash (value|algorithm)|not (?:an? )?(?:allowed|permitted) image", re.I
)
"""What Ironic's conductor and agent say (``ironic.common.exception``, ironic-python-agent's ``errors``)."""


def deployment(spec: InstanceSpec, row: NodeRow) -> dict[str, Any]:
    """Everything of ``instance_info`` that says what the guest is made from.

    Raises:
        InvalidSpec: there is nothing to start from, or too much.
    """
    check(spec)
    info: dict[str, Any] = {}
    if (iso := boot_iso(spec)) is not None:
        info["boot_iso"] = iso.url
        if row.deploy_interface != RAMDISK:
            info["deploy_interface"] = RAMDISK  # for this deployment only: it goes with instance_info
    elif spec.disks:
        info |= image(spec.disks[0].source) | size(spec.disks[0])
    for extra in spec.extras:
        if isinstance(extra, PartitionImage):
            info |= {"kernel": extra.kernel, "ramdisk": extra.ramdisk}
        if isinstance(extra, Hardware) and extra.traits:
            info["traits"] = list(extra.traits)  # deploy templates are found by them
    if spec.firmware is not None:
        info["capabilities"] = {"boot_mode": spec.firmware.value}
    return info


def check(spec: InstanceSpec) -> None:
    """Refuse a guest that has nothing to start from, or more than one thing.

    Raises:
        InvalidSpec: says so.
    """
    starts = [
        *(["BootIso"] if boot_iso(spec) is not None else []),
        *(["disks[0]"] if spec.disks else []),
        *(f"volumes[{index}]" for index, volume in enumerate(spec.volumes) if volume.boot),
    ]
    if len(starts) != 1:
        allowed = "one of: an image on disks[0], a volume with boot=True, the extra BootIso"
        raise InvalidSpec("disks", " and ".join(starts) or "nothing to start from", allowed)
    for index, extra in enumerate(spec.extras):
        if isinstance(extra, PartitionImage) and not spec.disks:
            raise InvalidSpec(f"extras[{index}]", "PartitionImage", "a guest with an image on disks[0]")


def boot_iso(spec: InstanceSpec) -> BootIso | None:
    """The ISO image that the guest starts from, if any."""
    return next((extra for extra in spec.extras if isinstance(extra, BootIso)), None)


def image(source: Any) -> dict[str, Any]:
    """An image as Ironic takes it: a reference to one of Glance's, or a URL with its checksum."""
    if isinstance(source, Native):
        return {"image_source": source.ref}
    if not isinstance(source, BackendUrl):
        raise NotSupported(
            Feature.CLIENT_IMAGES, "disks[0].source", "Ironic fetches images itself: Native or BackendUrl"
        )
    info = {
        "image_source": source.url,
        "image_os_hash_algo": source.checksum.algorithm,
        "image_os_hash_value": source.checksum.digest,
    }
    if source.format is not None:
        if source.format not in WRITABLE:
            raise InvalidSpec("disks[0].source.format", source.format.value, "raw or qcow2")
        info["image_disk_format"] = WRITABLE[source.format]
    return info


def size(disk: Disk) -> dict[str, Any]:
    """The size of the root partition of a partition image; an image of a whole disk brings its own."""
    return {} if disk.size_bytes is None else {"root_gb": math.ceil(disk.size_bytes / GIB)}


def trouble_with(source: object, text: str) -> VirtError | None:
    """The error for what Ironic says of an image; None if it speaks of something else.

    Args:
        source: the image, as ``instance_info`` has it.
        text: why a deployment is impossible or failed, in Ironic's words.
    """
    if MISSING.search(text):
        hint = "check the reference, and that Ironic's conductors reach the image"
        return ImageNotFound(f"Ironic does not find the image: {text}", hint=hint)
    if WRONG.search(text):
        return ImageRejected(cleaned(str(source or "of the guest")), text)
    return None

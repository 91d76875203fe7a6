"""A guest's own disks: from the image, the ephemeral ones, swap."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from nova import exception

import nova_virt_api as virt
from nova_virt_bridge.glance import SignedImage
from nova_virt_bridge.limits import disk_limits
from nova_virt_bridge.volumes import boots_from_volume

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nova_virt_api.model.image import ImageSource
    from nova_virt_bridge.spec import Request

SCHEME = "glance"


BUSES: Final = {bus.value: bus for bus in virt.DiskBus}
"""Nova names buses as we do."""


def disks_of(request: Request, told: virt.Capabilities) -> tuple[virt.Disk, ...]:
    """The disks in the order in which the guest sees them. A whole machine brings its own, as large as they are.

    Ephemeral disks and swap come empty: the guest makes a file system there, and swap space, for itself. All are on the
    bus that the image asks for, and as fast as the flavor lets them be.

    Args:
        request: what Nova asks for.
        told: the endpoint's capabilities.
    """
    whole = told.has(virt.Feature.WHOLE_NODES)
    disks = [] if boots_from_volume(request.block_devices) else [root_disk(request, told, whole=whole)]
    if whole:
        return tuple(disks)
    bus = bus_of(request.image_meta, told)
    limits = disk_limits(request.instance.flavor.get("extra_specs", {}))
    return tuple(replace(disk, bus=bus, limits=limits) for disk in (*disks, *blank_disks(request)))


def bus_of(image: Any, told: virt.Capabilities) -> virt.DiskBus | None:
    """The bus that an image's properties ask for; None where they ask for none, or where there is no choice."""
    return BUSES.get(image.properties.get("hw_disk_bus")) if told.has(virt.Feature.DISK_BUS) else None


def root_disk(request: Request, told: virt.Capabilities, *, whole: bool) -> virt.Disk:
    """The disk from the image; a flavor of 0 GB takes the image's own size."""
    size = request.instance.flavor.root_gb
    source = image_source(request.instance.image_ref, told, request.instance.trusted_certs)
    return virt.Disk(source=source, size_bytes=None if whole or not size else virt.GiB(size))


def image_source(image_ref: str, told: virt.Capabilities, trusted_certs: Any = None) -> ImageSource:
    """One of Glance's images: read through nova-virt-api's own checks, or by the endpoint itself if it has to be.

    Args:
        image_ref: the image.
        told: the endpoint's capabilities.
        trusted_certs: the instance's, if its image must be signed.

    Raises:
        CertificateValidationFailed: it must be, and the endpoint fetches images itself.
    """
    if told.has(virt.Feature.CLIENT_IMAGES):
        certificates = tuple(trusted_certs.ids) if trusted_certs else ()
        return virt.Store(SCHEME, str(SignedImage(image_ref, certificates)))
    if trusted_certs:
        reason = f"image {image_ref} is fetched by the endpoint, which checks no signatures"
        raise exception.CertificateValidationFailed(cert_uuid=",".join(trusted_certs.ids), reason=reason)
    return virt.Native(image_ref)


def blank_disks(request: Request) -> Iterator[virt.Disk]:
    """The disks that come empty."""
    devices: Any = request.block_devices
    for device in devices.get("ephemerals") or ():
        yield virt.Disk(source=virt.Blank(), size_bytes=virt.GiB(device["size"]))
    swap = devices.get("swap")
    if swap and swap["swap_size"]:
        yield virt.Disk(source=virt.Blank(), size_bytes=virt.MiB(swap["swap_size"]))

"""What a flavor or an image may demand that the bridge cannot pass on: refused and not dropped silently."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Final

from nova import exception

import nova_virt_api as virt
from nova_virt_bridge.words import ABOUT_BUSES, IMAGE_PROPERTIES, word_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nova_virt_bridge.spec import Request

LOG = logging.getLogger(__name__)
WAY_OUT: Final = "take it out of the flavor or the image, or choose a host that can"


def check_demands(request: Request, told: virt.Capabilities) -> None:
    """Refuse what would be ignored.

    A server that was made before its words were refused goes on without them: else it could not be brought back.

    Args:
        request: what Nova asks for.
        told: the endpoint's capabilities.

    Raises:
        ComputeResourcesUnavailable: names the demands; Nova tries another host.
        ImageUnacceptable: the image is a root file system without a boot loader.
    """
    for name in ("kernel_id", "ramdisk_id"):
        if getattr(request.instance, name, None):
            reason = f"it needs {name}={getattr(request.instance, name)}; only images with a boot loader can be started"
            raise exception.ImageUnacceptable(image_id=request.instance.image_ref, reason=reason)
    said = [*flavor_words(request.instance.flavor), *image_words(request.image_meta, told)]
    if said and request.instance.launched_at is not None:
        LOG.warning("server %s goes on without: %s", request.instance.uuid, ", ".join(said))
        said = []
    refuse([*said, *demands(request), *(placed(request) if told.has(virt.Feature.WHOLE_NODES) else ())])


def check_image(request: Request, told: virt.Capabilities) -> None:
    """Refuse what would be ignored of an image that a server is given anew: it was not made with that one's words.

    Raises:
        ComputeResourcesUnavailable: names the words.
        ImageUnacceptable: as :func:`check_demands`.
    """
    check_demands(request, told)
    refuse(list(image_words(request.image_meta, told)))


def refuse(unmet: list[str]) -> None:
    """Say what cannot be had, if there is anything.

    Raises:
        ComputeResourcesUnavailable: names it; Nova tries another host.
    """
    if unmet:
        raise exception.ComputeResourcesUnavailable(
            reason=f"nova-virt-bridge cannot provide: {', '.join(unmet)}; {WAY_OUT}"
        )


def demands(request: Request) -> Iterator[str]:
    """What is asked for beside words and cannot be had."""
    instance = request.instance
    if instance.pci_requests is not None and instance.pci_requests.requests:
        yield "PCI devices"
    if request.accelerators:
        yield "accelerators"
    if any(device.get("encrypted") for device in own_devices(request)):
        yield "encrypted disks"


def flavor_words(flavor: Any) -> Iterator[str]:
    """The extra specs that cannot be had, with their values."""
    for name, value in sorted(flavor.get("extra_specs", {}).items()):
        if word_of(name).refuses(value):
            yield f"{name}={value}"


def image_words(image_meta: Any, told: virt.Capabilities) -> Iterator[str]:
    """The properties that cannot be had, with their values; where disks have no choice of a bus, none is about that."""
    chosen = told.has(virt.Feature.DISK_BUS)
    for name, word in IMAGE_PROPERTIES.items():
        value = image_meta.properties.get(name) if chosen or name not in ABOUT_BUSES else None
        if value is not None and word.refuses(value):
            yield f"{name}={value}"


def placed(request: Request) -> Iterator[str]:
    """What cannot be asked of a whole machine: it is given as it is."""
    if request.instance.numa_topology is not None:
        yield "a NUMA topology"


def own_devices(request: Request) -> Iterator[Any]:
    """The guest's own disks as Nova knows them."""
    devices = request.block_devices
    yield from devices.get("image") or ()
    yield from devices.get("ephemerals") or ()
    if devices.get("swap"):
        yield devices["swap"]

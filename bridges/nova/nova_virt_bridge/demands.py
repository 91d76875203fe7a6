"""What a flavor or an image may demand that the bridge cannot pass on: refused and not dropped silently."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from nova import exception

from nova_virt_bridge.words import IMAGE_PROPERTIES, word_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nova_virt_bridge.spec import Request

WAY_OUT: Final = "take it out of the flavor or the image, or choose a host that can"


def check_demands(request: Request, *, whole: bool) -> None:
    """Refuse what would be ignored.

    Args:
        request: what Nova asks for.
        whole: whether guests are whole machines.

    Raises:
        ComputeResourcesUnavailable: names the demands; Nova tries another host.
        ImageUnacceptable: the image is a root file system without a boot loader.
    """
    for name in ("kernel_id", "ramdisk_id"):
        if getattr(request.instance, name, None):
            reason = f"it needs {name}={getattr(request.instance, name)}; only images with a boot loader can be started"
            raise exception.ImageUnacceptable(image_id=request.instance.image_ref, reason=reason)
    refuse([*demands(request), *(placed(request) if whole else ())])


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
    """What is asked for and cannot be had, in Nova's words."""
    instance = request.instance
    yield from words(instance.flavor, request.image_meta)
    if instance.pci_requests is not None and instance.pci_requests.requests:
        yield "PCI devices"
    if request.accelerators:
        yield "accelerators"
    if any(device.get("encrypted") for device in own_devices(request)):
        yield "encrypted disks"


def words(flavor: Any, image_meta: Any) -> Iterator[str]:
    """The extra specs and properties that cannot be had, with their values."""
    for name, value in sorted(flavor.get("extra_specs", {}).items()):
        if word_of(name).refuses(value):
            yield f"{name}={value}"
    for name, word in IMAGE_PROPERTIES.items():
        value = image_meta.properties.get(name)
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

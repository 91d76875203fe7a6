"""What a flavor or an image may demand that the bridge cannot pass on: refused and not dropped silently."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from nova import exception

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nova_virt_bridge.spec import Request

EXTRA_SPECS: Final = ("hw:cpu_policy", "hw:cpu_realtime", "hw:mem_page_size", "hw:mem_encryption")
IMAGE_PROPERTIES: Final = ("hw_cpu_policy", "hw_mem_page_size", "hw_mem_encryption")


def check_demands(request: Request) -> None:
    """Refuse what would be ignored.

    Raises:
        ComputeResourcesUnavailable: names the demands; Nova tries another host.
        ImageUnacceptable: the image is a root file system without a boot loader.
    """
    for name in ("kernel_id", "ramdisk_id"):
        if getattr(request.instance, name, None):
            reason = f"it needs {name}={getattr(request.instance, name)}; only images with a boot loader can be started"
            raise exception.ImageUnacceptable(image_id=request.instance.image_ref, reason=reason)
    unmet = list(demands(request))
    if unmet:
        raise exception.ComputeResourcesUnavailable(reason=f"nova-virt-bridge cannot provide: {', '.join(unmet)}")


def demands(request: Request) -> Iterator[str]:
    """What is asked for and cannot be had, in Nova's words."""
    instance = request.instance
    extra = instance.flavor.get("extra_specs", {})
    yield from (f"{name}={extra[name]}" for name in EXTRA_SPECS if name in extra)
    yield from (name for name in IMAGE_PROPERTIES if wanted(request, name) is not None)
    if instance.numa_topology is not None:
        yield "a NUMA topology"
    if instance.pci_requests is not None and instance.pci_requests.requests:
        yield "PCI devices"
    if request.accelerators:
        yield "accelerators"
    if any(device.get("encrypted") for device in own_devices(request)):
        yield "encrypted disks"


def wanted(request: Request, name: str) -> Any:
    """A property of the image; None where it has none."""
    return request.image_meta.properties.get(name)


def own_devices(request: Request) -> Iterator[Any]:
    """The guest's own disks as Nova knows them."""
    devices = request.block_devices
    yield from devices.get("image") or ()
    yield from devices.get("ephemerals") or ()
    if devices.get("swap"):
        yield devices["swap"]

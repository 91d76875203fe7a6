"""What the endpoint can do, in the flags by which nova-compute and the scheduler choose."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import nova.conf
from nova.virt.driver import ComputeDriver

import nova_virt_api as virt
from nova_virt_bridge.errors import HOST, nova_errors
from nova_virt_bridge.site import Bridged

CONF = nova.conf.CONF

FLAGS: Final[Mapping[str, virt.Capability | virt.Feature]] = {
    "has_imagecache": virt.Capability.IMAGE_CACHE,
    "supports_attach_interface": virt.Capability.INTERFACES,
    "supports_device_tagging": virt.Feature.DISK_TAG,
    "supports_tagged_attach_interface": virt.Feature.NIC_TAG,
    "supports_tagged_attach_volume": virt.Feature.VOLUME_TAG,
    "supports_extend_volume": virt.Feature.EXTEND_VOLUME,
    "supports_multiattach": virt.Feature.VOLUME_SHARED,
    "supports_trusted_certs": virt.Feature.CLIENT_IMAGES,
    "supports_pcpus": virt.Feature.DEDICATED_CPUS,
    "supports_secure_boot": virt.Feature.SECURE_BOOT,
    "supports_stateless_firmware": virt.Feature.STATELESS_FIRMWARE,
    "supports_vtpm": virt.Feature.TPM,
    "supports_virtio_fs": virt.Capability.SHARES,
    "supports_mem_backing_file": virt.Capability.SHARES,
    "supports_image_type_raw": virt.Feature.CLIENT_IMAGES,
    "supports_image_type_qcow2": virt.Feature.CLIENT_IMAGES,
    "supports_image_type_vmdk": virt.Feature.CLIENT_IMAGES,
    "supports_image_type_vdi": virt.Feature.CLIENT_IMAGES,
    "supports_image_type_vhd": virt.Feature.CLIENT_IMAGES,
    "supports_image_type_vhdx": virt.Feature.CLIENT_IMAGES,
}
"""Flags that follow from one answer of the endpoint. Images of the client's side pass our pipeline, which converts."""

SHARING: Final = ("supports_virtio_fs", "supports_mem_backing_file")
"""What only counts where nova-compute has a place to mount shares."""

NATIVE_IMAGES: Final = ("supports_image_type_raw", "supports_image_type_qcow2")
"""What an endpoint takes that fetches Glance's images itself, as Nova's Ironic driver declares it."""


class Capabilities(Bridged):
    """Nova's flags; before the endpoint is open nothing is promised."""

    @property
    def capabilities(self) -> dict[str, bool]:
        flags: dict[str, bool] = dict(ComputeDriver.capabilities)
        if self.site.is_open:
            with nova_errors(HOST):
                flags |= flags_of(self.compute.capabilities(), len(self.compute.nodes()))
            if not CONF.nova_virt.share_dir:
                flags |= dict.fromkeys(SHARING, False)
        return flags

    def capabilities_as_traits(self) -> dict[str, Any]:
        """The base class reads the flags once for each trait; here that is one question to the endpoint."""
        seen = Seen()
        seen.capabilities = self.capabilities
        traits: dict[str, Any] = seen.capabilities_as_traits()
        return traits


class Seen(ComputeDriver):
    """Nova's way from flags to traits, with flags of one moment."""

    def __init__(self) -> None:
        super().__init__(virtapi=None)


def flags_of(told: virt.Capabilities, nodes: int) -> dict[str, bool]:
    """The flags that the endpoint decides.

    Args:
        told: its capabilities.
        nodes: how many nodes it has.
    """
    flags = {flag: told.has(what) for flag, what in FLAGS.items()}
    whole = told.has(virt.Feature.WHOLE_NODES)
    if not told.has(virt.Feature.CLIENT_IMAGES):
        flags |= dict.fromkeys(NATIVE_IMAGES, whole)
    # Behind an endpoint of many nodes an evacuated guest's uuid is still taken by the guest that is to be replaced.
    flags["supports_evacuate"] = nodes == 1 and not whole
    return flags

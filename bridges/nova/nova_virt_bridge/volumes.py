"""Cinder's volumes as ours, and who a node is to Cinder."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import nova.conf
from nova.virt import driver

import nova_virt_api as virt
from nova_virt_bridge.errors import nova_errors
from nova_virt_bridge.site import Bridged

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

CONF = nova.conf.CONF


class Volumes(Bridged):
    """Nova's methods about volumes that need nothing of a guest. Attaching to a guest is not in the contract yet."""

    def get_volume_connector(self, instance: Any) -> dict[str, Any]:
        with nova_errors(instance=instance):
            told = self.compute.volume_connector(self.site.nodes.home(instance).id)
        connector: dict[str, Any] = {"host": CONF.host, "ip": next(iter(told.addresses), CONF.my_block_storage_ip)}
        if told.iscsi_initiator is not None:
            connector["initiator"] = told.iscsi_initiator
        if told.wwpns:
            connector |= {"wwpns": list(told.wwpns), "wwnns": list(told.wwnns)}
        return connector


def volumes_of(block_devices: Mapping[str, Any]) -> tuple[virt.Volume, ...]:
    """The volumes that the guest uses from the start, the one to boot from first."""
    return tuple(sorted(volumes(block_devices), key=lambda volume: not volume.boot))


def volumes(block_devices: Mapping[str, Any]) -> Iterator[virt.Volume]:
    """The volumes in Nova's order. How each is reached stays between Cinder and the endpoint's driver."""
    root = block_devices.get("root_device_name")
    for device in driver.block_device_info_get_mapping(block_devices):
        reached = device["connection_info"]
        properties = virt.Secret(json.dumps(reached["data"], default=str))
        yield virt.Volume(
            id=device.get("volume_id") or reached.get("serial") or reached["data"]["volume_id"],
            connection=virt.OpaqueVolume(reached["driver_volume_type"], properties),
            boot=is_root(device, root),
        )


def boots_from_volume(block_devices: Mapping[str, Any]) -> bool:
    """Whether the guest starts from a volume."""
    root = block_devices.get("root_device_name")
    return any(is_root(device, root) for device in driver.block_device_info_get_mapping(block_devices))


def is_root(device: Any, root: str | None) -> bool:
    """Whether the guest starts from this volume."""
    index = device.get("boot_index")
    return index == 0 if index is not None else root is not None and device.get("mount_device") == root

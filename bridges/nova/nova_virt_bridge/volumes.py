"""Cinder's volumes as ours."""

from __future__ import annotations

import binascii
import json
from typing import TYPE_CHECKING, Any, Final

import nova.conf
from castellan import key_manager
from nova import exception
from nova.virt import driver
from nova.volume import cinder
from os_brick import encryptors

import nova_virt_api as virt

if TYPE_CHECKING:
    from collections.abc import Mapping

CONF = nova.conf.CONF
READ_ONLY: Final = "ro"
DISK: Final = "disk"
LUKS: Final = "luks"
BACK_END: Final = "back-end"
BUSES: Final = {bus.value: bus for bus in virt.DiskBus}
"""Nova names buses as we do."""


def volumes_of(block_devices: Mapping[str, Any], context: Any) -> tuple[virt.Volume, ...]:
    """The volumes that the guest uses from the start, the one to boot from first.

    Args:
        block_devices: what ``nova.virt.driver.get_block_device_info`` returns.
        context: the request, by whose token the keys of encrypted volumes are read.

    Raises:
        InvalidVolume: Nova does not say which volume it is, or asks for what is no disk.
        NotSupported: it is encrypted in a way that is not ours.
    """
    root = block_devices.get("root_device_name")
    found = [
        volume_of(
            device["connection_info"],
            volume_id=device.get("volume_id"),
            boot=is_root(device, root),
            bus=device.get("disk_bus"),
            kind=device.get("device_type"),
            encryption=encryption_of(device["connection_info"], context),
            context=context,
        )
        for device in driver.block_device_info_get_mapping(block_devices)
    ]
    return tuple(sorted(found, key=lambda volume: not volume.boot))


def volume_of(
    reached: Mapping[str, Any],
    *,
    volume_id: str | None = None,
    boot: bool = False,
    bus: str | None = None,
    kind: str | None = None,
    encryption: Mapping[str, Any] | None = None,
    context: Any = None,
) -> virt.Volume:
    """One volume. How it is reached stays between Cinder and the endpoint's driver.

    Args:
        reached: Cinder's ``connection_info``.
        volume_id: Nova's id for it; None takes the one in the connection.
        boot: whether the guest starts from it.
        bus: Nova's name of the bus that the user asked for.
        kind: what the guest is to take it for.
        encryption: what Cinder says of its encryption; nothing for one that is not encrypted.
        context: the request, by whose token its key is read.

    Raises:
        InvalidVolume: the connection does not say which volume it is, it is to be no disk, or nobody knows how it is
            encrypted.
        InvalidSpec: there is no such bus.
        NotSupported: it is encrypted in a way that is not ours.
    """
    if kind not in {None, DISK}:
        raise exception.InvalidVolume(reason=f"a volume is a disk of its guest, and not a {kind}")
    if bus is not None and bus not in BUSES:
        raise virt.InvalidSpec("disk_bus", bus, f"one of: {', '.join(BUSES)}")
    data = reached["data"]
    if data.get("encrypted") and not encryption:  # a guest that sees what is encrypted takes it for an empty disk
        raise exception.InvalidVolume(reason="it is encrypted, and Cinder does not tell how")
    return virt.Volume(
        id=volume_id or id_of(reached),
        connection=virt.OpaqueVolume(reached["driver_volume_type"], virt.Secret(json.dumps(data, default=str))),
        boot=boot,
        bus=None if bus is None else BUSES[bus],
        encryption=luks(encryption, context) if encryption else None,
        shared=bool(reached.get("multiattach")),
        read_only=data.get("access_mode") == READ_ONLY,
    )


def id_of(reached: Mapping[str, Any]) -> str:
    """The id of a volume by its connection.

    Raises:
        InvalidVolume: it names none.
    """
    found = named_in(reached)
    if not found:
        raise exception.InvalidVolume(reason="its connection_info has no serial and no volume_id")
    return found


def named_in(reached: Mapping[str, Any]) -> str:
    """The id of a volume by its connection; nothing where it names none."""
    return str(reached.get("serial") or reached.get("data", {}).get("volume_id") or "")


def encryption_of(reached: Mapping[str, Any], context: Any) -> Mapping[str, Any]:
    """What Cinder says of a volume's encryption; it is only asked where the connection says that there is one."""
    if not reached.get("data", {}).get("encrypted"):
        return {}
    found: Mapping[str, Any] = encryptors.get_encryption_metadata(context, cinder.API(), id_of(reached), reached)
    return found


def luks(encryption: Mapping[str, Any], context: Any) -> virt.LuksEncryption | None:
    """The passphrase out of the key manager, in the form in which Cinder and Nova give it to LUKS: hexadecimal.

    None for a volume that its storage encrypts by itself, which is plain to whoever uses it.

    Raises:
        NotSupported: the volume is encrypted otherwise.
    """
    if encryption.get("control_location") == BACK_END:
        return None
    provider = encryption.get("provider")
    provider = encryptors.LEGACY_PROVIDER_CLASS_TO_FORMAT_MAP.get(provider, provider)
    if provider != LUKS:
        raise virt.NotSupported(virt.Feature.VOLUME_ENCRYPTION, "encryption", f"{provider!r} is not LUKS in version 1")
    key = key_manager.API(CONF).get(context, encryption["encryption_key_id"])
    return virt.LuksEncryption(passphrase=virt.Secret(binascii.hexlify(key.get_encoded()).decode()))


def boots_from_volume(block_devices: Mapping[str, Any]) -> bool:
    """Whether the guest starts from a volume."""
    root = block_devices.get("root_device_name")
    return any(is_root(device, root) for device in driver.block_device_info_get_mapping(block_devices))


def is_root(device: Any, root: str | None) -> bool:
    """Whether the guest starts from this volume."""
    index = device.get("boot_index")
    return index == 0 if index is not None else root is not None and device.get("mount_device") == root

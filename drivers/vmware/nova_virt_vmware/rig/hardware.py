"""What a virtual machine is made of, by its own configuration."""

from __future__ import annotations

from typing import Any, Final

from pyVmomi import vim

from nova_virt_api.model.disk import DiskBus
from nova_virt_api.model.nic import NicModel
from nova_virt_api.model.spec import Firmware
from nova_virt_conformance.hardware import HardDisk, Hardware, NetworkCard

KIB: Final = 1024
MIB: Final = 1024**2
FIRMWARES: Final = {"bios": Firmware.BIOS, "efi": Firmware.UEFI}
BUSES: Final = (
    (vim.vm.device.VirtualSCSIController, DiskBus.SCSI),
    (vim.vm.device.VirtualAHCIController, DiskBus.SATA),
    (vim.vm.device.VirtualIDEController, DiskBus.IDE),
)
CARDS: Final = (
    (vim.vm.device.VirtualVmxnet3, NicModel.VMXNET3),
    (vim.vm.device.VirtualE1000e, NicModel.E1000E),
    (vim.vm.device.VirtualE1000, NicModel.E1000),
)
CLOUD_INIT: Final = ("guestinfo.metadata", "guestinfo.userdata")
"""Where cloud-init's datasource for VMware looks."""


def hardware_of(machine: Any) -> Hardware:
    """What it has."""
    config = machine.config
    devices = {device.key: device for device in config.hardware.device}
    disks = [device for device in devices.values() if isinstance(device, vim.vm.device.VirtualDisk)]
    cards = [device for device in devices.values() if isinstance(device, vim.vm.device.VirtualEthernetCard)]
    networks = {network._moId: network.name for network in machine.network}
    return Hardware(
        vcpus=config.hardware.numCPU,
        memory_bytes=config.hardware.memoryMB * MIB,
        disks=tuple(
            HardDisk(size_bytes=disk.capacityInBytes or disk.capacityInKB * KIB, bus=bus_of(disk, devices))
            for disk in sorted(disks, key=lambda disk: (disk.controllerKey, disk.unitNumber))
        ),
        nics=tuple(
            NetworkCard(network=network_of(card, networks), mac=card.macAddress.lower(), model=model_of(card))
            for card in sorted(cards, key=lambda card: card.key)
        ),
        firmware=FIRMWARES.get(config.firmware),
        first_boot_data=any(option.key in CLOUD_INIT and option.value for option in config.extraConfig),
    )


def bus_of(disk: Any, devices: dict[int, Any]) -> DiskBus | None:
    """The bus of a disk's controller."""
    controller = devices.get(disk.controllerKey)
    return next((bus for kind, bus in BUSES if isinstance(controller, kind)), None)


def model_of(card: Any) -> NicModel | None:
    """The card that the guest sees."""
    return next((model for kind, model in CARDS if isinstance(card, kind)), None)


def network_of(card: Any, networks: dict[str, str]) -> str:
    """The name of the network that a card is connected to."""
    backing = card.backing
    if isinstance(backing, vim.vm.device.VirtualEthernetCard.DistributedVirtualPortBackingInfo):
        key = str(backing.port.portgroupKey)
        return networks.get(key, key)
    return str(backing.deviceName)

"""The hardware of a fake guest, as its world has it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from nova_virt_api.model.cpu import CpuMode
from nova_virt_api.model.screen import Graphics, VideoModel
from nova_virt_api.model.tpm import TpmModel, TpmVersion
from nova_virt_api.model.volume import AttachedVolume
from nova_virt_conformance.hardware import DiskSettings, HardDisk, Machine, NetworkCard, NicSettings, ToldDevice

if TYPE_CHECKING:
    from nova_virt_api.fake.guest import Attachment, Guest, Port, Volume
    from nova_virt_api.toolkit.device_list import TaggedDevice

TPM_MODELS: Final = {TpmVersion.V1_2: TpmModel.TIS, TpmVersion.V2_0: TpmModel.CRB}


def hard_disk(disk: Volume) -> HardDisk:
    """A disk."""
    settings = DiskSettings(limits=disk.limits, cache=disk.cache, discard=disk.discard, serial=disk.serial)
    return HardDisk(size_bytes=disk.size_bytes, bus=disk.bus, settings=settings)


def network_card(port: Port) -> NetworkCard:
    """A network interface."""
    settings = NicSettings(
        limits=port.limits, queues=port.queues, mtu=port.mtu, link_up=port.link_up, binding=port.binding
    )
    return NetworkCard(network=port.network, mac=port.mac, model=port.model, vif_id=port.vif_id, settings=settings)


def told_device(device: TaggedDevice) -> ToldDevice:
    """A device that a guest was told of."""
    address = device.address
    return ToldDevice(
        type=device.type.value,
        tag=device.tag,
        bus="none" if address is None else address.bus.value,
        address="none" if address is None else address.text,
        mac=device.mac,
        serial=device.serial,
    )


def machine_of(guest: Guest) -> Machine:
    """The rest, with what the fake hypervisor takes where nothing was asked for."""
    machine = guest.machine
    tpm, cpu, screen = machine.tpm, machine.cpu, machine.screen
    return Machine(
        secure_boot=machine.secure_boot,
        stateless_firmware=machine.stateless_firmware,
        tpm=replace(tpm, model=tpm.model or TPM_MODELS[tpm.version]) if tpm is not None else None,
        cpu=cpu if cpu.mode or cpu.model else replace(cpu, mode=CpuMode.HOST_PASSTHROUGH),
        numa=machine.numa,
        backing=machine.backing,
        watchdog=machine.watchdog,
        screen=replace(screen, video=screen.video or VideoModel.VGA, graphics=screen.graphics or Graphics.VNC),
    )


def volume_disk(volume: Attachment, index: int) -> AttachedVolume:
    """A storage service's volume as the disk that it is to a guest."""
    return AttachedVolume(
        id=volume.id,
        device=f"volume{index}",
        bus=volume.bus,
        boot=volume.boot,
        encrypted=volume.encrypted,
        shared=volume.shared,
        read_only=volume.read_only,
        serial=volume.serial,
    )

"""What a flavor and an image ask of the machine: firmware, processor, memory, watchdog, screen."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from nova.objects import fields
from nova.virt import hardware

import nova_virt_api as virt

if TYPE_CHECKING:
    from nova_virt_bridge.numa import Claimed

FIRMWARE: Final = {"uefi": virt.Firmware.UEFI, "bios": virt.Firmware.BIOS}
VERSIONS: Final = {version.value: version for version in virt.TpmVersion}
MODELS: Final = {f"tpm-{model.value}": model for model in virt.TpmModel}
ENCRYPTIONS: Final = {
    fields.MemEncryptionModel.AMD_SEV: virt.MemoryEncryption.SEV,
    fields.MemEncryptionModel.AMD_SEV_ES: virt.MemoryEncryption.SEV_ES,
}
ACTIONS: Final = {
    fields.WatchdogAction.NONE: virt.WatchdogAction.NONE,
    fields.WatchdogAction.PAUSE: virt.WatchdogAction.PAUSE,
    fields.WatchdogAction.POWEROFF: virt.WatchdogAction.POWER_OFF,
    fields.WatchdogAction.RESET: virt.WatchdogAction.RESET,
}
VIDEO: Final = {model.value: model for model in virt.VideoModel}
ARRANGED: Final = tuple(f"cpu_{most}{part}" for most in ("", "max_") for part in ("sockets", "cores", "threads"))


def firmware_of(flavor: Any, image: Any) -> dict[str, Any]:
    """The fields of the spec about firmware, which whole machines have, too.

    Secure boot that is only optional is not asked for: what is then started depends on the host, and no move could keep
    it.

    Raises:
        FlavorImageConflict: flavor and image say different things.
        Invalid: one of them says what Nova does not know.
    """
    asked = hardware.get_vtpm_constraint(flavor, image)
    return {
        "firmware": FIRMWARE.get(image.properties.get("hw_firmware_type")),
        "secure_boot": hardware.get_secure_boot_constraint(flavor, image) == fields.SecureBoot.REQUIRED,
        "stateless_firmware": bool(hardware.get_stateless_firmware_constraint(image)),
        "tpm": None if asked is None else virt.Tpm(version=VERSIONS[asked.version], model=MODELS[asked.model]),
    }


def machine_of(flavor: Any, image: Any, claimed: Claimed) -> dict[str, Any]:
    """The other fields of the spec that say what kind of virtual machine the guest is.

    Args:
        flavor: the instance's.
        image: its image's properties.
        claimed: what Nova has chosen of the host.

    Raises:
        FlavorImageConflict: flavor and image say different things.
        Invalid: one of them says what Nova does not know, or what contradicts itself.
        InvalidSpec: a value is out of bounds.
    """
    return {
        "cpu": cpu_of(flavor, image, claimed),
        "numa": claimed.cells,
        "backing": backing_of(flavor, image, claimed),
        "watchdog": watchdog_of(flavor, image),
        "screen": screen_of(image),
    }


def cpu_of(flavor: Any, image: Any, claimed: Claimed) -> virt.Cpu | None:
    """The processor; None where nothing is asked of it."""
    topology = topology_of(flavor, image)
    if topology is None and not claimed.host_cpus:
        return None
    return virt.Cpu(topology=topology, dedicated=bool(claimed.host_cpus), host_cpus=claimed.host_cpus)


def topology_of(flavor: Any, image: Any) -> virt.CpuTopology | None:
    """How the virtual CPUs are arranged, as Nova chooses within the bounds; None where there are none."""
    bounds = [flavor.get("extra_specs", {}).get(f"hw:{name}") for name in ARRANGED]
    bounds += [image.properties.get(f"hw_{name}") for name in ARRANGED]
    if not any(bounds):
        return None
    best = hardware.get_best_cpu_topology(flavor, image)
    return virt.CpuTopology(sockets=best.sockets, cores=best.cores, threads=best.threads)


def backing_of(flavor: Any, image: Any, claimed: Claimed) -> virt.MemoryBacking | None:
    """How the memory is made; None where nothing is asked of it.

    Raises:
        InvalidSpec: there is no such encryption, without which no server goes on that was to have it.
    """
    asked = hardware.get_mem_encryption_constraint(flavor, image)
    if asked is not None and asked.model not in ENCRYPTIONS:
        raise virt.InvalidSpec("hw:mem_encryption_model", asked.model, f"one of: {', '.join(ENCRYPTIONS)}")
    encryption = None if asked is None else ENCRYPTIONS[asked.model]
    locked = bool(hardware.get_locked_memory_constraint(flavor, image)) and encryption is None  # which locks it anyway
    if claimed.page_bytes is None and not locked and encryption is None:
        return None
    return virt.MemoryBacking(page_bytes=claimed.page_bytes, locked=locked, encryption=encryption)


def watchdog_of(flavor: Any, image: Any) -> virt.Watchdog | None:
    """The watchdog; the image's word counts more than the flavor's, as in Nova's own drivers.

    Raises:
        InvalidSpec: there is no such action.
    """
    asked = image.properties.get("hw_watchdog_action") or flavor.get("extra_specs", {}).get("hw:watchdog_action")
    if asked in {None, fields.WatchdogAction.DISABLED}:
        return None
    if asked not in ACTIONS:
        raise virt.InvalidSpec("hw:watchdog_action", asked, f"one of: {', '.join([*ACTIONS, 'disabled'])}")
    return virt.Watchdog(action=ACTIONS[asked])


def screen_of(image: Any) -> virt.Screen | None:
    """The screen; None where nothing is asked of it."""
    video = VIDEO.get(image.properties.get("hw_video_model"))
    return None if video is None else virt.Screen(video=video)

"""Which parts of a guest's machine an endpoint can make: an answer for every feature of them."""

from collections.abc import Iterator, Mapping
from typing import Final

from nova_virt_api.capability import Capability, Feature
from nova_virt_api.model.capabilities import AVAILABLE, Availability, unavailable
from nova_virt_libvirt.host.emulator import Emulator

ALWAYS: Final = (
    Feature.DISK_LIMITS,
    Feature.DISK_CACHE,
    Feature.DISK_DISCARD,
    Feature.DISK_SERIAL,
    Feature.NIC_LIMITS,
    Feature.NIC_QUEUES,
    Feature.NIC_MTU,
    Feature.NIC_LINK,
    Feature.CPU_MODEL,
    Feature.CPU_FLAGS,
    Feature.CPU_TOPOLOGY,
    Feature.NUMA,
    Feature.LOCKED_MEMORY,
    Feature.WATCHDOG,
    Feature.VIDEO_MODEL,
    Feature.GRAPHICS,
    Feature.EXTRAS,
)

NO_UEFI: Final = "the host has no UEFI firmware for guests (package ovmf)"


def hardware_answers(emulator: Emulator, dedicated: frozenset[int]) -> Mapping[Capability | Feature, Availability]:
    """One answer for each feature of a guest's machine.

    Args:
        emulator: what the hypervisor offers.
        dedicated: the host's processors that are set aside for guests that want them alone.
    """
    found: dict[Capability | Feature, Availability] = dict.fromkeys(ALWAYS, AVAILABLE)
    found.update((feature, unavailable(why) if why else AVAILABLE) for feature, why in reasons(emulator, dedicated))
    return found


def reasons(emulator: Emulator, dedicated: frozenset[int]) -> Iterator[tuple[Feature, str]]:
    """What depends on the host, each with why it is not there; empty where it is."""
    no_uefi = "" if "efi" in emulator.firmware else NO_UEFI
    no_secure_boot = "" if emulator.secure_boot else "the host's firmware for guests cannot do it (package ovmf)"
    yield Feature.UEFI, no_uefi
    yield Feature.STATELESS_FIRMWARE, no_uefi
    yield Feature.SECURE_BOOT, no_uefi or no_secure_boot
    yield Feature.TPM, "" if emulator.tpm_versions else "the host has no software TPM (package swtpm)"
    no_file = "this libvirt cannot put memory into files"
    yield Feature.FILE_BACKED_MEMORY, "" if "file" in emulator.memory_sources else no_file
    yield Feature.SHARED_MEMORY, "" if "memfd" in emulator.memory_sources else "this libvirt cannot share memory"
    no_pages = "the host has set aside no huge pages (/proc/sys/vm/nr_hugepages)"
    yield Feature.HUGE_PAGES, "" if any(cell.pages for cell in emulator.cells) else no_pages
    no_sev = "the host's processor, kernel or QEMU does not encrypt memory (AMD SEV)"
    yield Feature.MEMORY_ENCRYPTION, "" if emulator.encryptions else no_sev
    none_set_aside = "no processors of the host are set aside; the option cpu_dedicated_set names them"
    yield Feature.DEDICATED_CPUS, "" if dedicated else none_set_aside

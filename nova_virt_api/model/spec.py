"""What a caller asks for: a guest's spec and a change to a guest."""

import enum
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from nova_virt_api.capability import Feature
from nova_virt_api.errors import InvalidSpec
from nova_virt_api.model.check import check, check_integer, check_type, duplicates, frozen_tuple
from nova_virt_api.model.cloud_init import CloudInit
from nova_virt_api.model.cpu import Cpu, NumaCell
from nova_virt_api.model.disk import Disk
from nova_virt_api.model.labels import NO_LABELS, Labels
from nova_virt_api.model.memory import MemoryBacking
from nova_virt_api.model.nic import Nic
from nova_virt_api.model.placement import Placement
from nova_virt_api.model.screen import Screen
from nova_virt_api.model.tpm import Tpm
from nova_virt_api.model.volume import Volume
from nova_virt_api.model.watchdog import Watchdog

MOST_VCPUS: Final = 4096
LEAST_MEMORY: Final = 1024**2
MOST_MEMORY: Final = 2**46
MOST_DEVICES: Final = 64
NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")


class Firmware(enum.Enum):
    """What starts the guest."""

    BIOS = "bios"
    UEFI = "uefi"


class Extra:
    """Base of the frozen dataclasses with which a driver's package extends a spec; such a spec is not portable."""

    __slots__ = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class InstanceSpec:
    """A guest to be made.

    Args:
        uuid: the guest's identity; the same uuid with the same spec is the same guest. See ``stable_uuid``.
        name: 1 to 63 letters, digits, ``.``, ``_`` or ``-``, the first a letter or digit.
        vcpus: number of virtual CPUs; where guests are whole nodes (``Feature.WHOLE_NODES``) the least it must have.
        max_vcpus: how many virtual CPUs it can be given while it runs; None for no more than it has.
        memory_bytes: memory, a multiple of 1 MiB; where guests are whole nodes the least it must have.
        max_memory_bytes: how much memory it can be given while it runs, a multiple of 1 MiB; None for no more than it
            has.
        disks: the guest's own disks, the one to boot from first.
        volumes: volumes of a storage service that the guest uses; at most one to boot from.
        nics: network interfaces in the order in which the guest sees them.
        cloud_init: first-boot data.
        placement: where it is to live.
        firmware: None takes what suits the endpoint best, or UEFI for what only UEFI can do.
        secure_boot: whether the firmware starts signed systems only; it is UEFI then, with the well-known keys.
        stateless_firmware: whether the firmware keeps no variables; it is UEFI then, and starts as new each time.
        tpm: a trusted platform module; None for none.
        cpu: the processor that the guest sees; None is the endpoint's choice.
        numa: the NUMA cells that the guest sees, which have all its memory and virtual CPUs, with those that it can be
            given; empty for one without places.
        backing: how its memory is made; None is the endpoint's choice.
        watchdog: a device that acts when the guest hangs; None for none.
        screen: its screen; None is the endpoint's choice.
        labels: the caller's own pairs; found again in ``Instance.labels``.
        power_on: False leaves the guest stopped after it was made.
        extras: frozen objects of types that the driver's package defines.
    """

    uuid: UUID
    name: str
    vcpus: int = 1
    max_vcpus: int | None = None
    memory_bytes: int
    max_memory_bytes: int | None = None
    disks: Sequence[Disk] = ()
    volumes: Sequence[Volume] = ()
    nics: Sequence[Nic] = ()
    cloud_init: CloudInit | None = None
    placement: Placement = Placement()
    firmware: Firmware | None = None
    secure_boot: bool = False
    stateless_firmware: bool = False
    tpm: Tpm | None = None
    cpu: Cpu | None = None
    numa: Sequence[NumaCell] = ()
    backing: MemoryBacking | None = None
    watchdog: Watchdog | None = None
    screen: Screen | None = None
    labels: Mapping[str, str] = NO_LABELS
    power_on: bool = True
    extras: Sequence[Extra] = ()

    def __post_init__(self) -> None:
        check_type("uuid", self.uuid, UUID, 'a uuid.UUID, e.g. stable_uuid("web")')
        check_name("name", self.name)
        check_integer("vcpus", self.vcpus, 1, MOST_VCPUS, "virtual CPUs")
        check_integer("memory_bytes", self.memory_bytes, LEAST_MEMORY, MOST_MEMORY, "bytes, e.g. GiB(2),")
        whole = self.memory_bytes % 1024**2 == 0
        check(whole, "memory_bytes", self.memory_bytes, "a multiple of 1 MiB, e.g. MiB(512)")
        self._check_ceilings()
        frozen_tuple(self, "disks", Disk, "Disk objects")
        frozen_tuple(self, "volumes", Volume, "Volume objects")
        frozen_tuple(self, "nics", Nic, "Nic objects")
        frozen_tuple(self, "extras", Extra, "Extra objects of the driver's package")
        check(len(self.disks) <= MOST_DEVICES, "disks", f"{len(self.disks)} disks", f"at most {MOST_DEVICES}")
        check(len(self.volumes) <= MOST_DEVICES, "volumes", f"{len(self.volumes)} volumes", f"at most {MOST_DEVICES}")
        check(sum(volume.boot for volume in self.volumes) <= 1, "volumes", "several with boot=True", "at most one")
        twice = duplicates(volume.id for volume in self.volumes)
        check(not twice, "volumes", twice, "a volume only once")
        check(len(self.nics) <= MOST_DEVICES, "nics", f"{len(self.nics)} interfaces", f"at most {MOST_DEVICES}")
        twice = duplicates(nic.mac for nic in self.nics if nic.mac is not None)
        check(not twice, "nics", twice, "a MAC address only once")
        twice = duplicates(nic.vif_id for nic in self.nics if nic.vif_id is not None)
        check(not twice, "nics", twice, "a VIF only once")
        if self.cloud_init is not None:
            check_type("cloud_init", self.cloud_init, CloudInit, "a CloudInit")
        check_type("placement", self.placement, Placement, "a Placement")
        if self.firmware is not None:
            check_type("firmware", self.firmware, Firmware, "a Firmware")
        self._check_machine()
        object.__setattr__(self, "labels", frozen_labels(self.labels))
        check_type("power_on", self.power_on, bool, "True or False")

    def _check_ceilings(self) -> None:
        """Refuse ceilings that are below the guest."""
        if self.max_vcpus is not None:
            check_integer("max_vcpus", self.max_vcpus, self.vcpus, MOST_VCPUS, "virtual CPUs, vcpus at least,")
        if self.max_memory_bytes is not None:
            most, least = self.max_memory_bytes, self.memory_bytes
            check_integer("max_memory_bytes", most, least, MOST_MEMORY, "bytes, memory_bytes at least,")
            check(most % 1024**2 == 0, "max_memory_bytes", most, "a multiple of 1 MiB, e.g. MiB(512)")

    def _check_machine(self) -> None:
        """Refuse a machine that contradicts itself."""
        for field in ("secure_boot", "stateless_firmware"):
            value = getattr(self, field)
            check_type(field, value, bool, "True or False")
            check(not value or self.firmware is not Firmware.BIOS, field, value, "False with BIOS")
        both = self.secure_boot and self.stateless_firmware
        check(not both, "secure_boot", True, "False with stateless_firmware: its keys are among the variables")
        for field, kind in (
            ("tpm", Tpm),
            ("cpu", Cpu),
            ("backing", MemoryBacking),
            ("watchdog", Watchdog),
            ("screen", Screen),
        ):
            if (value := getattr(self, field)) is not None:
                check_type(field, value, kind, f"a {kind.__name__}")
        frozen_tuple(self, "numa", NumaCell, "NumaCell objects")
        if self.numa:
            check_cells(self.numa, self.vcpu_ceiling, self.memory_bytes)
        if self.cpu is not None:
            topology, pins = self.cpu.topology, self.cpu.host_cpus
            fits = topology is None or topology.vcpus == self.vcpu_ceiling
            check(fits, "cpu.topology", topology, f"one of {self.vcpu_ceiling} virtual CPUs, as the guest can have")
            check(
                self.max_vcpus is None or not self.cpu.dedicated,
                "max_vcpus",
                self.max_vcpus,
                "None with cpu.dedicated: each virtual CPU gets its processor of the host when the guest is made",
            )
            check(len(pins) in (0, self.vcpus), "cpu.host_cpus", pins, f"{self.vcpus} of them, as the guest has CPUs")

    @property
    def vcpu_ceiling(self) -> int:
        """How many virtual CPUs the guest can have while it runs."""
        return self.vcpus if self.max_vcpus is None else self.max_vcpus

    @property
    def uefi(self) -> bool:
        """Whether the guest's firmware is to be UEFI, by name or by what only UEFI can do."""
        return self.firmware is Firmware.UEFI or self.secure_boot or self.stateless_firmware

    def features(self) -> Iterator[tuple[Feature, str]]:
        """What an endpoint must declare for this spec, each with the field that asks for it."""
        if len(self.disks) > 1:
            yield Feature.MULTIPLE_DISKS, "disks[1]"
        for index, disk in enumerate(self.disks):
            yield from ((feature, f"disks[{index}].{field}") for feature, field in disk.features())
        if self.volumes:
            yield Feature.SPAWN_VOLUMES, "volumes"
        for index, volume in enumerate(self.volumes):
            yield from ((feature, f"volumes[{index}].{field}") for feature, field in volume.features())
        if len(self.nics) > 1:
            yield Feature.MULTIPLE_NICS, "nics[1]"
        for index, nic in enumerate(self.nics):
            yield from ((feature, f"nics[{index}].{field}") for feature, field in nic.features())
        if self.cloud_init is not None:
            yield from self.cloud_init.features()
        if self.max_vcpus is not None:
            yield Feature.LIVE_VCPUS, "max_vcpus"
        if self.max_memory_bytes is not None:
            yield Feature.LIVE_MEMORY, "max_memory_bytes"
        if self.firmware is Firmware.UEFI:
            yield Feature.UEFI, "firmware"
        yield from self._machine_features()
        if self.extras:
            yield Feature.EXTRAS, "extras"

    def _machine_features(self) -> Iterator[tuple[Feature, str]]:
        if self.secure_boot:
            yield Feature.SECURE_BOOT, "secure_boot"
        if self.stateless_firmware:
            yield Feature.STATELESS_FIRMWARE, "stateless_firmware"
        if self.tpm is not None:
            yield Feature.TPM, "tpm"
        if self.numa:
            yield Feature.NUMA, "numa"
        if self.watchdog is not None:
            yield Feature.WATCHDOG, "watchdog"
        for name in ("cpu", "backing", "screen"):
            if (part := getattr(self, name)) is not None:
                yield from ((feature, f"{name}.{field}") for feature, field in part.features())


@dataclass(frozen=True, slots=True, kw_only=True)
class InstanceUpdate:
    """A change to a guest that needs no restart; a field that is None stays as it is.

    Args:
        name: new name, as in :class:`InstanceSpec`.
        labels: the new labels, all of them.
    """

    name: str | None = None
    labels: Mapping[str, str] | None = None

    def __post_init__(self) -> None:
        if self.name is not None:
            check_name("name", self.name)
        if self.labels is not None:
            object.__setattr__(self, "labels", frozen_labels(self.labels))

    def features(self) -> Iterator[tuple[Feature, str]]:
        """What an endpoint must declare for this change, each with the field that asks for it."""
        if self.name is not None:
            yield Feature.UPDATE_NAME, "name"
        if self.labels is not None:
            yield Feature.UPDATE_LABELS, "labels"


def check_name(field: str, value: Any) -> None:
    """Refuse a name that some backend could misread: it ends in XML, paths, host names and command lines."""
    good = isinstance(value, str) and NAME.fullmatch(value) is not None
    check(good, field, value, "1 to 63 letters, digits, '.', '_' or '-', starting with a letter or digit")


def check_cells(cells: Sequence[NumaCell], vcpus: int, memory_bytes: int) -> None:
    """Refuse NUMA cells that do not have each virtual CPU exactly once, and all memory."""
    found = sorted(number for cell in cells for number in cell.vcpus)
    check(found == list(range(vcpus)), "numa", f"virtual CPUs {found}", f"each of 0 to {vcpus - 1} in exactly one cell")
    total = sum(cell.memory_bytes for cell in cells)
    check(total == memory_bytes, "numa", f"{total} bytes", f"{memory_bytes} bytes together, the guest's memory")


def frozen_labels(labels: Mapping[str, str]) -> Labels:
    """The labels as a frozen mapping."""
    return labels if isinstance(labels, Labels) else Labels(labels)


def require_one(field: str, value: str | None, candidates: Sequence[str]) -> str:
    """The place that a spec means: the one named, or the only candidate.

    Raises:
        InvalidSpec: the name is none of the candidates, or none was given and there is not exactly one.
    """
    if value is None and len(candidates) == 1:
        return candidates[0]
    if value is None or value not in candidates:
        allowed = f"one of: {', '.join(sorted(candidates))}" if candidates else "nothing: there is none here"
        raise InvalidSpec(field, value, allowed)
    return value

"""The volumes that one guest uses: disks of the running machine and of the definition that it starts from next."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import count
from typing import TYPE_CHECKING, Any, Final

import libvirt
from lxml import etree

from nova_virt_api.errors import InvalidSpec, InvalidState
from nova_virt_api.model.disk import DiskBus
from nova_virt_api.model.instance import PowerState
from nova_virt_libvirt.definition import PARSER
from nova_virt_libvirt.devices.disk import PREFIXES, controller_element, letters, scsi_controller
from nova_virt_libvirt.devices.volume_disk import Label, bus_of, digest_of, label_of, shown, volume_element
from nova_virt_libvirt.errors import message_of, translated
from nova_virt_libvirt.letting_go import is_asked
from nova_virt_libvirt.volumes.errors import volume_errors

if TYPE_CHECKING:
    from collections.abc import Collection

    from nova_virt_api.model.volume import AttachedVolume, Volume
    from nova_virt_libvirt.domain import Domain

LIVE: Final = libvirt.VIR_DOMAIN_AFFECT_LIVE
CONFIG: Final = libvirt.VIR_DOMAIN_AFFECT_CONFIG
HOT: Final = (DiskBus.VIRTIO, DiskBus.SCSI)
"""Buses that take disks while the guest runs."""

TAKEN_TEXTS: Final = ("already exists", "duplicated for disk sources", "is already used", "non unique")
ATTEMPTS: Final = 8
"""Somebody else may give a guest disks at the same time, and only one can have a name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """A volume that a guest uses.

    Args:
        label: what is said of it.
        target: libvirt's name of its disk.
        live: the disk of the running machine; None if it has none.
        config: the disk of the definition; None if it has none.
    """

    label: Label
    target: str
    live: Any
    config: Any

    @property
    def disk(self) -> Any:
        """The disk that the guest has now, or would have if it were started."""
        return self.live if self.live is not None else self.config

    @property
    def mirror(self) -> Any:
        """What its content is being copied to, as ``<mirror>``; None for nothing."""
        return None if self.live is None else self.live.find("mirror")

    @property
    def unsettled(self) -> bool:
        """Whether a swap was begun and not ended."""
        return self.label.into is not None or self.mirror is not None

    @property
    def id(self) -> str:
        """The volume that the guest reads and writes."""
        swapped = self.label.into is not None and self.mirror is None
        if swapped and digest_of(self.disk.find("source")) == self.label.at:
            return self.label.into or ""
        return self.label.id

    def shown(self) -> AttachedVolume:
        """As everybody sees it."""
        return shown(replace(self.label, id=self.id), self.disk)


class VolumeDisks:
    """The volumes of one guest.

    Args:
        domain: the guest.
    """

    def __init__(self, domain: Domain) -> None:
        self._domain = domain

    def all(self) -> list[Held]:
        """All volumes in the order in which the guest sees them."""
        parts = self.parts()
        config = by_target(self._disks(libvirt.VIR_DOMAIN_XML_INACTIVE)) if CONFIG in parts else {}
        live = by_target(self._disks(0)) if LIVE in parts else {}
        found = []
        for target in dict.fromkeys([*live, *config]):
            mine, next_one = live.get(target), config.get(target)
            label = next((label for disk in (next_one, mine) if disk is not None and (label := label_of(disk))), None)
            if label is not None:
                found.append(Held(label=label, target=target, live=mine, config=next_one))
        return found

    def find(self, volume_id: str) -> Held | None:
        """The volume of this id; None if the guest does not use it."""
        return next((held for held in self.all() if held.id == volume_id), None)

    def at(self, target: str) -> Held | None:
        """The volume that is the disk of this name; None if there is none."""
        return next((held for held in self.all() if held.target == target), None)

    def has(self, volume_id: str) -> bool:
        """Whether the guest uses it now and will when it is started again."""
        held = self.find(volume_id)
        return held is not None and not any(lacks(held, part) for part in self.parts())

    def attach(self, volume: Volume, source: Any) -> None:
        """Give the guest a volume wherever it has none of this id.

        Raises:
            InvalidState: the guest runs, and the bus takes no disks then.
            InvalidSpec: the machine has no such bus.
            NoCapacity: the guest has no free slot.
            VolumeError: it cannot be reached or opened.
            Busy: libvirt is doing something else with it.
        """
        self._attach(volume, source, self.parts())

    def note(self, volume: Volume, source: Any) -> bool:
        """As :meth:`attach`, to its definition only, so that everybody sees that it is about to use the volume.

        Returns:
            Whether it was not there before.
        """
        held = self.find(volume.id)
        if CONFIG not in self.parts() or not (held is None or lacks(held, CONFIG)):
            return False
        self._attach(volume, source, [CONFIG])
        return True

    def forget(self, volume_id: str) -> None:
        """Take a volume that was noted back, unless the guest runs with it."""
        held = self.find(volume_id)
        if held is not None and held.live is None:
            self.detach(held.target, CONFIG)

    def _attach(self, volume: Volume, source: Any, parts: Collection[int]) -> None:
        self._refuse_bus(volume)
        for attempt in count(1):
            held = self.find(volume.id)
            missing = sum(part for part in parts if held is None or lacks(held, part))
            if not missing:
                return
            target = held.target if held is not None else self._free_target(bus_of(volume))
            element = volume_element(volume, source, target)
            with volume_errors(f"attach volume {volume.id}"):
                try:
                    self._see_to_controllers(bus_of(volume), target, missing)
                    self._domain.native.attachDeviceFlags(etree.tostring(element, encoding="unicode"), missing)
                except libvirt.libvirtError as error:
                    if attempt == ATTEMPTS or not is_taken(error):
                        raise

    def detach(self, target: str, part: int) -> None:
        """Take a disk away from the running guest, which is thereby only asked to let go, or from its definition."""
        disk = self.disk(target, part)
        if disk is None:
            return
        with volume_errors(f"detach disk {target}"):
            try:
                self._domain.native.detachDeviceFlags(etree.tostring(disk, encoding="unicode"), part)
            except libvirt.libvirtError as error:
                if error.get_error_code() != libvirt.VIR_ERR_DEVICE_MISSING and not is_asked(error):
                    raise

    def disk(self, target: str, part: int) -> Any:
        """The volume's disk of this name in that part; None if there is none."""
        if part not in self.parts():
            return None
        flags = libvirt.VIR_DOMAIN_XML_INACTIVE if part == CONFIG else 0
        return next((disk for disk in self._disks(flags) if target_of(disk) == target), None)

    def relabel(self, held: Held, label: Label) -> None:
        """Say something else of a volume, in the definition; what is said of a running guest's disk cannot be changed.

        Raises:
            VolumeError: the definition has no such disk any more.
        """
        with volume_errors(f"note what becomes of disk {held.target}"):
            disk = self.disk(held.target, CONFIG)
            if disk is None:
                return
            disk.find("alias").set("name", label.alias())
            for part in disk.findall("source/slices"):  # of a swap to a larger volume; the next start takes all of it
                part.getparent().remove(part)
            self._domain.native.updateDeviceFlags(etree.tostring(disk, encoding="unicode"), CONFIG)

    def parts(self) -> list[int]:
        """What the guest consists of now: the running machine, its definition, or both."""
        with translated("look at the guest"):
            native = self._domain.urgent
            parts = [LIVE] if native.isActive() else []
            return [*parts, CONFIG] if native.isPersistent() else parts

    # --- what is there --------------------------------------------------------------------------------------------

    def _disks(self, flags: int) -> list[Any]:
        return list(self._definition(flags).iterfind("devices/disk"))

    def _definition(self, flags: int) -> Any:
        with translated("look at the guest's volumes"):
            return etree.fromstring(self._domain.urgent.XMLDesc(flags), PARSER)

    def _free_target(self, bus: DiskBus) -> str:
        taken = {target_of(disk) for flags in (0, libvirt.VIR_DOMAIN_XML_INACTIVE) for disk in self._disks(flags)}
        names = (PREFIXES[bus] + letters(number) for number in count())
        return next(name for name in names if name not in taken)

    def _see_to_controllers(self, bus: DiskBus, target: str, parts: int) -> None:
        """Libvirt by itself would choose a controller that many systems have no driver for."""
        if bus is not DiskBus.SCSI:
            return
        for part in (LIVE, CONFIG):
            definition = self._definition(libvirt.VIR_DOMAIN_XML_INACTIVE if part == CONFIG else 0)
            there = {one.get("index") for one in definition.iterfind("devices/controller[@type='scsi']")}
            for index in range(scsi_controller(target) + 1):
                if parts & part and str(index) not in there:
                    controller = etree.tostring(controller_element(index), encoding="unicode")
                    self._domain.native.attachDeviceFlags(controller, part)

    # --- refusals -------------------------------------------------------------------------------------------------

    def _refuse_bus(self, volume: Volume) -> None:
        bus = bus_of(volume)
        if bus not in PREFIXES:
            raise InvalidSpec("volume.bus", bus.value, f"one of: {', '.join(one.value for one in PREFIXES)}")
        if bus not in HOT and LIVE in self.parts():
            raise InvalidState(
                self._domain.power_state,
                [PowerState.SHUTDOWN],
                hint=f"a disk on {bus.value} is attached while the guest is off; virtio and scsi take it at any time",
            )
        machine = self._definition(libvirt.VIR_DOMAIN_XML_INACTIVE).find("os/type")
        if bus is DiskBus.IDE and machine is not None and "q35" in machine.get("machine", ""):
            raise InvalidSpec("volume.bus", bus.value, "virtio, scsi or sata: this guest's machine has no IDE")


def by_target(disks: list[Any]) -> dict[str, Any]:
    """Disks by libvirt's name for them."""
    return {target_of(disk): disk for disk in disks}


def target_of(disk: Any) -> str:
    """Libvirt's name of a disk."""
    return str(disk.find("target").get("dev"))


def lacks(held: Held, part: int) -> bool:
    """Whether a volume is not in that part."""
    return (held.live if part == LIVE else held.config) is None


def is_taken(error: libvirt.libvirtError) -> bool:
    """Whether a name or an address was given to another disk just now."""
    return any(text in message_of(error) for text in TAKEN_TEXTS)

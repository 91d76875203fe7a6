"""The changes of virtual hardware that make a machine what a spec asks for."""

from __future__ import annotations

from itertools import count, islice
from typing import TYPE_CHECKING, Any, Final

from pyVmomi import vim

from nova_virt_api.errors import InvalidSpec
from nova_virt_vmware.network_cards import new_card
from nova_virt_vmware.template import KIBI, is_disk, size_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from nova_virt_api.model.disk import Disk
    from nova_virt_api.model.spec import InstanceSpec
    from nova_virt_vmware.places import Places

Device = vim.vm.device
Change = vim.vm.device.VirtualDeviceSpec

OWN_UNIT: Final = 7
"""Of a SCSI controller itself."""

UNITS: Final = 16
MOST_CONTROLLERS: Final = 4
"""SCSI controllers of a machine, and what each has room for (vSphere's configuration maximums)."""


def changes(spec: InstanceSpec, places: Places, devices: Sequence[Any], *, whole: bool) -> list[Any]:
    """What has to change in a machine that was just made, by its own devices; empty when nothing has.

    Args:
        spec: what was asked for.
        places: where.
        devices: what the machine has.
        whole: whether what came from the template stays where the spec says nothing of it.

    Raises:
        InvalidSpec: there are more disks than a machine takes.
    """
    keys = count(-1, -1)
    there = [device for device in devices if is_disk(device)]
    found: list[Any] = []
    if there and spec.disks:
        found += grown(there[0], spec.disks[0])
    new = list(zip(spec.disks, places.datastores, strict=False))[1 if there else 0 :]
    found += new_disks(new, devices, keys)
    if spec.nics or not whole:
        cards = [device for device in devices if isinstance(device, Device.VirtualEthernetCard)]
        found += [Change(operation=Change.Operation.remove, device=card) for card in cards]
    found += [
        Change(operation=Change.Operation.add, device=new_card(nic, backing, next(keys)))
        for nic, backing in zip(spec.nics, places.backings, strict=True)
    ]
    return found


def grown(disk: Any, asked: Disk) -> list[Any]:
    """The change that makes a disk as large as was asked for, if it is not."""
    if asked.size_bytes is None or asked.size_bytes <= size_of(disk):
        return []
    disk.capacityInKB = kibibytes(asked)
    disk.capacityInBytes = disk.capacityInKB * KIBI
    return [Change(operation=Change.Operation.edit, device=disk)]


def new_disks(wanted: Sequence[tuple[Disk, tuple[str, str]]], devices: Sequence[Any], keys: Iterator[int]) -> list[Any]:
    """Changes that add blank, thin disks, and controllers where those that there are have no room.

    Args:
        wanted: each disk with its datastore's name and id.
        devices: what the machine has.
        keys: for new devices.
    """
    found: list[Any] = []
    places = list(islice(room(devices, keys, found), len(wanted)))
    if len(places) < len(wanted):
        raise InvalidSpec("disks", f"{len(wanted)} new disks", f"at most {len(places)} beside those of the template")
    for (disk, (store, _)), (controller, unit) in zip(wanted, places, strict=True):
        backing = Device.VirtualDisk.FlatVer2BackingInfo(
            fileName=f"[{store}]", diskMode="persistent", thinProvisioned=True
        )
        device = Device.VirtualDisk(
            key=next(keys),
            backing=backing,
            controllerKey=controller,
            unitNumber=unit,
            capacityInKB=kibibytes(disk),
            capacityInBytes=kibibytes(disk) * KIBI,
        )
        found.append(Change(operation=Change.Operation.add, fileOperation=Change.FileOperation.create, device=device))
    return found


def room(devices: Sequence[Any], keys: Iterator[int], found: list[Any]) -> Iterator[tuple[int, int]]:
    """Free places for disks, each a controller's key and a unit; adds controllers to the changes found so far."""
    controllers = [device for device in devices if isinstance(device, Device.VirtualSCSIController)]
    for controller in controllers:
        yield from ((controller.key, unit) for unit in free_units(controller.key, devices))
    taken = {controller.busNumber for controller in controllers}
    for bus in sorted(set(range(MOST_CONTROLLERS)) - taken):
        key = next(keys)
        new = Device.ParaVirtualSCSIController(
            key=key, busNumber=bus, sharedBus=Device.VirtualSCSIController.Sharing.noSharing
        )
        found.append(Change(operation=Change.Operation.add, device=new))
        yield from ((key, unit) for unit in free_units(key, ()))


def free_units(controller: int, devices: Iterable[Any]) -> list[int]:
    """Units of a controller that nothing is at."""
    taken = {device.unitNumber for device in devices if device.controllerKey == controller}
    return [unit for unit in range(UNITS) if unit not in taken | {OWN_UNIT}]


def detached(devices: Sequence[Any]) -> list[Any]:
    """The changes that take the disks out of a machine and leave their files."""
    return [Change(operation=Change.Operation.remove, device=device) for device in devices if is_disk(device)]


def kibibytes(disk: Disk) -> int:
    """A disk's size as vSphere counts it."""
    return -(-(disk.size_bytes or 0) // KIBI)

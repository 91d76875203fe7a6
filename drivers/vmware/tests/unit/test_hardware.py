"""The changes that make a machine what its spec asks for."""

from collections.abc import Callable
from itertools import count
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import pytest
from pyVmomi import vim

from nova_virt_api.errors import InvalidSpec
from nova_virt_api.model.disk import Blank, Disk
from nova_virt_api.model.image import Native
from nova_virt_api.model.nic import Nic, NicModel
from nova_virt_api.model.spec import InstanceSpec
from nova_virt_api.model.units import MiB
from nova_virt_vmware.hardware import changes, detached, free_units, new_disks
from nova_virt_vmware.network_cards import check_models, new_card

Device = vim.vm.device


@pytest.fixture
def template() -> list[Any]:
    """What a machine from a template has: a controller, a disk of 64 MiB, a card."""
    return [
        Device.ParaVirtualSCSIController(key=1000, busNumber=0),
        Device.VirtualDisk(key=2000, controllerKey=1000, unitNumber=0, capacityInKB=64 * 1024, capacityInBytes=MiB(64)),
        Device.VirtualE1000(key=4000, controllerKey=100, unitNumber=7),
    ]


@pytest.fixture
def spec() -> Callable[..., InstanceSpec]:
    """Makes specs."""
    return lambda **more: InstanceSpec(uuid=uuid4(), name="web", memory_bytes=MiB(64), **more)


def places(disks: int, cards: int) -> Any:
    """Places for so many disks and cards."""
    return SimpleNamespace(datastores=[("store", "datastore-1")] * disks, backings=[None] * cards)


def told(found: list[Any]) -> list[tuple[str, str]]:
    """What is done with what."""
    return [(str(change.operation), type(change.device).__name__.rpartition(".")[2]) for change in found]


def test_nothing_changes_where_nothing_has_to(spec: Callable[..., InstanceSpec], template: list[Any]) -> None:
    asked = spec(disks=[Disk(source=Native("t"), size_bytes=MiB(64))])
    assert changes(asked, places(1, 0), template, whole=True) == []


def test_template_gives_its_disk_and_no_card(spec: Callable[..., InstanceSpec], template: list[Any]) -> None:
    asked = spec(disks=[Disk(source=Native("t"), size_bytes=MiB(65))], nics=[Nic(network="n")])
    found = changes(asked, places(1, 1), template, whole=False)
    assert told(found) == [("edit", "VirtualDisk"), ("remove", "VirtualE1000"), ("add", "VirtualVmxnet3")]
    assert found[0].device.capacityInKB == 65 * 1024
    assert found[0].device.capacityInBytes == MiB(65)


def test_new_disks_find_room(template: list[Any]) -> None:
    disk = Disk(source=Blank(), size_bytes=MiB(1))
    found = new_disks([(disk, ("store", "datastore-1"))] * 20, template, count(-1, -1))
    controllers = [change.device for change in found if isinstance(change.device, Device.VirtualSCSIController)]
    disks = [change.device for change in found if isinstance(change.device, Device.VirtualDisk)]
    assert [controller.busNumber for controller in controllers] == [1]
    assert len(disks) == 20
    taken = {(1000, 0), *((disk.controllerKey, disk.unitNumber) for disk in disks)}
    assert len(taken) == 21
    assert {key for key, _ in taken} == {1000, controllers[0].key}
    assert 7 not in {unit for _, unit in taken}
    assert len({change.device.key for change in found}) == len(found), "new devices share a key"


def test_machine_takes_sixty_disks_and_no_more(template: list[Any]) -> None:
    disk = (Disk(source=Blank(), size_bytes=MiB(1)), ("store", "datastore-1"))
    assert new_disks([disk] * 59, template, count(-1, -1))
    with pytest.raises(InvalidSpec):
        new_disks([disk] * 60, template, count(-1, -1))


def test_free_units(template: list[Any]) -> None:
    assert free_units(1000, template) == [1, 2, 3, 4, 5, 6, 8, 9, 10, 11, 12, 13, 14, 15]


def test_detached_disks_leave_their_files(template: list[Any]) -> None:
    (change,) = detached(template)
    assert (str(change.operation), change.fileOperation, change.device.key) == ("remove", None, 2000)


def test_cards() -> None:
    named = new_card(Nic(network="n", mac="52:54:00:00:00:01", model=NicModel.E1000E), None, -5)
    assert isinstance(named, Device.VirtualE1000e)
    assert (named.addressType, named.macAddress) == ("manual", "52:54:00:00:00:01")
    assert named.connectable.startConnected
    usual = new_card(Nic(network="n"), None, -6)
    assert (usual.addressType, usual.macAddress) == ("assigned", None)
    with pytest.raises(InvalidSpec) as caught:
        check_models([Nic(network="n"), Nic(network="n", model=NicModel.RTL8139)])
    assert caught.value.field == "nics[1].model"

"""Spawning by cloning templates and by making machines without one, as vCenter sees what comes of it."""

import json
import re
import uuid
from base64 import b64decode
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

import pytest
from pyVmomi import vim

from nova_virt_api.compute.operation import DriverSide
from nova_virt_api.driver.endpoint import Manage
from nova_virt_api.errors import (
    ImageNotFound,
    InstanceExists,
    InvalidSpec,
    NoCapacity,
)
from nova_virt_api.model.cloud_init import CloudInit
from nova_virt_api.model.disk import Blank, Disk
from nova_virt_api.model.image import Native, Template
from nova_virt_api.model.instance import Lifecycle, PowerState
from nova_virt_api.model.nic import Nic, NicModel
from nova_virt_api.model.placement import Placement
from nova_virt_api.model.spec import Firmware, InstanceSpec
from nova_virt_api.model.units import MiB
from nova_virt_vmware.driver import VmwareDriver
from nova_virt_vmware.record import KEY
from tools.vcsim import Settings, VCenter

MakeSpec = Callable[..., InstanceSpec]
NewOp = Callable[[], DriverSide]

NODE: Final = "DC0_C0"
POOL: Final = "LocalDS_0"
FOLDER: Final = "nova-virt-nova-virt-tests"
USUAL: Final = Placement(node=NODE, pool=POOL)


def devices(vm: Any, kind: type[Any]) -> list[Any]:
    """A virtual machine's devices of a kind."""
    return [device for device in vm.config.hardware.device if isinstance(device, kind)]


def options(vm: Any) -> dict[str, str]:
    """A virtual machine's ``extraConfig``."""
    return {option.key: option.value for option in vm.config.extraConfig}


# --- from a template --------------------------------------------------------------------------------------------------


def test_guest_is_made_from_a_template(
    driver: VmwareDriver, op: DriverSide, make_spec: MakeSpec, vm_of: Callable[..., Any]
) -> None:
    spec = make_spec(name="web", vcpus=2, memory_bytes=MiB(48), labels={"a": "b", "long": "Größe 3 µm 日本語 🚀"})
    made = driver.spawn(spec, op)
    assert (made.name, made.uuid, made.vcpus, made.memory_bytes) == ("web", spec.uuid, 2, MiB(48))
    assert (made.power_state, made.lifecycle, made.owned) == (PowerState.RUNNING, Lifecycle.READY, True)
    assert dict(made.labels) == dict(spec.labels)
    assert made.node == NODE
    vm = vm_of(spec.uuid)
    assert (vm.name, vm.parent.name) == (f"web ({spec.uuid})", FOLDER)
    assert (vm.config.hardware.numCPU, vm.config.hardware.memoryMB) == (2, 48)
    assert [disk.capacityInKB for disk in devices(vm, vim.vm.device.VirtualDisk)] == [64 * 1024]
    assert devices(vm, vim.vm.device.VirtualEthernetCard) == [], "a card came from the template, and none was asked for"
    assert vm.config.files.vmPathName.startswith(f"[{POOL}] {spec.uuid}/")
    record = json.loads(options(vm)[KEY])
    assert (record["uuid"], record["phase"], record["name"]) == (str(spec.uuid), "ready", "web")
    assert "holder" not in record
    assert driver.leftovers() == []


def test_same_spawn_is_the_same_guest_and_another_is_refused(
    driver: VmwareDriver, new_op: NewOp, make_spec: MakeSpec
) -> None:
    spec = make_spec(power_on=False)
    made = driver.spawn(spec, new_op())
    assert made.power_state is PowerState.SHUTDOWN
    assert driver.spawn(spec, new_op()) == made
    with pytest.raises(InstanceExists):
        driver.spawn(replace(spec, vcpus=2), new_op())
    assert driver.instance(made.ref, fresh=True) == made


def test_hardware_is_as_asked(
    driver: VmwareDriver, op: DriverSide, make_spec: MakeSpec, vm_of: Callable[..., Any]
) -> None:
    spec = make_spec(
        disks=[
            Disk(source=Native("small"), size_bytes=MiB(96)),
            Disk(source=Blank(), size_bytes=MiB(8) + 1),
            Disk(source=Blank(), size_bytes=MiB(16), pool="LocalDS_1"),
        ],
        nics=[
            Nic(network="VM Network", mac="52:54:00:c0:de:01", model=NicModel.E1000),
            Nic(network="VM Network"),
        ],
        power_on=False,
    )
    driver.spawn(spec, op)
    vm = vm_of(spec.uuid)
    disks = devices(vm, vim.vm.device.VirtualDisk)
    assert [disk.capacityInKB for disk in disks] == [96 * 1024, 8 * 1024 + 1, 16 * 1024]
    files = [disk.backing.fileName for disk in disks]
    assert [re.findall(r"\[(.+?)\]", file)[0] for file in files] == [POOL, POOL, "LocalDS_1"]
    assert all(str(spec.uuid) in file for file in files)
    assert len({(disk.controllerKey, disk.unitNumber) for disk in disks}) == 3
    cards = devices(vm, vim.vm.device.VirtualEthernetCard)
    assert [type(card) for card in cards] == [vim.vm.device.VirtualE1000, vim.vm.device.VirtualVmxnet3]
    assert cards[0].macAddress == "52:54:00:c0:de:01"
    assert cards[1].macAddress not in ("", cards[0].macAddress)
    assert [card.backing.deviceName for card in cards] == ["VM Network"] * 2


def test_card_in_a_distributed_port_group(
    driver: VmwareDriver, op: DriverSide, make_spec: MakeSpec, vm_of: Callable[..., Any]
) -> None:
    network = next(network for network in driver.networks() if network.kind == "distributed port group")
    spec = make_spec(nics=[Nic(network=network.id)], power_on=False)
    driver.spawn(spec, op)
    (card,) = devices(vm_of(spec.uuid), vim.vm.device.VirtualEthernetCard)
    assert card.backing.port.portgroupKey == network.id
    assert card.backing.port.switchUuid


def test_whole_machine_keeps_its_cards_unless_others_are_asked_for(
    driver: VmwareDriver, new_op: NewOp, make_spec: MakeSpec, vm_of: Callable[..., Any]
) -> None:
    kept = make_spec(disks=[Disk(source=Template("small"))], power_on=False)
    driver.spawn(kept, new_op())
    (card,) = devices(vm_of(kept.uuid), vim.vm.device.VirtualEthernetCard)
    assert isinstance(card, vim.vm.device.VirtualE1000)
    other = make_spec(disks=[Disk(source=Template("small"))], nics=[Nic(network="VM Network")], power_on=False)
    driver.spawn(other, new_op())
    (card,) = devices(vm_of(other.uuid), vim.vm.device.VirtualEthernetCard)
    assert isinstance(card, vim.vm.device.VirtualVmxnet3)


@pytest.mark.parametrize("how", ["id", "path"])
def test_template_by_its_id_or_path(
    driver: VmwareDriver,
    op: DriverSide,
    make_spec: MakeSpec,
    vcenter: VCenter,
    native: Callable[[VCenter], Any],
    how: str,
) -> None:
    path = "/DC0/vm/small"
    ref = native(vcenter).content.searchIndex.FindByInventoryPath(path)._moId if how == "id" else path
    made = driver.spawn(make_spec(disks=[Disk(source=Native(ref))], power_on=False), op)
    assert made.lifecycle is Lifecycle.READY


def test_template_stays_as_it_was(
    driver: VmwareDriver, op: DriverSide, make_spec: MakeSpec, vcenter: VCenter, native: Callable[[VCenter], Any]
) -> None:
    template = native(vcenter).content.searchIndex.FindByInventoryPath("/DC0/vm/small")
    before = [disk.backing.fileName for disk in devices(template, vim.vm.device.VirtualDisk)]
    driver.destroy(driver.spawn(make_spec(disks=[Disk(source=Native("small"), size_bytes=MiB(96))]), op).ref, op)
    (disk,) = devices(template, vim.vm.device.VirtualDisk)
    assert ([disk.backing.fileName], disk.capacityInKB) == (before, 64 * 1024)


# --- without one ------------------------------------------------------------------------------------------------------


def test_guest_with_blank_disks(
    driver: VmwareDriver, op: DriverSide, make_spec: MakeSpec, vm_of: Callable[..., Any]
) -> None:
    spec = make_spec(
        disks=[Disk(source=Blank(), size_bytes=MiB(4)), Disk(source=Blank(), size_bytes=MiB(8))],
        nics=[Nic(network="VM Network")],
        firmware=Firmware.UEFI,
    )
    made = driver.spawn(spec, op)
    assert made.power_state is PowerState.RUNNING
    vm = vm_of(spec.uuid)
    assert [disk.capacityInKB for disk in devices(vm, vim.vm.device.VirtualDisk)] == [4096, 8192]
    assert len(devices(vm, vim.vm.device.VirtualEthernetCard)) == 1
    assert vm.config.firmware == "efi"


def test_guest_without_disks(
    driver: VmwareDriver, op: DriverSide, make_spec: MakeSpec, vm_of: Callable[..., Any]
) -> None:
    spec = make_spec(disks=(), power_on=False)
    driver.spawn(spec, op)
    assert devices(vm_of(spec.uuid), vim.vm.device.VirtualDisk) == []


def test_sixty_disks_need_more_controllers(
    driver: VmwareDriver, new_op: NewOp, make_spec: MakeSpec, vm_of: Callable[..., Any]
) -> None:
    blank = Disk(source=Blank(), size_bytes=MiB(1))
    spec = make_spec(disks=[Disk(source=Native("small")), *[blank] * 59], power_on=False)
    driver.spawn(spec, new_op())
    places = {(disk.controllerKey, disk.unitNumber) for disk in devices(vm_of(spec.uuid), vim.vm.device.VirtualDisk)}
    assert len(places) == 60
    assert not {unit for _, unit in places} & {7}
    with pytest.raises(InvalidSpec, match="disks"):
        driver.spawn(make_spec(disks=[Disk(source=Native("small")), *[blank] * 60]), new_op())


# --- first boot -------------------------------------------------------------------------------------------------------


def test_first_boot_data(driver: VmwareDriver, op: DriverSide, make_spec: MakeSpec, vm_of: Callable[..., Any]) -> None:
    data = CloudInit(
        user_data="#cloud-config\n# ä\n", network_config="version: 2\n", ssh_authorized_keys=["ssh-ed25519 A", "B"]
    )
    spec = make_spec(name="web", cloud_init=data)
    driver.spawn(spec, op)
    found = options(vm_of(spec.uuid))
    assert found["guestinfo.userdata.encoding"] == found["guestinfo.metadata.encoding"] == "base64"
    assert b64decode(found["guestinfo.userdata"]).decode() == data.user_data
    meta = json.loads(b64decode(found["guestinfo.metadata"]))
    assert (meta["instance-id"], meta["local-hostname"]) == (str(spec.uuid), "web")
    assert meta["public-keys-data"] == "ssh-ed25519 A\nB"
    assert (b64decode(meta["network"]).decode(), meta["network.encoding"]) == (data.network_config, "base64")


# --- places -----------------------------------------------------------------------------------------------------------


def test_placement(
    driver: VmwareDriver,
    op: DriverSide,
    make_spec: MakeSpec,
    vcenter: VCenter,
    native: Callable[[VCenter], Any],
    vm_of: Callable[..., Any],
) -> None:
    root = native(vcenter).content.searchIndex.FindByInventoryPath("/DC0/vm")
    folder = root.CreateFolder(f"lab-{uuid.uuid4()}").CreateFolder("web")
    places = Placement(node="DC0_C1", host="DC0_C1_H1", pool="LocalDS_1", folder=f"{folder.parent.name}/web")
    spec = make_spec(placement=places)
    made = driver.spawn(spec, op)
    vm = vm_of(spec.uuid)
    assert (made.node, vm.runtime.host.name, vm.parent) == ("DC0_C1", "DC0_C1_H1", folder)
    assert vm.config.files.vmPathName.startswith("[LocalDS_1]")
    assert vm.resourcePool.owner.name == "DC0_C1"


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"placement": Placement(pool=POOL)}, "placement.node"),
        ({"placement": Placement(node="none", pool=POOL)}, "placement.node"),
        ({"placement": Placement(node=NODE)}, "placement.pool"),
        ({"placement": Placement(node=NODE, pool="none")}, "placement.pool"),
        ({"placement": replace(USUAL, folder="none")}, "placement.folder"),
        ({"placement": replace(USUAL, folder="small")}, "placement.folder"),
        ({"placement": replace(USUAL, host="none")}, "placement.host"),
        ({"placement": replace(USUAL, host="DC0_C1_H0")}, "placement.host"),
        ({"nics": [Nic(network="none")]}, "nics[0].network"),
        ({"nics": [Nic(network="VM Network"), Nic()]}, "nics[1].network"),
        ({"nics": [Nic(network="VM Network", model=NicModel.VIRTIO)]}, "nics[0].model"),
        ({"disks": [Disk(source=Native("small"), pool="none")]}, "disks[0].pool"),
        ({"disks": [Disk(source=Native("small"), size_bytes=MiB(63))]}, "disks[0].size_bytes"),
        ({"disks": [Disk(source=Native("small")), Disk(source=Native("small"))]}, "disks[1].source"),
        ({"firmware": Firmware.UEFI}, "firmware"),
    ],
)
def test_what_is_not_there_is_refused(
    driver: VmwareDriver,
    op: DriverSide,
    make_spec: MakeSpec,
    vm_of: Callable[..., Any],
    fields: dict[str, Any],
    field: str,
) -> None:
    spec = make_spec(**fields)
    with pytest.raises(InvalidSpec) as caught:
        driver.spawn(spec, op)
    assert caught.value.field == field
    assert vm_of(spec.uuid) is None


@pytest.mark.parametrize("ref", ["none", "vm-0", "/DC0/vm/none", "/DC0/vm", "DC0_C0_RP0_VM0"])
def test_unknown_template_is_not_found(driver: VmwareDriver, op: DriverSide, make_spec: MakeSpec, ref: str) -> None:
    with pytest.raises(ImageNotFound):
        driver.spawn(make_spec(disks=[Disk(source=Native(ref))]), op)


def test_node_without_a_usable_host_has_no_capacity(
    make_driver: Callable[..., VmwareDriver],
    own_vcenter: Callable[..., VCenter],
    native: Callable[[VCenter], Any],
    make_spec: MakeSpec,
    op: DriverSide,
) -> None:
    vcenter = own_vcenter(Settings(clusters=0, standalone_hosts=1))
    host = native(vcenter).content.searchIndex.FindByInventoryPath("/DC0/host/DC0_H0/DC0_H0")
    host.EnterMaintenanceMode_Task(timeout=0)
    with pytest.raises(NoCapacity):
        make_driver(to=vcenter).spawn(make_spec(placement=Placement()), op)


def test_only_places_may_be_left_out(
    make_driver: Callable[..., VmwareDriver], own_vcenter: Callable[..., VCenter], make_spec: MakeSpec, op: DriverSide
) -> None:
    vcenter = own_vcenter(Settings(clusters=1, hosts=1, standalone_hosts=0, datastores=1, portgroups=0))
    made = make_driver(to=vcenter).spawn(make_spec(placement=Placement(), nics=[Nic()]), op)
    assert (made.node, made.power_state) == (NODE, PowerState.RUNNING)


# --- names and owners -------------------------------------------------------------------------------------------------


def test_longest_name(driver: VmwareDriver, op: DriverSide, make_spec: MakeSpec, vm_of: Callable[..., Any]) -> None:
    spec = make_spec(name="n" * 63, power_on=False)
    assert driver.spawn(spec, op).name == spec.name
    assert len(vm_of(spec.uuid).name) == 80


def test_owner_with_letters_that_vcenter_reserves(
    make_driver: Callable[..., VmwareDriver], op: DriverSide, make_spec: MakeSpec, vm_of: Callable[..., Any]
) -> None:
    driver = make_driver(owner="team/a 100%")
    spec = make_spec(power_on=False)
    assert driver.spawn(spec, op).owner == "team/a 100%"
    assert vm_of(spec.uuid).parent.name == "nova-virt-team%2fa 100%25"


def test_manage_all_writes_no_mark(
    make_driver: Callable[..., VmwareDriver],
    driver: VmwareDriver,
    new_op: NewOp,
    make_spec: MakeSpec,
    vm_of: Callable[..., Any],
) -> None:
    everything = make_driver(manage=Manage.ALL)
    spec = make_spec(name="web")
    made = everything.spawn(spec, new_op())
    assert (made.owner, made.name) == (None, "web")
    assert KEY not in options(vm_of(spec.uuid))
    assert everything.spawn(spec, new_op()).native_id == made.native_id
    with pytest.raises(InstanceExists):
        everything.spawn(replace(spec, vcpus=2), new_op())
    with pytest.raises(InstanceExists):
        driver.spawn(spec, new_op())
    with pytest.raises(InvalidSpec, match="labels"):
        everything.spawn(make_spec(labels={"a": "b"}), new_op())

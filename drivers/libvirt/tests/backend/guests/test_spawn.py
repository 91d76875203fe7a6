"""Spawning guests: what is made, what is found again, what is refused, and that nothing is left."""

import re
from pathlib import Path
from typing import Any

import libvirt
import pytest
from lxml import etree

from nova_virt_api.driver.endpoint import Manage
from nova_virt_api.driver.operation import Stage
from nova_virt_api.errors import (
    Cancelled,
    ConfigError,
    InstanceExists,
    InvalidSpec,
    NoCapacity,
    StorageError,
    Unavailable,
    VirtError,
)
from nova_virt_api.model.cloud_init import CloudInit
from nova_virt_api.model.disk import Blank, Disk, DiskBus
from nova_virt_api.model.identity import InstanceRef
from nova_virt_api.model.image import LocalFile
from nova_virt_api.model.instance import DiskPolicy, Lifecycle, PowerState
from nova_virt_api.model.nic import Nic, NicModel
from nova_virt_api.model.placement import Placement
from nova_virt_api.model.spec import Firmware
from nova_virt_api.model.units import GiB, MiB

MOST_REQUESTS = 38
"""Of a spawn from an image that is in the pool, with first-boot data and an interface."""

UNASKED = re.compile(
    r"vir(Domain|Network|StoragePool|StorageVol)Get(Name|UUID|UUIDString)|virConnect(GetType|GetURI|IsAlive)"
    r"|virEvent\w+|virGetLastError|virStream(New|Send)|vir\w+Free"
)
"""What the client's library answers by itself, and what is not answered at all."""


class Counted:
    """Libvirt's calls; keeps the names of those that wait for the daemon's answer."""

    def __init__(self, real: Any) -> None:
        self._real = real
        self.requests: list[str] = []

    def __getattr__(self, name: str) -> Any:
        if name.startswith("vir") and UNASKED.fullmatch(name) is None:
            self.requests.append(name)
        return getattr(self._real, name)


def definition(native: Any, guest: Any) -> Any:
    return etree.fromstring(native.lookupByUUID(guest.uuid.bytes).XMLDesc(0))


def test_guest_is_as_specified(spawn: Any, make_spec: Any, native: Any, traces: Any) -> None:
    spec = make_spec(
        vcpus=2,
        memory_bytes=MiB(64),
        disks=[
            Disk(source=Blank(), size_bytes=GiB(3), bus=DiskBus.SATA),
            Disk(source=Blank(), size_bytes=GiB(2)),
            Disk(source=Blank(), size_bytes=1, bus=DiskBus.SCSI),
        ],
        nics=[Nic(network="default", mac="52:54:00:aa:bb:cc", model=NicModel.E1000E), Nic(network="default")],
        cloud_init=CloudInit(user_data="#cloud-config\n"),
        labels={"role": "<web> & 'co'"},
        power_on=True,
    )
    guest = spawn(spec)
    assert (guest.uuid, guest.name, guest.vcpus, guest.memory_bytes) == (spec.uuid, spec.name, 2, MiB(64))
    assert guest.power_state is PowerState.RUNNING
    assert guest.lifecycle is Lifecycle.READY
    assert guest.owned
    assert guest.labels == spec.labels
    found = definition(native, guest)
    seen = {disk.find("target").get("dev"): disk.get("device") for disk in found.iterfind("devices/disk")}
    assert seen == {"sda": "disk", "vda": "disk", "sdb": "disk", "sdc": "cdrom"}
    assert found.find("devices/interface/mac").get("address") == "52:54:00:aa:bb:cc"
    assert found.find("devices/interface/model").get("type") == "e1000e"
    assert traces.volumes(spec.uuid) == {
        f"{spec.uuid}.{what}"
        for what in ("claim", "console.log", "disk0.qcow2", "disk1.qcow2", "disk2.qcow2", "seed.iso")
    }
    pool = native.storagePoolLookupByName("nova-virt")
    sizes = [pool.storageVolLookupByName(f"{spec.uuid}.disk{index}.qcow2").info()[1] for index in range(3)]
    assert sizes == [GiB(3), GiB(2), 1024]


def test_spawn_asks_libvirt_few_times(
    spawn: Any, make_spec: Any, driver: Any, image: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By hand the same guest takes 10 requests; the others are claims, checks and marks."""

    def wanted() -> Any:
        disk = Disk(source=LocalFile(image), size_bytes=GiB(1))
        first_boot = CloudInit(user_data="#cloud-config\n")
        return make_spec(disks=[disk], nics=[Nic(network="default")], cloud_init=first_boot, power_on=True)

    spawn(wanted())  # from now on the image is in the pool, and the connection for starts is open
    counted = Counted(libvirt.libvirtmod)
    monkeypatch.setattr(libvirt, "libvirtmod", counted)
    driver.capabilities()  # which decide what of a spec is refused, each time
    spawn(wanted())
    monkeypatch.undo()
    assert len(counted.requests) <= MOST_REQUESTS, counted.requests


def test_uefi_guest_starts_and_leaves_no_nvram(
    driver: Any, spawn: Any, make_spec: Any, native: Any, run: Any, daemon: Any
) -> None:
    guest = spawn(make_spec(firmware=Firmware.UEFI, memory_bytes=MiB(64), power_on=True))
    nvram = definition(native, guest).findtext("os/nvram")
    seen = daemon.directory / "lib" / nvram.removeprefix("/var/lib/libvirt/")
    assert seen.exists()
    assert run(driver.destroy, InstanceRef(uuid=guest.uuid))
    assert not seen.exists()


def test_ide_disk_gets_a_machine_that_has_ide(spawn: Any, make_spec: Any, native: Any) -> None:
    ide = Disk(source=Blank(), size_bytes=GiB(1), bus=DiskBus.IDE)
    guest = spawn(make_spec(disks=[ide], cloud_init=CloudInit(), power_on=True))
    found = definition(native, guest)
    assert found.find("os/type").get("machine").startswith("pc-i440fx")
    assert [disk.get("device") for disk in found.iterfind("devices/disk")] == ["disk", "cdrom"]


def test_screen_is_closed_until_a_ticket_is_given_out(spawn: Any, make_spec: Any, native: Any) -> None:
    guest = spawn(make_spec(power_on=True))
    graphics = definition(native, guest).find("devices/graphics")
    assert graphics.get("listen") == "127.0.0.1"
    assert graphics.get("passwdValidTo") == "1970-01-01T00:00:01"


def test_same_spec_again_is_the_same_guest(spawn: Any, make_spec: Any, traces: Any) -> None:
    spec = make_spec()
    first = spawn(spec)
    before = traces.volumes()
    assert spawn(spec) == first
    assert traces.volumes() == before


def test_found_as_it_is_even_if_it_could_not_be_made_now(spawn: Any, make_spec: Any, native: Any) -> None:
    spec = make_spec(nics=[Nic(network="default")], power_on=True)
    first = spawn(spec)
    native.networkLookupByName("default").destroy()
    try:
        assert spawn(spec).uuid == first.uuid
    finally:
        native.networkLookupByName("default").create()


def test_mac_is_the_same_each_time(spawn: Any, make_spec: Any, native: Any, run: Any, driver: Any) -> None:
    spec = make_spec(nics=[Nic(network="default"), Nic(network="default")])
    macs = []
    for _ in range(2):
        found = definition(native, spawn(spec))
        macs.append([mac.get("address") for mac in found.iterfind("devices/interface/mac")])
        run(driver.destroy, InstanceRef(uuid=spec.uuid))
    assert macs[0] == macs[1]
    assert len(set(macs[0])) == 2


def test_another_spec_with_the_uuid_is_refused(spawn: Any, make_spec: Any, traces: Any) -> None:
    spec = make_spec()
    spawn(spec)
    before = traces.volumes()
    with pytest.raises(InstanceExists, match="another spec"):
        spawn(make_spec(uuid=spec.uuid, vcpus=2))
    assert traces.volumes() == before


def test_another_owners_uuid_is_refused(spawn: Any, make_spec: Any, make_driver: Any, run: Any) -> None:
    spec = make_spec()
    spawn(spec)
    other = make_driver(owner="somebody-else")
    with pytest.raises(InstanceExists, match="belongs to owner"):
        run(other.spawn, spec)


def test_foreign_guest_with_the_uuid_is_refused_and_untouched(
    blank: Any, driver: Any, make_spec: Any, run: Any, traces: Any
) -> None:
    guest = blank("foreign", owner=None)
    with pytest.raises(InstanceExists, match="foreign"):
        run(driver.spawn, make_spec(uuid=guest.uuid))
    assert traces.of(guest.uuid) == ["foreign"]


def test_taken_name_is_refused_with_whose_it_is(spawn: Any, make_spec: Any, driver: Any, run: Any, traces: Any) -> None:
    first = spawn(make_spec())
    spec = make_spec(name=first.name)
    with pytest.raises(InstanceExists, match=str(first.uuid)):
        run(driver.spawn, spec)
    assert traces.of(spec.uuid) == []


@pytest.mark.parametrize(
    ("fields", "error", "names"),
    [
        ({"disks": [Disk(source=Blank(), size_bytes=1, pool="nowhere")]}, InvalidSpec, r"disks\[0\].pool.*nova-virt"),
        ({"placement": Placement(pool="nowhere")}, InvalidSpec, r"placement.pool.*nova-virt"),
        ({"nics": [Nic(network="nowhere")]}, InvalidSpec, r"nics\[0\].network.*default"),
        ({"nics": [Nic(network="<a/>'\"")]}, InvalidSpec, r"nics\[0\].network"),
        ({"memory_bytes": 2**46}, NoCapacity, "memory"),
        ({"vcpus": 4096}, NoCapacity, "virtual CPUs"),
        (
            {"disks": [Disk(source=Blank(), size_bytes=1, bus=DiskBus.IDE)] * 5},
            InvalidSpec,
            "disks.*IDE",
        ),
    ],
)
def test_refused_with_the_field_and_no_trace(
    fields: dict[str, Any], error: type[VirtError], names: str, make_spec: Any, driver: Any, run: Any, traces: Any
) -> None:
    spec = make_spec(**fields)
    with pytest.raises(error, match=names):
        run(driver.spawn, spec)
    assert traces.of(spec.uuid) == []


def test_inactive_network_is_named_with_the_remedy(
    make_spec: Any, driver: Any, run: Any, native: Any, traces: Any
) -> None:
    network = native.networkDefineXML("<network><name>stopped</name></network>")
    try:
        spec = make_spec(nics=[Nic(network="stopped")])
        with pytest.raises(Unavailable, match="virsh net-start stopped"):
            run(driver.spawn, spec)
        assert traces.of(spec.uuid) == []
    finally:
        network.undefine()


def test_the_only_network_is_meant_also_when_it_is_inactive(
    make_spec: Any, driver: Any, run: Any, native: Any, traces: Any
) -> None:
    network = native.networkLookupByName("default")
    network.destroy()
    try:
        spec = make_spec(nics=[Nic()])
        with pytest.raises(Unavailable, match="virsh net-start default"):
            run(driver.spawn, spec)
        assert traces.of(spec.uuid) == []
    finally:
        network.create()


def test_inactive_pool_is_named_with_the_remedy(
    make_spec: Any, driver: Any, run: Any, native: Any, traces: Any, tmp_path: Any
) -> None:
    pool = native.storagePoolDefineXML(
        f"<pool type='dir'><name>stopped</name><target><path>{tmp_path}</path></target></pool>"
    )
    try:
        spec = make_spec(placement=Placement(pool="stopped"))
        with pytest.raises(Unavailable, match="virsh pool-start stopped"):
            run(driver.spawn, spec)
        assert traces.of(spec.uuid) == []
    finally:
        pool.undefine()


def test_of_several_pools_one_must_be_named(
    make_spec: Any, make_driver: Any, run: Any, native: Any, traces: Any, tmp_path: Any
) -> None:
    pool = native.storagePoolDefineXML(
        f"<pool type='dir'><name>another</name><target><path>{tmp_path}/pool</path></target></pool>"
    )
    pool.build(0)
    pool.create(0)
    try:
        driver = make_driver(pool=None)
        spec = make_spec()
        with pytest.raises(InvalidSpec, match=r"placement\.pool.*another, nova-virt"):
            run(driver.spawn, spec)
        named = make_spec(placement=Placement(pool="nova-virt"))
        guest = run(driver.spawn, named)
        assert f"{named.uuid}.disk0.qcow2" in traces.volumes()
        assert run(driver.destroy, guest.ref)
        assert traces.of(spec.uuid) + traces.of(named.uuid) + pool.listVolumes() == []
    finally:
        pool.destroy()
        pool.undefine()


def test_configured_pool_that_is_not_there(make_spec: Any, make_driver: Any, run: Any, traces: Any) -> None:
    spec = make_spec()
    with pytest.raises(ConfigError, match=r"pool: .*nowhere.*nova-virt"):
        run(make_driver(pool="nowhere").spawn, spec)
    assert traces.of(spec.uuid) == []


@pytest.mark.parametrize("stage", [Stage.NETWORK_READY, Stage.DISKS_READY, Stage.BEFORE_START])
def test_cancelled_at_any_hook_leaves_nothing(stage: Stage, make_spec: Any, driver: Any, run: Any, traces: Any) -> None:
    spec = make_spec(power_on=True, cloud_init=CloudInit())
    with pytest.raises(Cancelled):
        run(driver.spawn, spec, hooks={stage: lambda operation: operation.cancel() and operation.checkpoint()})
    assert traces.of(spec.uuid) == []


def test_start_that_fails_leaves_nothing(make_spec: Any, driver: Any, run: Any, traces: Any, native: Any) -> None:
    spec = make_spec(nics=[Nic(network="default")], power_on=True)

    def stop_network(_: object) -> None:
        native.networkLookupByName("default").destroy()

    try:
        with pytest.raises(VirtError, match="default"):
            run(driver.spawn, spec, hooks={Stage.BEFORE_START: stop_network})
    finally:
        native.networkLookupByName("default").create()
    assert traces.of(spec.uuid) == []


def test_kept_disks_are_not_taken_for_leftovers(
    spawn: Any, make_spec: Any, driver: Any, run: Any, traces: Any, native: Any
) -> None:
    spec = make_spec()
    spawn(spec)
    kept = f"{spec.uuid}.disk0.qcow2"
    assert run(driver.destroy, InstanceRef(uuid=spec.uuid), disks=DiskPolicy.KEEP)
    assert traces.of(spec.uuid) == [kept]
    assert driver.leftovers() == []
    with pytest.raises(StorageError, match="vol-delete"):
        spawn(spec)
    assert not run(driver.destroy, InstanceRef(uuid=spec.uuid))
    assert traces.of(spec.uuid) == [kept]
    native.storagePoolLookupByName("nova-virt").storageVolLookupByName(kept).delete(0)


def test_definition_removed_by_others_is_told_and_disks_are_safe(
    spawn: Any, make_spec: Any, driver: Any, native: Any, traces: Any
) -> None:
    spec = make_spec()
    spawn(spec)
    native.lookupByUUID(spec.uuid.bytes).undefine()
    driver.domains.clear()
    before = traces.volumes(spec.uuid)
    with pytest.raises(InstanceExists, match="removed by other means"):
        spawn(spec)
    assert traces.volumes(spec.uuid) == before
    assert {leftover.name for leftover in driver.leftovers()} == before


def test_manage_all_may_remove_foreign_guests_only_when_told(
    blank: Any, make_driver: Any, run: Any, driver: Any, traces: Any
) -> None:
    guest = blank("foreign", owner=None, on=True)
    for refused, foreign in ((driver, True), (make_driver(manage=Manage.ALL), False)):
        with pytest.raises(VirtError, match="not made by this API"):
            run(refused.destroy, guest, foreign=foreign)
    assert run(make_driver(manage=Manage.ALL).destroy, guest, foreign=True)
    assert traces.of(guest.uuid) == []

"""The machine that a spec asks for is what QEMU runs: looked at by QMP, by libvirt's live definition and its calls."""

import json
from typing import Any
from uuid import UUID

import libvirt
import libvirt_qemu
import pytest
from lxml import etree

from nova_virt_api.capability import Feature
from nova_virt_api.errors import InvalidSpec, NetworkError, NoCapacity, NotSupported
from nova_virt_api.model.cpu import Cpu, CpuMode, CpuTopology, NumaCell
from nova_virt_api.model.disk import Blank, Disk, DiskBus, DiskCache
from nova_virt_api.model.identity import InstanceRef
from nova_virt_api.model.limits import DiskLimits, DiskRate, NicLimits, NicRate
from nova_virt_api.model.memory import MemoryBacking, MemoryEncryption
from nova_virt_api.model.nic import Nic, NicModel
from nova_virt_api.model.screen import Graphics, Screen, VideoModel
from nova_virt_api.model.spec import Firmware
from nova_virt_api.model.tpm import Tpm, TpmModel, TpmVersion
from nova_virt_api.model.units import GiB, MiB
from nova_virt_api.model.watchdog import Watchdog, WatchdogAction
from nova_virt_libvirt.extras import LibvirtMachine


class Machine:
    """A running guest, asked without the driver."""

    def __init__(self, native: Any, guest: Any) -> None:
        self.domain = native.lookupByUUID(guest.uuid.bytes)
        self.live = etree.fromstring(self.domain.XMLDesc(0))

    def ask(self, command: str, **arguments: Any) -> Any:
        """QEMU's answer to a command of its monitor."""
        asked = json.dumps({"execute": command, "arguments": arguments})
        return json.loads(libvirt_qemu.qemuMonitorCommand(self.domain, asked, 0))["return"]

    def property(self, path: str, name: str) -> Any:
        """A property of one of QEMU's objects."""
        return self.ask("qom-get", path=path, property=name)

    def first_cpu(self, name: str) -> Any:
        """A property of the first virtual CPU."""
        return self.property(self.ask("query-cpus-fast")[0]["qom-path"], name)


@pytest.fixture
def machine(spawn: Any, make_spec: Any, native: Any) -> Any:
    """Makes and starts a guest."""

    def make(**fields: Any) -> Machine:
        return Machine(native, spawn(make_spec(power_on=True, **fields)))

    return make


def disk(**fields: Any) -> Disk:
    return Disk(source=Blank(), size_bytes=GiB(1), **fields)


# --- firmware and TPM -------------------------------------------------------------------------------------------------


def test_secure_boot_with_keys_and_tpm_leaves_nothing(
    machine: Any, make_spec: Any, driver: Any, run: Any, daemon: Any
) -> None:
    found = machine(secure_boot=True, tpm=Tpm(), memory_bytes=MiB(64))
    loader, nvram = found.live.find("os/loader"), found.live.find("os/nvram")
    assert loader.get("secure") == "yes"
    assert "enrolled-keys" in found.live.xpath("os/firmware/feature[@enabled='yes']/@name")
    assert found.property("/machine", "smm") == "on"
    assert "/machine/peripheral/tpm0" in {
        f"/machine/peripheral/{child['name']}" for child in found.ask("qom-list", path="/machine/peripheral")
    }
    assert found.ask("query-tpm")[0]["model"] == "tpm-crb"
    state = daemon.directory / "lib" / "swtpm" / found.domain.UUIDString()
    variables = daemon.directory / "lib" / nvram.text.removeprefix("/var/lib/libvirt/")
    assert (state.exists(), variables.exists()) == (True, True)
    assert run(driver.destroy, InstanceRef(uuid=UUID(found.domain.UUIDString())))
    assert (state.exists(), variables.exists()) == (False, False)


@pytest.mark.parametrize("model", [None, TpmModel.TIS])
def test_old_tpm(machine: Any, model: TpmModel | None) -> None:
    found = machine(tpm=Tpm(version=TpmVersion.V1_2, model=model))
    assert found.ask("query-tpm")[0]["model"] == "tpm-tis"
    assert found.live.find("devices/tpm/backend").get("version") == "1.2"


def test_stateless_firmware_has_no_variables(machine: Any) -> None:
    found = machine(stateless_firmware=True, memory_bytes=MiB(64))
    assert found.live.find("os/nvram") is None
    assert found.live.find("os/loader").get("stateless") == "yes"
    nodes = {one["node-name"]: one for one in found.ask("query-named-block-nodes") if "pflash" in one["node-name"]}
    assert nodes["libvirt-pflash0-format"]["ro"] is True
    assert not [name for name in nodes if "pflash1" in name]


# --- processor --------------------------------------------------------------------------------------------------------


def test_named_cpu_with_flags_and_topology(machine: Any) -> None:
    cpu = Cpu(
        model="Nehalem",
        with_flags=["aes"],
        without_flags=["sse4.2"],
        topology=CpuTopology(sockets=1, cores=2, threads=2),
    )
    found = machine(vcpus=4, cpu=cpu)
    assert found.first_cpu("type") == "Nehalem-x86_64-cpu"
    assert found.first_cpu("aes") is True
    assert found.first_cpu("sse4-2") is False
    places = [one["props"] for one in found.ask("query-cpus-fast")]
    assert [(one["socket-id"], one["core-id"], one["thread-id"]) for one in places] == [
        (0, 0, 0),
        (0, 0, 1),
        (0, 1, 0),
        (0, 1, 1),
    ]


@pytest.mark.parametrize("mode", [CpuMode.MAXIMUM, CpuMode.HOST_MODEL])
def test_cpu_modes_that_need_no_kvm(machine: Any, mode: CpuMode) -> None:
    found = machine(cpu=Cpu(mode=mode))
    kind = found.first_cpu("type")
    assert (kind == "max-x86_64-cpu") == (mode is CpuMode.MAXIMUM)


@pytest.mark.parametrize(
    ("cpu", "field"),
    [
        (Cpu(model="Imaginary"), "cpu.model"),
        (Cpu(model="Cooperlake"), "cpu.model"),
        (Cpu(with_flags=["avx512-4fmaps"]), "cpu.with_flags"),
        (Cpu(without_flags=["no-such-flag"]), "cpu.without_flags"),
        (Cpu(with_flags=["aes"], without_flags=["no-such-flag"]), "cpu.without_flags"),
        (Cpu(with_flags=["no-such-flag"], without_flags=["popcnt"]), "cpu.with_flags"),
    ],
)
def test_cpu_that_the_host_cannot_give_is_refused(
    spawn: Any, make_spec: Any, traces: Any, make_driver: Any, cpu: Cpu, field: str
) -> None:
    spec = make_spec(cpu=cpu)
    with pytest.raises(InvalidSpec) as caught:
        spawn(spec, by=make_driver(virt_type="qemu"))
    assert caught.value.field == field
    assert traces.of(spec.uuid) == []


def test_dedicated_cpus_are_given_once(
    spawn: Any, make_spec: Any, make_driver: Any, native: Any, run: Any, traces: Any
) -> None:
    driver = make_driver(cpu_dedicated_set="0-1")
    first = spawn(make_spec(cpu=Cpu(dedicated=True), power_on=True), by=driver)
    second = spawn(make_spec(cpu=Cpu(dedicated=True, host_cpus=[1])), by=driver)
    assert native.lookupByUUID(first.uuid.bytes).vcpuPinInfo() == [(True, False)]
    pins = native.lookupByUUID(second.uuid.bytes).vcpuPinInfo(libvirt.VIR_DOMAIN_AFFECT_CONFIG)
    assert pins == [(False, True)]
    resources = {one.resource_class: (one.total, one.used) for one in driver.inventory().resources}
    assert resources["PCPU"] == (2, 2)
    third = make_spec(cpu=Cpu(dedicated=True))
    with pytest.raises(NoCapacity) as caught:
        spawn(third, by=driver)
    assert caught.value.resource == "PCPU"
    assert traces.of(third.uuid) == []
    run(driver.destroy, InstanceRef(uuid=first.uuid))
    assert spawn(third, by=driver)
    assert not [name for name in traces.volumes() if "host-cpus" in name]


def test_named_host_cpu_that_is_taken_or_not_set_aside(spawn: Any, make_spec: Any, make_driver: Any) -> None:
    driver = make_driver(cpu_dedicated_set="1")
    with pytest.raises(InvalidSpec) as caught:
        spawn(make_spec(cpu=Cpu(dedicated=True, host_cpus=[0])), by=driver)
    assert caught.value.field == "cpu.host_cpus"
    spawn(make_spec(cpu=Cpu(dedicated=True, host_cpus=[1])), by=driver)
    with pytest.raises(NoCapacity, match="belong to other guests"):
        spawn(make_spec(cpu=Cpu(dedicated=True, host_cpus=[1])), by=driver)


def test_other_guests_keep_to_the_shared_cpus(spawn: Any, make_spec: Any, make_driver: Any, native: Any) -> None:
    driver = make_driver(cpu_dedicated_set="1,9999", cpu_shared_set="0")  # this host has not so many
    guest = spawn(make_spec(vcpus=2, power_on=True), by=driver)
    assert native.lookupByUUID(guest.uuid.bytes).vcpuPinInfo() == [(True, False), (True, False)]
    resources = {one.resource_class: one.total for one in driver.inventory().resources}
    assert (resources["VCPU"], resources["PCPU"]) == (1, 1)


# --- memory -----------------------------------------------------------------------------------------------------------


def test_numa_cells(machine: Any) -> None:
    cells = [
        NumaCell(vcpus=[0], memory_bytes=MiB(32), host_cell=0),
        NumaCell(vcpus=[1, 2], memory_bytes=MiB(64), host_cell=0),
    ]
    found = machine(vcpus=3, memory_bytes=MiB(96), numa=cells)
    assert [one["props"]["node-id"] for one in found.ask("query-cpus-fast")] == [0, 1, 1]
    sizes = {one["id"]: one["size"] for one in found.ask("query-memdev")}
    assert sizes == {"ram-node0": MiB(32), "ram-node1": MiB(64)}
    assert found.live.xpath("numatune/memnode/@nodeset") == ["0", "0"]


def test_numa_cell_that_the_host_does_not_have(spawn: Any, make_spec: Any) -> None:
    cells = [NumaCell(vcpus=[0], memory_bytes=MiB(16), host_cell=7)]
    with pytest.raises(InvalidSpec) as caught:
        spawn(make_spec(numa=cells))
    assert caught.value.field == "numa[0].host_cell"


@pytest.mark.parametrize(
    ("backing", "kind", "share"),
    [
        (MemoryBacking(shared=True), "memory-backend-memfd", True),
        (MemoryBacking(file_backed=True), "memory-backend-file", True),
        (None, "memory-backend-ram", False),
    ],
)
def test_memory_backing(machine: Any, backing: MemoryBacking | None, kind: str, share: bool) -> None:
    found = machine(backing=backing)
    assert [one["type"] for one in found.ask("qom-list", path="/objects") if "memory-backend" in one["type"]] == [
        f"child<{kind}>"
    ]
    assert [one["share"] for one in found.ask("query-memdev")] == [share]


def test_memory_that_the_host_cannot_give_is_refused(driver: Any, make_spec: Any, spawn: Any) -> None:
    answers = driver.capabilities()
    for feature in (Feature.HUGE_PAGES, Feature.MEMORY_ENCRYPTION):
        if not answers.has(feature):
            with pytest.raises(NotSupported):
                answers.require(feature, "memory")
    with pytest.raises(InvalidSpec) as caught:
        spawn(make_spec(backing=MemoryBacking(page_bytes=MiB(64))))
    assert caught.value.field == "backing.page_bytes"
    if not answers.has(Feature.MEMORY_ENCRYPTION):
        with pytest.raises(InvalidSpec) as caught:
            spawn(make_spec(backing=MemoryBacking(encryption=MemoryEncryption.SEV)))
        assert caught.value.field == "backing.encryption"


# --- disks ------------------------------------------------------------------------------------------------------------


def test_disk_limits_are_those_of_qemu(machine: Any) -> None:
    limits = DiskLimits(
        read_bytes=DiskRate(per_second=MiB(1), burst_per_second=MiB(2), burst_seconds=10),
        write_bytes=DiskRate(per_second=MiB(3)),
        total_operations=DiskRate(per_second=100),
    )
    found = machine(disks=[disk(limits=limits), disk()])
    tune = found.domain.blockIoTune("vda", libvirt.VIR_DOMAIN_AFFECT_LIVE)
    assert {name: value for name, value in tune.items() if value and name != "group_name"} == {
        "read_bytes_sec": MiB(1),
        "read_bytes_sec_max": MiB(2),
        "read_bytes_sec_max_length": 10,
        "write_bytes_sec": MiB(3),
        "total_iops_sec": 100,
    }
    assert not any(value for name, value in found.domain.blockIoTune("vdb").items() if name.endswith("_sec"))


def test_disk_cache_discard_and_serial(machine: Any) -> None:
    disks = [
        disk(cache=DiskCache.NONE, discard=False, serial="first-1"),
        disk(cache=DiskCache.UNSAFE),
        disk(bus=DiskBus.USB, serial="on.usb"),
    ]
    found = machine(disks=disks)
    nodes = {one["node-name"]: one for one in found.ask("query-named-block-nodes")}
    caches = [
        nodes[block["inserted"]["node-name"]]["cache"]
        for block in sorted(found.ask("query-block"), key=lambda one: one["qdev"])
        if "inserted" in block and "virtio" in block["qdev"]
    ]
    assert [(one["direct"], one["no-flush"]) for one in caches] == [(True, False), (False, True)]
    assert found.live.xpath("devices/disk/driver/@discard") == ["ignore", "unmap", "unmap"]
    assert found.property("/machine/peripheral/virtio-disk0", "serial") == "first-1"


def test_many_scsi_disks_are_all_on_controllers_of_one_kind(machine: Any) -> None:
    found = machine(disks=[disk(bus=DiskBus.SATA), *[disk(bus=DiskBus.SCSI)] * 14])
    assert found.live.xpath("devices/controller[@type='scsi']/@model") == ["virtio-scsi"] * 3


def test_nvme_is_refused_with_the_reason(spawn: Any, make_spec: Any, traces: Any) -> None:
    spec = make_spec(disks=[disk(bus=DiskBus.NVME)])
    with pytest.raises(InvalidSpec, match="NVMe") as caught:
        spawn(spec)
    assert caught.value.field == "disks[0].bus"
    assert traces.of(spec.uuid) == []


# --- interfaces -------------------------------------------------------------------------------------------------------


def test_nic_queues_mtu_and_link(machine: Any) -> None:
    found = machine(vcpus=2, nics=[Nic(network="default", queues=2, mtu=1400, link_up=False), Nic(network="default")])
    first, second = found.live.findall("devices/interface")
    assert first.find("driver").get("queues") == "2"
    assert first.find("link").get("state") == "down"
    path = f"/machine/peripheral/{first.find('alias').get('name')}"
    assert found.property(path, "mq") is True
    assert found.property(path, "host_mtu") == 1400
    assert second.find("link") is None


def test_nic_limits_are_in_the_definition(spawn: Any, make_spec: Any, native: Any) -> None:
    limits = NicLimits(
        receive=NicRate(bytes_per_second=1_000_000, peak_bytes_per_second=2_000_000, burst_bytes=MiB(1)),
        send=NicRate(bytes_per_second=500_000),
    )
    guest = spawn(make_spec(nics=[Nic(network="default", limits=limits)]))
    found: Any = Machine(native, guest).live.find("devices/interface/bandwidth")
    assert dict(found.find("inbound").attrib) == {"average": "1000", "peak": "2000", "burst": "1024"}
    assert dict(found.find("outbound").attrib) == {"average": "500"}


def test_limits_work_or_the_error_says_what_the_host_lacks(
    spawn: Any, make_spec: Any, native: Any, traces: Any
) -> None:
    limits = NicLimits(receive=NicRate(bytes_per_second=1_000_000), send=NicRate(bytes_per_second=1_000_000))
    spec = make_spec(nics=[Nic(network="default", limits=limits)], power_on=True)
    lacks: NetworkError | None = None
    try:
        guest = spawn(spec)
    except NetworkError as error:  # a kernel without traffic control
        lacks = error
    if lacks is not None:
        assert "sch_sfq" in lacks.hint
        assert traces.of(spec.uuid) == []
        return
    live = Machine(native, guest)
    (name,) = live.live.xpath("devices/interface/target/@dev")
    assert live.domain.interfaceParameters(name, libvirt.VIR_DOMAIN_AFFECT_LIVE)["inbound.average"] == 1000


def test_queues_of_a_card_that_has_one(spawn: Any, make_spec: Any) -> None:
    with pytest.raises(InvalidSpec) as caught:
        spawn(make_spec(nics=[Nic(network="default", model=NicModel.E1000, queues=2)]))
    assert caught.value.field == "nics[0].queues"


# --- the rest ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("action", "word"), [(WatchdogAction.POWER_OFF, "poweroff"), (WatchdogAction.PAUSE, "pause")])
def test_watchdog(machine: Any, action: WatchdogAction, word: str) -> None:
    found = machine(watchdog=Watchdog(action=action))
    dog = found.live.find("devices/watchdog")
    assert (dog.get("model"), dog.get("action")) == ("i6300esb", word)
    types = {child["type"] for child in found.ask("qom-list", path="/machine/peripheral")}
    assert "child<i6300esb>" in types


@pytest.mark.parametrize(
    ("screen", "type_of_card", "ways"),
    [
        (Screen(graphics=Graphics.SPICE, video=VideoModel.QXL), "qxl", ["spice"]),
        (Screen(video=VideoModel.VIRTIO), "virtio", ["vnc"]),
        (Screen(video=VideoModel.NONE, graphics=Graphics.NONE), "none", []),
    ],
)
def test_screen(machine: Any, screen: Screen, type_of_card: str, ways: list[str]) -> None:
    found = machine(screen=screen)
    assert found.live.find("devices/video/model").get("type") == type_of_card
    assert found.live.xpath("devices/graphics/@type") == ways
    assert all(graphics.get("listen") == "127.0.0.1" for graphics in found.live.iterfind("devices/graphics"))


def test_machine_type_and_spare_ports_are_an_extra(machine: Any) -> None:
    found = machine(extras=[LibvirtMachine(machine="pc-q35-6.2", spare_ports=2)])
    assert found.live.find("os/type").get("machine") == "pc-q35-6.2"
    usual = machine()
    ports = "count(devices/controller[@model='pcie-root-port'])"
    assert usual.live.xpath(ports) - found.live.xpath(ports) == 6


def test_machine_type_that_is_not_there(spawn: Any, make_spec: Any) -> None:
    with pytest.raises(InvalidSpec) as caught:
        spawn(make_spec(extras=[LibvirtMachine(machine="pc-q35-99.9")]))
    assert "pc-q35-7" in caught.value.allowed


def test_secure_boot_on_a_machine_that_has_none(spawn: Any, make_spec: Any) -> None:
    for fields in ({"disks": [disk(bus=DiskBus.IDE)]},):
        with pytest.raises(InvalidSpec) as caught:
            spawn(make_spec(secure_boot=True, firmware=Firmware.UEFI, **fields))
        assert caught.value.field == "secure_boot"

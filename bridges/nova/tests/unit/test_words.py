"""What a flavor's extra specs and an image's properties become, and which of them are refused."""

from datetime import UTC, datetime
from typing import Any

import pytest
from nova import exception, objects

import nova_virt_api as virt
from nova_virt_bridge.limits import disk_limits, nic_limits
from nova_virt_bridge.spec import Request, spec_of
from nova_virt_bridge.words import EXTRA_SPECS, IMAGE_PROPERTIES, Status, word_of

UEFI = {"hw_firmware_type": "uefi"}
VIF = "quota:vif"


def image_with(properties: dict[str, Any]) -> Any:
    return objects.ImageMeta.from_dict({"id": "x", "properties": properties})


@pytest.fixture
def make_spec(driver: Any, make_instance: Any, request_context: Any) -> Any:
    """Makes the spec of an instance whose flavor and image say this."""

    def make(
        extra: dict[str, str] | None = None,
        image: dict[str, Any] | None = None,
        vcpus: int = 2,
        launched_at: datetime | None = None,
        **more: Any,
    ) -> virt.InstanceSpec:
        instance = make_instance(flavor={"extra_specs": extra or {}, "vcpus": vcpus}, launched_at=launched_at)
        request = Request(
            context=request_context,
            instance=instance,
            image_meta=image_with(image or {}),
            **{"block_devices": {}, **more},
        )
        return spec_of(request, driver.compute, driver.site.nodes.node(instance.node))

    return make


def test_nothing_is_asked_of_an_endpoint_that_nobody_asked_for(make_spec: Any, make_vif: Any) -> None:
    spec = make_spec(vifs=(make_vif(),))
    assert (spec.cpu, spec.numa, spec.backing, spec.watchdog, spec.screen) == (None, (), None, None, None)
    assert (spec.disks[0].bus, spec.disks[0].limits) == (None, None)
    assert (spec.nics[0].model, spec.nics[0].queues, spec.nics[0].limits) == (None, None, None)


@pytest.mark.parametrize(
    ("extra", "image", "arranged"),
    [
        ({"hw:cpu_sockets": "1", "hw:cpu_cores": "2", "hw:cpu_threads": "2"}, {}, (1, 2, 2)),
        ({"hw:cpu_max_sockets": "2"}, {}, (2, 2, 1)),
        ({}, {"hw_cpu_threads": 2}, (2, 1, 2)),
    ],
)
def test_how_virtual_cpus_are_arranged(make_spec: Any, extra: Any, image: Any, arranged: Any) -> None:
    topology = make_spec(extra, image, vcpus=4).cpu.topology
    assert (topology.sockets, topology.cores, topology.threads) == arranged


@pytest.mark.parametrize(
    ("extra", "image", "action"),
    [
        ({"hw:watchdog_action": "poweroff"}, {}, virt.WatchdogAction.POWER_OFF),
        ({"hw:watchdog_action": "none"}, {"hw_watchdog_action": "reset"}, virt.WatchdogAction.RESET),
    ],
)
def test_watchdog(make_spec: Any, extra: Any, image: Any, action: virt.WatchdogAction) -> None:
    assert make_spec(extra, image).watchdog == virt.Watchdog(action=action)


def test_a_watchdog_that_is_disabled_is_none(make_spec: Any) -> None:
    assert make_spec({"hw:watchdog_action": "disabled"}).watchdog is None


def test_a_watchdog_that_does_what_nobody_knows(make_spec: Any) -> None:
    with pytest.raises(virt.InvalidSpec, match="hw:watchdog_action"):
        make_spec({"hw:watchdog_action": "bark"})


def test_video_card(make_spec: Any) -> None:
    assert make_spec(image={"hw_video_model": "virtio"}).screen == virt.Screen(video=virt.VideoModel.VIRTIO)


@pytest.mark.parametrize(
    ("extra", "image", "encryption"),
    [
        ({"hw:mem_encryption": "true"}, UEFI, virt.MemoryEncryption.SEV),
        ({}, UEFI | {"hw_mem_encryption": True, "hw_mem_encryption_model": "amd-sev-es"}, virt.MemoryEncryption.SEV_ES),
    ],
)
def test_memory_that_is_encrypted(make_spec: Any, extra: Any, image: Any, encryption: Any) -> None:
    assert make_spec(extra, image).backing == virt.MemoryBacking(encryption=encryption)


def test_memory_that_is_locked(make_spec: Any) -> None:
    assert make_spec({"hw:locked_memory": "true", "hw:mem_page_size": "small"}).backing.locked


def test_bus_of_disks_and_volumes(make_spec: Any) -> None:
    connection = {"driver_volume_type": "iscsi", "data": {}}
    volumes = [
        {"connection_info": connection, "volume_id": "any", "boot_index": None, "mount_device": "/dev/vdb"},
        {
            "connection_info": connection,
            "volume_id": "chosen",
            "boot_index": None,
            "mount_device": "/dev/vdc",
            "disk_bus": "virtio",
        },
    ]
    devices = {"ephemerals": [{"size": 1}], "block_device_mapping": volumes}
    spec = make_spec(image={"hw_disk_bus": "sata"}, block_devices=devices)
    assert [disk.bus for disk in spec.disks] == [virt.DiskBus.SATA] * 2
    assert [volume.bus for volume in spec.volumes] == [virt.DiskBus.SATA, virt.DiskBus.VIRTIO]


def test_how_fast_disks_are(make_spec: Any) -> None:
    extra = {"quota:disk_read_bytes_sec": "1000", "quota:disk_total_iops_sec": "50", "quota:disk_write_bytes_sec": "0"}
    limits = virt.DiskLimits(read_bytes=virt.DiskRate(per_second=1000), total_operations=virt.DiskRate(per_second=50))
    spec = make_spec(extra, block_devices={"swap": {"swap_size": 64}})
    assert [disk.limits for disk in spec.disks] == [limits] * 2
    assert disk_limits({"quota:disk_read_bytes_sec": "0"}) is None
    with pytest.raises(virt.InvalidSpec, match="quota:disk_read_bytes_sec"):
        make_spec({"quota:disk_read_bytes_sec": "-1"})


def test_card_queues_and_how_fast_it_is(make_spec: Any, make_vif: Any) -> None:
    extra = {
        "hw:vif_multiqueue_enabled": "true",
        f"{VIF}_inbound_average": "2000",
        f"{VIF}_inbound_peak": "4000",
        f"{VIF}_inbound_burst": "64",
        f"{VIF}_outbound_average": "1000",
    }
    (nic,) = make_spec(extra, vifs=(make_vif(),), vcpus=4).nics
    assert (nic.model, nic.queues) == (None, 4)
    assert nic.limits == virt.NicLimits(
        receive=virt.NicRate(bytes_per_second=2_000_000, peak_bytes_per_second=4_000_000, burst_bytes=65536),
        send=virt.NicRate(bytes_per_second=1_000_000),
    )
    (old,) = make_spec(extra, {"hw_vif_model": "e1000"}, vifs=(make_vif(),), vcpus=4).nics
    assert (old.model, old.queues) == (virt.NicModel.E1000, None)


def test_a_peak_needs_an_average() -> None:
    with pytest.raises(virt.InvalidSpec):
        nic_limits({f"{VIF}_inbound_peak": "4000"})


@pytest.mark.parametrize(
    ("extra", "image", "named"),
    [
        ({"hw:cpu_policy": "mixed"}, {}, "hw:cpu_policy=mixed"),
        ({"hw:emulator_threads_policy": "isolate"}, {}, "hw:emulator_threads_policy=isolate"),
        ({"hw:cpu_realtime": "yes"}, {}, "hw:cpu_realtime=yes"),
        ({"quota:cpu_quota": "50000"}, {}, "quota:cpu_quota=50000"),
        ({"hw_rng:rate_bytes": "100"}, {}, "hw_rng:rate_bytes=100"),
        ({"hw_rng:allowed": "False"}, {}, "hw_rng:allowed=False"),
        ({"hw:from_next_year": "1"}, {}, "hw:from_next_year=1"),
        ({"hw:numa_cpus.x": "1"}, {}, "hw:numa_cpus.x=1"),
        ({}, {"hw_machine_type": "pc-q35-6.2"}, "hw_machine_type=pc-q35-6.2"),
        ({}, {"hw_vif_model": "ne2k_pci"}, "hw_vif_model=ne2k_pci"),
        ({}, {"hw_disk_bus": "fdc"}, "hw_disk_bus=fdc"),
        ({}, {"hw_mem_encryption": True, "hw_mem_encryption_model": "intel-tdx"}, "hw_mem_encryption_model=intel-tdx"),
        ({}, {"hw_input_bus": "virtio"}, "hw_input_bus=virtio"),
        ({}, {"img_hide_hypervisor_id": True}, "img_hide_hypervisor_id=True"),
    ],
)
def test_what_nothing_here_can_do_is_refused_by_its_name(make_spec: Any, extra: Any, image: Any, named: str) -> None:
    with pytest.raises(exception.ComputeResourcesUnavailable, match="take it out of the flavor or the image") as caught:
        make_spec(extra, image)
    assert named in str(caught.value)


@pytest.mark.parametrize(
    ("extra", "image"),
    [
        ({"hw:cpu_realtime": "no", "hw:hide_hypervisor_id": "False"}, {}),
        ({"hw:serial_port_count": "1", "hw_rng:allowed": "True"}, {"img_hide_hypervisor_id": False}),
        ({"hw:cpu_policy": "shared"}, {"hw_machine_type": "q35", "hw_rng_model": "virtio", "os_type": "linux"}),
        ({}, {"hw_pointer_model": "usbtablet", "hw_input_bus": "usb"}),
        ({"rack": "7", "aggregate_instance_extra_specs:ssd": "true", "trait:CUSTOM_FAST": "required"}, {}),
    ],
)
def test_what_asks_for_nothing_is_not_refused(make_spec: Any, extra: Any, image: Any) -> None:
    assert make_spec(extra, image).uuid is not None


def test_words_with_a_number(make_spec: Any) -> None:
    assert word_of("hw:numa_cpus.3") is EXTRA_SPECS["hw:numa_cpus.{num}"]


def test_what_is_refused_has_values_that_are_not() -> None:
    words = [*EXTRA_SPECS.items(), *IMAGE_PROPERTIES.items()]
    assert all(word.takes is not None for _, word in words if word.status is Status.REFUSED)


def test_a_whole_machine_is_what_it_is(make_driver: Any, make_instance: Any) -> None:
    driver = make_driver(nodes="a", whole_nodes=True, world="whole-words")
    extra = {"hw:watchdog_action": "reset", "hw:cpu_max_sockets": "1", "quota:disk_read_bytes_sec": "1000"}
    request = Request(
        context=None,
        instance=make_instance(node="a", flavor={"extra_specs": extra}),
        image_meta=image_with({"hw_disk_bus": "scsi", "hw_vif_model": "e1000", "hw_video_model": "vga"}),
        block_devices={},
    )
    spec = spec_of(request, driver.compute, driver.site.nodes.node("a"))
    assert (spec.cpu, spec.watchdog, spec.screen, spec.disks[0].bus, spec.disks[0].limits) == (None,) * 5


def test_another_driver_has_no_processors_to_divide(make_driver: Any, config: Any) -> None:
    config.config(group="compute", cpu_dedicated_set="1")
    with pytest.raises(exception.InvalidConfiguration, match="cpu_dedicated_set"):
        make_driver()


def test_a_server_that_is_there_goes_on_without_what_was_not_refused_then(
    make_spec: Any, caplog: pytest.LogCaptureFixture
) -> None:
    extra, image = {"quota:cpu_quota": "5000"}, {"hw_disk_bus": "fdc"}
    spec = make_spec(extra, image, launched_at=datetime(2026, 1, 1, tzinfo=UTC))
    assert f"server {spec.uuid} goes on without: quota:cpu_quota=5000, hw_disk_bus=fdc" in caplog.text


def test_a_server_does_not_go_on_without_encryption(make_spec: Any) -> None:
    asked = {"hw_mem_encryption": True, "hw_mem_encryption_model": "intel-tdx"}
    needed = {"hw_machine_type": "q35", "hw_firmware_stateless": True, "hw_video_model": "none"}
    image = UEFI | needed | asked
    with pytest.raises(virt.InvalidSpec, match="hw:mem_encryption_model"):
        make_spec({}, image, launched_at=datetime(2026, 1, 1, tzinfo=UTC))


def test_where_disks_have_no_choice_of_a_bus_an_image_describes_its_own(make_spec: Any, switches: Any) -> None:
    """Nova makes both words of ``vmware_adaptertype``."""
    switches.withdraw(virt.Feature.DISK_BUS, "as the template has it")
    image = {"vmware_adaptertype": "lsiLogic"}
    connection = {"driver_volume_type": "iscsi", "data": {}}
    device = {"connection_info": connection, "volume_id": "any", "boot_index": None, "mount_device": "/dev/vdb"}
    spec = make_spec(image=image, block_devices={"block_device_mapping": [device]})
    assert (spec.disks[0].bus, spec.volumes[0].bus) == (None, None)

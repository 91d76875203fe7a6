"""What becomes of Nova's instance: the spec, word for word; what has no word is refused."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from nova import exception, objects

import nova_virt_api as virt
from nova_virt_bridge.spec import Request, spec_of

VOLUME = {
    "connection_info": {"driver_volume_type": "iscsi", "data": {"target_lun": 1, "auth_password": "hunter2"}},
    "volume_id": "5d4c8f2e",
    "boot_index": 0,
    "mount_device": "/dev/vda",
}


def image_with(**properties: str) -> Any:
    return objects.ImageMeta.from_dict({"id": "x", "properties": properties})


@pytest.fixture
def make_spec(driver: Any, image_meta: Any, request_context: Any) -> Any:
    """Makes the spec of an instance."""

    def make(instance: Any, **more: Any) -> virt.InstanceSpec:
        given: dict[str, Any] = {"image_meta": image_meta, "block_devices": {}}
        request = Request(context=request_context, instance=instance, **given | more)
        return spec_of(request, driver.compute, driver.site.nodes.node(instance.node))

    return make


def test_name_node_pool_and_image(make_spec: Any, instance: Any, config: Any) -> None:
    config.config(group="nova_virt", pool="default")
    spec = make_spec(instance)
    assert (spec.name, spec.placement) == ("instance-00000007", virt.Placement(node="fake-host", pool="default"))
    assert spec.disks == (virt.Disk(source=virt.Store("glance", instance.image_ref), size_bytes=virt.GiB(3)),)
    assert spec.firmware is None
    assert spec.cloud_init is None


def test_a_flavor_without_a_size_takes_the_images(make_spec: Any, make_instance: Any) -> None:
    assert make_spec(make_instance(flavor={"root_gb": 0})).disks[0].size_bytes is None


def test_ephemeral_disks_and_swap_come_empty(make_spec: Any, instance: Any) -> None:
    devices = {"ephemerals": [{"size": 2}, {"size": 1}], "swap": {"swap_size": 512, "device_name": "/dev/vdd"}}
    assert make_spec(instance, block_devices=devices).disks[1:] == (
        virt.Disk(source=virt.Blank(), size_bytes=virt.GiB(2)),
        virt.Disk(source=virt.Blank(), size_bytes=virt.GiB(1)),
        virt.Disk(source=virt.Blank(), size_bytes=virt.MiB(512)),
    )


def test_a_guest_that_boots_from_a_volume_has_no_disk_of_the_image(make_spec: Any, make_instance: Any) -> None:
    other = {**VOLUME, "volume_id": "data", "boot_index": None, "mount_device": "/dev/vdb"}
    devices = {"root_device_name": "/dev/vda", "block_device_mapping": [other, VOLUME]}
    spec = make_spec(make_instance(image_ref=""), block_devices=devices)
    assert spec.disks == ()
    assert [(volume.id, volume.boot) for volume in spec.volumes] == [("5d4c8f2e", True), ("data", False)]
    connection = spec.volumes[0].connection
    assert isinstance(connection, virt.OpaqueVolume)
    assert connection.kind == "iscsi"
    assert "hunter2" in connection.properties.reveal()
    assert "hunter2" not in repr(spec)


def test_a_whole_machine_is_what_the_scheduler_chose(make_driver: Any, image_meta: Any, make_instance: Any) -> None:
    driver = make_driver(nodes="a,b", whole_nodes=True, world="whole-spec")
    request = Request(
        context=None,
        instance=make_instance(flavor={"memory_mb": 10**7, "vcpus": 100}, node="b"),
        image_meta=image_meta,
        block_devices={"ephemerals": [{"size": 2}]},
    )
    spec = spec_of(request, driver.compute, driver.site.nodes.node("b"))
    assert (spec.vcpus, spec.memory_bytes, spec.placement.node) == (1, virt.MiB(1), "b")
    assert [disk.size_bytes for disk in spec.disks] == [None]


@pytest.mark.parametrize(("kind", "firmware"), [("uefi", virt.Firmware.UEFI), ("bios", virt.Firmware.BIOS)])
def test_firmware(make_spec: Any, instance: Any, kind: str, firmware: virt.Firmware) -> None:
    assert make_spec(instance, image_meta=image_with(hw_firmware_type=kind)).firmware is firmware


UEFI = {"hw_firmware_type": "uefi", "hw_machine_type": "q35"}


@pytest.mark.parametrize(
    ("extra", "properties", "secure"),
    [
        ({"os:secure_boot": "required"}, UEFI, True),
        ({}, UEFI | {"os_secure_boot": "required"}, True),
        ({"os:secure_boot": "optional"}, UEFI, False),
        ({}, UEFI, False),
    ],
)
def test_secure_boot(make_spec: Any, make_instance: Any, extra: Any, properties: Any, secure: bool) -> None:
    spec = make_spec(make_instance(flavor={"extra_specs": extra}), image_meta=image_with(**properties))
    assert spec.secure_boot is secure


@pytest.mark.parametrize(("properties", "stateless"), [({"hw_firmware_stateless": True}, True), ({}, False)])
def test_firmware_that_keeps_nothing(make_spec: Any, instance: Any, properties: Any, stateless: bool) -> None:
    assert make_spec(instance, image_meta=image_with(**UEFI | properties)).stateless_firmware is stateless


@pytest.mark.parametrize(
    ("extra", "properties", "tpm"),
    [
        ({"hw:tpm_version": "1.2"}, {}, virt.Tpm(version=virt.TpmVersion.V1_2, model=virt.TpmModel.TIS)),
        ({"hw:tpm_version": "2.0", "hw:tpm_model": "tpm-crb"}, {}, virt.Tpm(model=virt.TpmModel.CRB)),
        ({}, {"hw_tpm_version": "2.0"}, virt.Tpm(model=virt.TpmModel.TIS)),
        ({}, {}, None),
    ],
)
def test_a_trusted_platform_module(make_spec: Any, make_instance: Any, extra: Any, properties: Any, tpm: Any) -> None:
    spec = make_spec(make_instance(flavor={"extra_specs": extra}), image_meta=image_with(**properties))
    assert spec.tpm == tpm


def test_flavor_and_image_that_disagree(make_spec: Any, make_instance: Any) -> None:
    instance = make_instance(flavor={"extra_specs": {"hw:tpm_version": "2.0"}})
    image = objects.ImageMeta.from_dict({"name": "debian", "properties": {"hw_tpm_version": "1.2"}})
    with pytest.raises(exception.FlavorImageConflict):
        make_spec(instance, image_meta=image)


def test_a_name_with_control_characters_becomes_a_label(make_spec: Any, make_instance: Any) -> None:
    spec = make_spec(make_instance(display_name="w\te\nb" + "x" * 300))
    assert spec.labels["nova.display-name"] == ("web" + "x" * 300)[:255]


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        (lambda: {"flavor": {"extra_specs": {"hw:cpu_policy": "mixed"}}}, "hw:cpu_policy=mixed"),
        (lambda: {"pci_requests": objects.InstancePCIRequests(requests=[objects.InstancePCIRequest()])}, "PCI devices"),
    ],
    ids=["some-pinned-cpus", "pci"],
)
def test_what_has_no_word_is_refused_and_may_go_elsewhere(
    make_spec: Any, make_instance: Any, changes: Callable[[], dict[str, Any]], named: str
) -> None:
    with pytest.raises(exception.ComputeResourcesUnavailable, match=named):
        make_spec(make_instance(**changes()))


@pytest.mark.parametrize(
    ("more", "named"),
    [
        (lambda: {"accelerators": ("fpga",)}, "accelerators"),
        (lambda: {"block_devices": {"ephemerals": [{"size": 1, "encrypted": True}]}}, "encrypted disks"),
        (lambda: {"image_meta": image_with(hw_video_ram="64")}, "hw_video_ram=64"),
    ],
    ids=["accelerators", "encryption", "video-memory"],
)
def test_what_an_image_or_a_device_demands_is_refused_too(
    make_spec: Any, instance: Any, more: Callable[[], dict[str, Any]], named: str
) -> None:
    with pytest.raises(exception.ComputeResourcesUnavailable, match=named):
        make_spec(instance, **more())


@pytest.mark.parametrize("field", ["kernel_id", "ramdisk_id"])
def test_an_image_without_a_boot_loader_is_refused_for_good(make_spec: Any, make_instance: Any, field: str) -> None:
    with pytest.raises(exception.ImageUnacceptable, match=f"{field}=abc"):
        make_spec(make_instance(**{field: "abc"}))


# --- networks ---------------------------------------------------------------------------------------------------------


def test_a_port_becomes_an_interface(make_spec: Any, instance: Any, make_vif: Any) -> None:
    vif = make_vif()
    (nic,) = make_spec(instance, vifs=(vif,)).nics
    assert nic == virt.Nic(network="default", mac="fa:16:3e:00:00:01", vif_id=vif["id"])


def test_networks_that_nova_conf_names(make_driver: Any, image_meta: Any, instance: Any, make_vif: Any) -> None:
    driver = make_driver(
        networks="inside,outside,dmz",
        world="three-networks",
        config_options={"networks": {"private": "inside", "physnet1": "dmz"}},
    )

    def network(vif: Any) -> str | None:
        request = Request(context=None, instance=instance, image_meta=image_meta, block_devices={}, vifs=(vif,))
        return spec_of(request, driver.compute, driver.site.nodes.node("fake-host")).nics[0].network

    assert network(make_vif("private")) == "inside"
    assert network(make_vif("outside")) == "outside"
    assert network(make_vif("other", physical_network="physnet1")) == "dmz"
    with pytest.raises(virt.NetworkError, match=r"'unheard-of'.*inside, outside, dmz"):
        network(make_vif("unheard-of"))


@pytest.mark.parametrize(
    ("details", "form"), [({}, "VIFOpenVSwitch"), ({"ovs_hybrid_plug": True, "port_filter": True}, "VIFBridge")]
)
def test_a_port_is_made_with_os_vif_where_that_is_said(
    make_spec: Any, instance: Any, make_vif: Any, config: Any, details: dict[str, bool], form: str
) -> None:
    config.config(group="nova_virt", os_vif=True)
    known = {"type": "ovs", "details": details, "devname": "tap0f2f6a53-4d", "vnic_type": "normal", "profile": {}}
    vif = make_vif(bridge="br-int")
    vif.update(**known, ovs_interfaceid=vif["id"])
    (nic,), (same,) = (make_spec(instance, vifs=(vif,)).nics for _ in range(2))
    assert nic == same
    assert (nic.network, nic.mac, nic.binding.kind) == (None, "fa:16:3e:00:00:01", "os-vif")
    described = json.loads(nic.binding.properties)
    data = described["versioned_object.data"]
    assert (described["versioned_object.name"], data["plugin"], data["id"]) == (form, "ovs", vif["id"])
    assert "changes" not in nic.binding.properties  # they come in any order


@pytest.mark.parametrize("kind", ["hw_veb", "bridge", "unbound", "tap"])
def test_what_os_vif_cannot_make_is_told(make_spec: Any, instance: Any, make_vif: Any, config: Any, kind: str) -> None:
    config.config(group="nova_virt", os_vif=True)
    vif = make_vif()
    vif.update(type=kind)
    with pytest.raises(virt.NetworkError, match="Open vSwitch"):
        make_spec(instance, vifs=(vif,))


def test_a_whole_machines_port_is_bound_by_its_id_alone(
    make_driver: Any, image_meta: Any, make_instance: Any, make_vif: Any
) -> None:
    driver = make_driver(nodes="a", whole_nodes=True, world="whole-ports")
    vif = make_vif("anything")
    request = Request(
        context=None, instance=make_instance(node="a"), image_meta=image_meta, block_devices={}, vifs=(vif,)
    )
    assert spec_of(request, driver.compute, driver.site.nodes.node("a")).nics == (virt.Nic(vif_id=vif["id"]),)


def test_a_network_that_is_nowhere_ends_the_build(make_driver: Any, instance: Any, make_vif: Any, spawn: Any) -> None:
    driver = make_driver(networks="a,b", world="two-networks")
    with pytest.raises(exception.VirtualInterfaceCreateException, match="networks"):
        spawn(driver, instance, network_info=[make_vif("unheard-of")])

"""What the endpoint does not declare is refused before the driver is called."""

from typing import Any

import pytest

import nova_virt_api as virt
from nova_virt_api.driver.role import Role
from nova_virt_api.fake.steps import Step
from nova_virt_api.fake.switches import Switches
from nova_virt_api.model.spec import Extra

REQUESTS: dict[virt.Feature, tuple[str, dict[str, Any]]] = {
    virt.Feature.MULTIPLE_DISKS: ("disks[1]", {"disks": [virt.Disk(source=virt.Native("debian-13"))] * 2}),
    virt.Feature.BLANK_DISK: ("disks[0].source", {"disks": [virt.Disk(source=virt.Blank(), size_bytes=1)]}),
    virt.Feature.DISK_BUS: (
        "disks[0].bus",
        {"disks": [virt.Disk(source=virt.Native("debian-13"), bus=virt.DiskBus.SATA)]},
    ),
    virt.Feature.MULTIPLE_NICS: ("nics[1]", {"nics": [virt.Nic()] * 2}),
    virt.Feature.NIC_MAC: ("nics[0].mac", {"nics": [virt.Nic(mac="52:54:00:00:00:01")]}),
    virt.Feature.NIC_MODEL: ("nics[0].model", {"nics": [virt.Nic(model=virt.NicModel.E1000)]}),
    virt.Feature.CLOUD_INIT: ("cloud_init", {"cloud_init": virt.CloudInit()}),
    virt.Feature.NOCLOUD: (
        "cloud_init.source",
        {"cloud_init": virt.CloudInit(source=virt.CloudInitSource.NOCLOUD)},
    ),
    virt.Feature.CONFIG_DRIVE: (
        "cloud_init.source",
        {"cloud_init": virt.CloudInit(source=virt.CloudInitSource.CONFIG_DRIVE)},
    ),
    virt.Feature.UEFI: ("firmware", {"firmware": virt.Firmware.UEFI}),
}


@pytest.mark.parametrize("feature", REQUESTS, ids=lambda feature: feature.value)
def test_spec_field_whose_feature_is_missing_is_refused(
    compute: virt.Compute, switches: Switches, feature: virt.Feature
) -> None:
    field, changes = REQUESTS[feature]
    spec = virt.InstanceSpec(uuid=virt.stable_uuid("x"), name="x", memory_bytes=virt.MiB(64), **changes)
    switches.withdraw(feature, "this machine is too old")
    switches.fail_at(Step.SPAWN_CLAIM, AssertionError("the driver was called"))
    with pytest.raises(virt.NotSupported) as caught:
        compute.spawn(spec)
    assert caught.value.capability is feature
    assert caught.value.field == field
    assert "this machine is too old" in str(caught.value)
    assert not compute.instances()


def test_extra_of_another_driver_is_invalid(compute: virt.Compute) -> None:
    class Theirs(Extra):
        pass

    with pytest.raises(virt.InvalidSpec) as caught:
        compute.spawn(
            virt.InstanceSpec(uuid=virt.stable_uuid("x"), name="x", memory_bytes=virt.MiB(64), extras=[Theirs()])
        )
    assert caught.value.field == "extras[0]"


def test_missing_role_is_refused_with_its_reason(
    compute: virt.Compute, switches: Switches, guest: virt.Instance
) -> None:
    switches.withdraw(virt.Capability.PAUSE, "no such button")
    with pytest.raises(virt.NotSupported, match="no such button"):
        compute.pause(guest)
    assert compute.instance(guest).power_state is virt.PowerState.RUNNING


def test_arguments_that_need_a_feature_are_refused(
    compute: virt.Compute, switches: Switches, guest: virt.Instance
) -> None:
    for feature in (virt.Feature.KEEP_DISKS, virt.Feature.GRACEFUL_POWER_OFF, virt.Feature.UPDATE_NAME):
        switches.withdraw(feature)
    with pytest.raises(virt.NotSupported, match="disks needs keep_disks"):
        compute.destroy(guest, disks=virt.DiskPolicy.KEEP)
    with pytest.raises(virt.NotSupported, match="mode needs graceful_power_off"):
        compute.power_off(guest)
    with pytest.raises(virt.NotSupported, match="name needs update_name"):
        compute.update(guest, virt.InstanceUpdate(name="other"))
    compute.power_off(guest, mode=virt.PowerOff.HARD)


def test_unknown_vendor_role_is_refused(compute: virt.Compute) -> None:
    class Teleport(Role):
        pass

    with pytest.raises(virt.InvalidSpec, match="Teleport"):
        compute.role(Teleport)


@pytest.mark.parametrize("guest_like", ["web", None, 7, "b17e16f0-5722-5869-bd93-8127d7d7ea29"])
def test_what_names_no_guest_is_refused_with_a_hint(compute: virt.Compute, guest_like: Any) -> None:
    with pytest.raises(virt.InvalidSpec, match=r"compute\.find\(name\)") as caught:
        compute.power_on(guest_like)
    assert caught.value.field == "guest"


@pytest.mark.parametrize(
    ("verb", "arguments", "field"),
    [
        ("power_off", {"mode": "hard"}, "mode"),
        ("power_off", {"grace_seconds": -1}, "grace_seconds"),
        ("power_off", {"grace_seconds": "60"}, "grace_seconds"),
        ("console", {"kind": "vnc"}, "kind"),
        ("destroy", {"disks": "keep"}, "disks"),
        ("snapshot", {"target": "out.qcow2"}, "target"),
        ("console_log", {"max_bytes": 0}, "max_bytes"),
        ("wait_for", {"condition": "running"}, "condition"),
        ("update", {"update": {"name": "x"}}, "update"),
    ],
)
def test_bad_argument_is_refused_naming_it(
    compute: virt.Compute, guest: virt.Instance, verb: str, arguments: dict[str, Any], field: str
) -> None:
    with pytest.raises(virt.InvalidSpec) as caught:
        getattr(compute, verb)(guest, **arguments)
    assert caught.value.field == field


@pytest.mark.parametrize("read", ["instances", "watch"])
def test_bad_scope_is_refused(compute: virt.Compute, read: str) -> None:
    with pytest.raises(virt.InvalidSpec, match="scope"):
        getattr(compute, read)(scope="owned")


def test_what_is_no_role_is_refused(compute: virt.Compute) -> None:
    with pytest.raises(virt.InvalidSpec, match="role"):
        compute.role(int)  # type: ignore[type-var]


def test_submit_by_name_knows_the_verbs(compute: virt.Compute, guest: virt.Instance) -> None:
    assert compute.submit("pause", guest).result() is None
    assert compute.instance(guest).power_state is virt.PowerState.PAUSED
    with pytest.raises(virt.InvalidSpec, match="one of: spawn, destroy, power_on"):
        compute.submit("explode", guest)

"""What the fake driver says that it can do, and what comes of switching something off."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import nova_virt_api as virt
from nova_virt_api.driver.live_migration import LiveMigration
from nova_virt_api.driver.role import roles_of
from nova_virt_api.fake.driver import FakeDriver
from nova_virt_api.fake.switches import Switches

OFF = {virt.Feature.EXTRAS, virt.Feature.MIGRATE_WITHIN, virt.Feature.WHOLE_NODES}
"""What the fake hypervisor does not have unless told."""

USES: dict[virt.Capability, Callable[[virt.Compute, Any, Path], Any]] = {
    virt.Capability.PAUSE: lambda compute, guest, _: compute.pause(guest),
    virt.Capability.SUSPEND: lambda compute, guest, _: compute.suspend(guest),
    virt.Capability.SNAPSHOT: lambda compute, guest, path: compute.snapshot(guest, virt.LocalTarget(path / "image")),
    virt.Capability.CLONE: lambda compute, guest, _: compute.clone(
        guest, virt.CloneSpec(uuid=virt.stable_uuid("copy"), name="copy")
    ),
    virt.Capability.CONSOLE: lambda compute, guest, _: compute.console(guest, virt.ConsoleKind.VNC),
    virt.Capability.CONSOLE_LOG: lambda compute, guest, _: compute.console_log(guest),
    virt.Capability.REBUILD: lambda compute, guest, _: compute.rebuild(guest),
    virt.Capability.BACKUP: lambda compute, guest, _: compute.backup_points(guest),
    virt.Capability.CHECKPOINT: lambda compute, guest, _: compute.checkpoints(guest),
    virt.Capability.GUEST: lambda compute, guest, _: compute.guest_info(guest),
    virt.Capability.RESIZE: lambda compute, guest, _: compute.confirm_resize(guest),
    virt.Capability.LIVE_MIGRATION: lambda compute, guest, _: compute.perform(
        guest, LiveMigration, lambda role, op: role.finish_destination(guest.ref, op)
    ),
    virt.Capability.RESCUE: lambda compute, guest, _: compute.rescue(guest),
    virt.Capability.INTERFACES: lambda compute, guest, _: compute.attach_interface(guest, virt.Nic()),
    virt.Capability.VOLUMES: lambda compute, guest, _: compute.volume_connector(),
    virt.Capability.STORAGE_VOLUMES: lambda compute, guest, _: compute.stored_volumes(),
    virt.Capability.SHARES: lambda compute, guest, _: compute.shares(guest),
    virt.Capability.CRASH_DUMP: lambda compute, guest, _: compute.trigger_crash_dump(guest),
    virt.Capability.DIAGNOSTICS: lambda compute, guest, _: compute.diagnostics(guest),
    virt.Capability.METRICS: lambda compute, guest, _: compute.metrics(),
    virt.Capability.IMAGE_CACHE: lambda compute, guest, _: compute.prune_images(),
    virt.Capability.HOST_CONTROL: lambda compute, guest, _: compute.enter_maintenance("fake-host", "a fan"),
    virt.Capability.ADOPT: lambda compute, guest, _: compute.release(guest),
    virt.Capability.DEVICES: lambda compute, guest, _: compute.devices(),
}

VOLUME = virt.Volume(
    id="data", connection=virt.IscsiVolume(portal="192.0.2.7:3260", iqn="iqn.2001-04.com.example:data")
)


def test_every_role_and_every_feature_has_an_answer(fake_compute: virt.Compute) -> None:
    capabilities = fake_compute.capabilities()
    assert {role.capability for role in roles_of(FakeDriver)} == set(virt.Capability) == set(USES)
    assert capabilities.answers.keys() == {*virt.Capability, *virt.Feature}
    assert {what for what in capabilities.answers if not capabilities.has(what)} == OFF
    assert all(capabilities.answer(what).reason for what in OFF)
    assert fake_compute.capabilities("fake-host") is capabilities


@pytest.mark.parametrize("capability", virt.Capability, ids=lambda capability: capability.value)
def test_a_role_can_be_switched_off_and_on(
    capability: virt.Capability,
    fake_compute: virt.Compute,
    fake_switches: Switches,
    web: virt.Instance,
    tmp_path: Path,
) -> None:
    fake_switches.withdraw(capability, "the licence has expired")
    assert fake_compute.capabilities().answer(capability).reason == "the licence has expired"
    with pytest.raises(virt.NotSupported, match="licence") as caught:
        USES[capability](fake_compute, web, tmp_path)
    assert caught.value.capability is capability
    assert fake_compute.instance(web) == web
    fake_switches.grant(capability)
    USES[capability](fake_compute, web, tmp_path)


@pytest.mark.parametrize(
    ("feature", "change"),
    [
        (virt.Feature.CLOUD_INIT, {}),
        (virt.Feature.UEFI, {"cloud_init": None}),
        (virt.Feature.MULTIPLE_NICS, {"nics": [virt.Nic(), virt.Nic()]}),
        (virt.Feature.NIC_MAC, {"nics": [virt.Nic(mac="52:54:00:00:00:07")]}),
        (virt.Feature.NIC_MODEL, {"nics": [virt.Nic(model=virt.NicModel.E1000)]}),
        (virt.Feature.NIC_VIF, {"nics": [virt.Nic(vif_id="port-1")]}),
        (virt.Feature.SPAWN_VOLUMES, {"volumes": [VOLUME]}),
        (virt.Feature.BLANK_DISK, {"disks": [virt.Disk(source=virt.Blank(), size_bytes=1)]}),
        (virt.Feature.DISK_BUS, {"disks": [virt.Disk(source=virt.Native("cirros"), bus=virt.DiskBus.SATA)]}),
        (virt.Feature.MULTIPLE_DISKS, {"disks": [virt.Disk(source=virt.Native("cirros"))] * 2}),
    ],
)
def test_a_spec_needs_its_features(
    feature: virt.Feature,
    change: dict[str, Any],
    fake_compute: virt.Compute,
    fake_switches: Switches,
    make_spec: Any,
) -> None:
    fake_switches.withdraw(feature, "not today")
    with pytest.raises(virt.NotSupported, match="not today") as caught:
        fake_compute.spawn(make_spec(**change))
    assert caught.value.capability is feature
    assert fake_switches.outside.objects() == ()
    fake_switches.grant(feature)
    fake_compute.spawn(make_spec(**change))


def test_what_cannot_be_known_is_none(fake_compute: virt.Compute, fake_switches: Switches, web: virt.Instance) -> None:
    fake_switches.withdraw(virt.Feature.GUEST_ADDRESSES)
    fake_switches.withdraw(virt.Feature.GUEST_AGENT)
    guest = fake_compute.instance(web)
    assert (guest.addresses, guest.agent) == (None, None)
    assert fake_compute.instances()[0] is guest
    fake_switches.reset()
    assert fake_compute.instance(web) == web
    assert web.addresses
    assert web.agent


def test_live_snapshots_can_be_switched_off(
    fake_compute: virt.Compute, fake_switches: Switches, web: virt.Instance
) -> None:
    fake_switches.withdraw(virt.Feature.SNAPSHOT_LIVE)
    with pytest.raises(virt.InvalidState):
        fake_compute.snapshot(web, virt.NativeTarget("image"))
    fake_compute.power_off(web)
    fake_compute.snapshot(web, virt.NativeTarget("image"))

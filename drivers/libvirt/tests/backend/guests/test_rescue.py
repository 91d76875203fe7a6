"""Guests that are started from a rescue system for a while."""

import hashlib
import json
import time
from pathlib import Path
from typing import Any
from uuid import UUID

import libvirt
import pytest
import yaml
from lxml import etree

from nova_virt_api.driver.operation import Stage
from nova_virt_api.errors import (
    Cancelled,
    ImageNotFound,
    InvalidSpec,
    InvalidState,
    NotSupported,
    StateAfter,
    Timeout,
    VirtError,
)
from nova_virt_api.model.cloud_init import CloudInit, CloudInitSource
from nova_virt_api.model.disk import Blank, Disk
from nova_virt_api.model.identity import InstanceRef
from nova_virt_api.model.image import LocalFile
from nova_virt_api.model.instance import Lifecycle, PowerOff, PowerState
from nova_virt_api.model.secret import Secret
from nova_virt_api.model.spec import Firmware
from nova_virt_api.model.units import GiB, MiB
from nova_virt_api.toolkit.seed_reading import seed_files

WHOLE = libvirt.VIR_DOMAIN_XML_INACTIVE | libvirt.VIR_DOMAIN_XML_SECURE


@pytest.fixture
def disks(image: Path) -> list[Disk]:
    """A boot disk made from an image, and another."""
    return [Disk(source=LocalFile(image), size_bytes=GiB(1)), Disk(source=Blank(), size_bytes=GiB(2))]


def definition(native: Any, guest: Any) -> str:
    return str(native.lookupByUUID(guest.uuid.bytes).XMLDesc(WHOLE))


def booted(native: Any, guest: Any) -> tuple[str, list[str]]:
    """The file that a running guest boots from, and its other disks by their names in the guest."""
    root: Any = etree.fromstring(native.lookupByUUID(guest.uuid.bytes).XMLDesc(0))
    first = [disk for disk in root.iterfind("devices/disk") if disk.find("boot[@order='1']") is not None]
    assert len(first) == 1
    assert root.find("os/boot") is None
    others = [disk.find("target").get("dev") for disk in root.iterfind("devices/disk") if disk is not first[0]]
    return Path(first[0].find("source").get("file")).name, others


@pytest.mark.parametrize("firmware", [None, Firmware.UEFI])
def test_rescue_and_back(
    firmware: Any, spawn: Any, make_spec: Any, disks: Any, driver: Any, run: Any, native: Any, traces: Any
) -> None:
    guest = spawn(make_spec(disks=disks, power_on=True, firmware=firmware, labels={"a": "b"}))
    before, volumes = definition(native, guest), traces.volumes(guest.uuid)
    run(driver.rescue, guest.ref)
    seen = driver.instance(guest.ref, fresh=True)
    assert (seen.lifecycle, seen.power_state) == (Lifecycle.RESCUED, PowerState.RUNNING)
    assert dict(seen.labels) == {"a": "b"}
    assert booted(native, guest) == (f"{guest.uuid}.rescue.qcow2", ["vda", "vdb"])
    assert traces.volumes(guest.uuid) - volumes == {f"{guest.uuid}.rescue.qcow2"}
    run(driver.unrescue, guest.ref)
    seen = driver.instance(guest.ref, fresh=True)
    assert (seen.lifecycle, seen.power_state) == (Lifecycle.READY, PowerState.RUNNING)
    assert definition(native, guest) == before
    assert traces.volumes(guest.uuid) == volumes
    assert booted(native, guest) == (f"{guest.uuid}.disk0.qcow2", ["vdb"])


def seed_of(native: Any, guest: Any) -> dict[str, bytes]:
    """What cloud-init finds in a running guest."""
    root = etree.fromstring(native.lookupByUUID(guest.uuid.bytes).XMLDesc(0))
    media = root.xpath("devices/disk[readonly]/source/@file")
    assert len(media) == 1
    return seed_files(Path(media[0]).read_bytes())


def test_password_takes_the_place_of_the_guests_own_first_boot_data(
    spawn: Any, make_spec: Any, disks: Any, driver: Any, run: Any, native: Any, traces: Any
) -> None:
    data = CloudInit(
        user_data="#cloud-config\nruncmd: [install-everything]\n",
        hostname="web",
        ssh_authorized_keys=["ssh-ed25519 AAAA me"],
        network_config="version: 2\n",
    )
    guest = spawn(make_spec(disks=disks, cloud_init=data, power_on=True))
    before, volumes, own = definition(native, guest), traces.volumes(guest.uuid), seed_of(native, guest)
    run(driver.rescue, guest.ref, password=Secret("geheim: {ä}"))
    seed = seed_of(native, guest)
    assert "password: geheim" not in str(seed)
    assert yaml.safe_load(seed["user-data"]) == {
        "password": "geheim: {ä}",
        "chpasswd": {"expire": False},
        "ssh_pwauth": True,
    }
    assert seed["meta-data"] == own["meta-data"]
    assert seed["network-config"] == own["network-config"]
    assert "geheim" not in native.lookupByUUID(guest.uuid.bytes).XMLDesc(WHOLE)
    run(driver.unrescue, guest.ref)
    assert seed_of(native, guest) == own
    assert (definition(native, guest), traces.volumes(guest.uuid)) == (before, volumes)


def test_password_comes_in_the_form_of_the_guests_own_first_boot_data(
    spawn: Any, make_spec: Any, disks: Any, driver: Any, run: Any, native: Any
) -> None:
    """A guest that looks for a config drive finds one in its rescue system too: who it is, its keys, its network."""
    lan = {"match": {"macaddress": "52:54:00:00:00:01"}, "addresses": ["192.0.2.7/24"]}
    data = CloudInit(
        user_data="#cloud-config\nruncmd: [install-everything]\n",
        hostname="web",
        ssh_authorized_keys=["ssh-ed25519 AAAA me"],
        network_config=json.dumps({"version": 2, "ethernets": {"lan": lan}}),
        metadata='{"role": "web"}',
        source=CloudInitSource.CONFIG_DRIVE,
    )
    guest = spawn(make_spec(disks=disks, cloud_init=data, power_on=True))
    own = seed_of(native, guest)
    run(driver.rescue, guest.ref, password=Secret("geheim"))
    seed = seed_of(native, guest)
    latest = "openstack/latest/"
    assert seed.keys() == own.keys()
    assert yaml.safe_load(seed[latest + "user_data"])["password"] == "geheim"
    assert seed[latest + "network_data.json"] == own[latest + "network_data.json"]
    known = json.loads(own[latest + "meta_data.json"])
    assert json.loads(seed[latest + "meta_data.json"]) == {
        key: known[key] for key in ("uuid", "name", "hostname", "public_keys")
    }
    run(driver.unrescue, guest.ref)
    assert seed_of(native, guest) == own


def test_password_for_a_guest_without_first_boot_data(
    spawn: Any, make_spec: Any, disks: Any, driver: Any, run: Any, native: Any, traces: Any
) -> None:
    guest = spawn(make_spec(disks=disks))
    before, volumes = definition(native, guest), traces.volumes(guest.uuid)
    run(driver.rescue, guest.ref, password=Secret("geheim"))
    assert yaml.safe_load(seed_of(native, guest)["user-data"])["password"] == "geheim"
    run(driver.unrescue, guest.ref)
    assert (definition(native, guest), traces.volumes(guest.uuid)) == (before, volumes)
    with pytest.raises(InvalidSpec, match="printable"):
        run(driver.rescue, guest.ref, password=Secret("two\nlines"))


def test_power_of_a_rescued_guest_is_the_rescue_systems(
    spawn: Any, make_spec: Any, disks: Any, driver: Any, run: Any, native: Any
) -> None:
    guest = spawn(make_spec(disks=disks, power_on=True))
    run(driver.rescue, guest.ref)
    run(driver.power_off, guest.ref, mode=PowerOff.HARD, grace_seconds=0.0)
    run(driver.rescue, guest.ref)
    assert driver.instance(guest.ref, fresh=True).power_state is PowerState.SHUTDOWN
    run(driver.power_on, guest.ref)
    assert booted(native, guest)[0] == f"{guest.uuid}.rescue.qcow2"
    with pytest.raises(InvalidState, match="unrescue"):
        run(driver.suspend, guest.ref)


def test_image_of_the_endpoint(
    spawn: Any, make_spec: Any, make_driver: Any, run: Any, native: Any, image: Path, tmp_path: Path
) -> None:
    guest = spawn(make_spec(power_on=True))
    with pytest.raises(InvalidSpec, match="rescue_image"):
        run(make_driver().rescue, guest.ref)
    with pytest.raises(ImageNotFound):
        run(make_driver(rescue_image=str(tmp_path / "none")).rescue, guest.ref)
    assert booted(native, guest)[0] == f"{guest.uuid}.disk0.qcow2"
    run(make_driver(rescue_image=str(image)).rescue, guest.ref)
    assert booted(native, guest) == (f"{guest.uuid}.rescue.qcow2", ["vda"])


def test_guest_that_does_not_start_goes_back(
    spawn: Any, make_spec: Any, disks: Any, driver: Any, run: Any, native: Any, traces: Any, monkeypatch: Any
) -> None:
    guest = spawn(make_spec(disks=disks, power_on=True))
    before, volumes = definition(native, guest), traces.volumes(guest.uuid)
    create, calls = libvirt.virDomain.create, []

    def create_second(self: Any) -> int:
        calls.append(self)
        if len(calls) == 1:
            raise_native()
        return int(create(self))

    def raise_native() -> None:
        native.lookupByName("no such guest")

    monkeypatch.setattr(libvirt.virDomain, "create", create_second)
    with pytest.raises(VirtError, match="start the guest") as caught:
        run(driver.rescue, guest.ref)
    assert caught.value.state_after is StateAfter.CHANGED
    seen = driver.instance(guest.ref, fresh=True)
    assert (seen.lifecycle, seen.power_state) == (Lifecycle.READY, PowerState.RUNNING)
    assert (definition(native, guest), traces.volumes(guest.uuid)) == (before, volumes)


def let_the_deadline_pass(operation: Any) -> None:
    time.sleep(operation.remaining() + 0.1)


def cancel(operation: Any) -> None:
    operation.cancel()


@pytest.mark.parametrize(("stop", "error"), [(let_the_deadline_pass, Timeout), (cancel, Cancelled)])
def test_guest_runs_again_after_a_rescue_that_was_too_late(
    stop: Any, error: Any, *, spawn: Any, make_spec: Any, disks: Any, driver: Any, run: Any, native: Any, traces: Any
) -> None:
    """The rescue ends once the guest was stopped for it; what ended it does not keep the guest from being started."""
    guest = spawn(make_spec(disks=disks, power_on=True))
    before, volumes = definition(native, guest), traces.volumes(guest.uuid)
    with pytest.raises(error) as caught:
        run(driver.rescue, guest.ref, hooks={Stage.START: stop}, timeout=10.0)
    assert caught.value.state_after is StateAfter.CHANGED
    seen = driver.instance(guest.ref, fresh=True)
    assert (seen.lifecycle, seen.power_state) == (Lifecycle.READY, PowerState.RUNNING)
    assert (definition(native, guest), traces.volumes(guest.uuid)) == (before, volumes)


BY_HAND = """
<domain type='qemu'>
  <name>by-hand</name>
  <memory unit='MiB'>32</memory>
  <vcpu>1</vcpu>
  <os>
    <type arch='x86_64' machine='pc'>hvm</type>
    <boot dev='hd'/>
    <boot dev='network'/>
    <bootmenu enable='no'/>
  </os>
  <devices>
    <disk type='file' device='disk'>
      <driver name='qemu' type='qcow2'/><source file='{path}'/><target dev='sda' bus='sata'/>
    </disk>
    <disk type='file' device='cdrom'><target dev='hda' bus='ide'/></disk>
    <interface type='network'><source network='default'/></interface>
    <graphics type='vnc' autoport='yes' passwd='secret'/>
  </devices>
</domain>
"""


def test_adopted_guest_is_put_back_exactly(driver: Any, run: Any, native: Any, traces: Any, image: Path) -> None:
    pool = native.storagePoolLookupByName("nova-virt")
    volume = pool.createXML(
        "<volume><name>by-hand.qcow2</name><capacity>1048576</capacity><target><format type='qcow2'/></target></volume>"
    )
    domain = native.defineXML(BY_HAND.format(path=volume.path()))
    guest = InstanceRef(uuid=UUID(bytes=domain.UUID()))
    run(driver.adopt, guest)
    try:
        before, there = definition(native, guest), traces.volumes()
        run(driver.rescue, guest, image=LocalFile(image), password=Secret("geheim"))
        assert booted(native, guest)[0] == f"{guest.uuid}.rescue.qcow2"
        run(driver.unrescue, guest)
        assert definition(native, guest) == before
        assert {name for name in traces.volumes() if not name.startswith("nova-virt-base-")} <= there
        with pytest.raises(InvalidSpec, match="made from none"):
            run(driver.rescue, guest)
    finally:
        run(driver.destroy, guest)
    assert "by-hand.qcow2" not in traces.volumes()


def test_transient_guest_is_refused(driver: Any, run: Any, spawn: Any, make_spec: Any, native: Any, disks: Any) -> None:
    guest = spawn(make_spec(disks=disks, power_on=True))
    native.lookupByUUID(guest.uuid.bytes).undefine()
    for verb in (driver.rescue, driver.rebuild):
        with pytest.raises(NotSupported, match="transient"):
            run(verb, guest.ref)
    assert driver.instance(guest.ref, fresh=True).power_state is PowerState.RUNNING


@pytest.mark.timeout(300)
def test_a_system_boots_from_the_rescue_disk_and_reads_the_password(
    spawn: Any, make_spec: Any, driver: Any, run: Any, native: Any, guest_image: Path, eventually: Any
) -> None:
    """The guest's own disk is empty, so what talks on the console can be nothing but the rescue system."""
    guest = spawn(
        make_spec(memory_bytes=MiB(256), firmware=Firmware.UEFI, cloud_init=CloudInit(user_data="own", hostname="web"))
    )
    run(driver.rescue, guest.ref, image=LocalFile(guest_image), password=Secret("geheim"), timeout=200.0)
    expected = hashlib.sha256(seed_of(native, guest)["user-data"]).hexdigest()

    def log() -> str:
        return str(driver.console_log(guest.ref, 1024**2).decode(errors="replace"))

    eventually(lambda: f"hostname=web user-data-sha256={expected}" in log(), "the system reads its seed", 200.0)
    assert "boot " in log()
    run(driver.unrescue, guest.ref)
    assert booted(native, guest)[0] == f"{guest.uuid}.disk0.qcow2"

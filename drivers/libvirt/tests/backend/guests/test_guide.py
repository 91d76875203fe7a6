"""The guide's programs about guests of one host are run as they stand there, but for the address."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from lxml.builder import E

import nova_virt_api as virt
from nova_virt_api.model.disk import Disk
from nova_virt_api.model.image import LocalFile
from nova_virt_api.model.nic import Nic

OWNER = "nova-virt-tests"

Here = dict[str, str]


@pytest.fixture
def here(daemon: Any, native: Any) -> Here:
    """Where the tests' host is, instead of this machine."""
    return {'uri="qemu:///system"': f'uri="{daemon.uri}", pool="nova-virt", owner="{OWNER}", cache_dir="cache"'}


@pytest.fixture
def web(spawn: Any, make_spec: Any, image: Path) -> Callable[..., Any]:
    """Makes the guest of which most programs speak."""

    def make(**fields: Any) -> Any:
        return spawn(make_spec(name="web", disks=[Disk(source=LocalFile(image))], **fields))

    return make


@pytest.fixture
def debian(image: Path, tmp_path: Path) -> None:
    """The image of which most programs speak."""
    (tmp_path / "debian-13.qcow2").symlink_to(image)


def test_first_guest(here: Here, debian: None, run_program: Any, native: Any) -> None:
    assert run_program("first", here) == ["web running"]
    assert not native.listAllDomains(0)


def test_five_minutes_of_the_readme(here: Here, debian: None, run_program: Any, native: Any) -> None:
    assert run_program("start", here) == ["web running"]
    assert not native.listAllDomains(0)


def test_machine(here: Here, run_program: Any, native: Any) -> None:
    assert run_program("machine", here) == ["running"]
    assert not native.listAllDomains(0)


def test_repair(here: Here, debian: None, web: Any, image: Path, run_program: Any, tmp_path: Path) -> None:
    (tmp_path / "rescue.qcow2").symlink_to(image)
    web(power_on=True)
    assert run_program("repair", here) == ["rescued", "ready"]


def test_guests_of_other_making(here: Here, native: Any, blank: Any, run_program: Any) -> None:
    pool = native.storagePoolLookupByName("nova-virt")
    disk = pool.createXML("<volume><name>by-hand.raw</name><capacity unit='GiB'>1</capacity></volume>", 0)
    device = E.disk(
        E.driver(name="qemu", type="raw"),
        E.source(file=disk.path()),
        E.target(dev="vda", bus="virtio"),
        type="file",
        device="disk",
    )
    blank("by-hand", owner=None, devices=(device,))
    here = {there: ours.replace(f', owner="{OWNER}"', "") for there, ours in here.items()}
    try:
        told = run_program("adopt", here)
    finally:
        disk.delete(0)
    assert told == ["adopted ", "True running", "None"]


def test_host(here: Here, run_program: Any) -> None:
    told = run_program("host", here)
    assert told[0] == "['DISK_GB', 'MEMORY_MB', 'VCPU']"
    assert told[1].startswith("processor ")
    assert told[-2:] == ["['its second disk is dying']", "[None]"]


def test_copies_of_guests(here: Here, web: Any, driver: Any, run: Any, run_program: Any) -> None:
    web(power_on=True, nics=[Nic(network="default")])
    try:
        state, *cards = run_program("clone", here)
    finally:
        run(driver.destroy, virt.InstanceRef(uuid=virt.stable_uuid("web-2")))
    assert state == "web-2 running"
    assert len(set(cards)) == 2


def test_images_on_the_host(here: Here, debian: None, daemon: Any, run_program: Any) -> None:
    with virt.connect("libvirt", uri=daemon.uri, pool="nova-virt", owner=OWNER) as compute:
        compute.prune_images()  # other tests leave images
    assert run_program("images", here) == ["[True]", "1"]


def test_snapshot(here: Here, web: Any, native: Any, run_program: Any) -> None:
    web(power_on=True)
    try:
        assert run_program("snapshot", here) == ["qcow2", "nova-virt/web-golden"]
    finally:
        native.storagePoolLookupByName("nova-virt").storageVolLookupByName("web-golden").delete(0)


def test_metrics(here: Here, web: Any, run_program: Any) -> None:
    web(power_on=True)
    assert run_program("metrics", here) == ["True ['vda']", "running (booted) True"]


def test_resize(here: Here, web: Any, run_program: Any) -> None:
    web()
    assert run_program("resize", here) == ["1", "2"]


def test_power(here: Here, web: Any, run_program: Any) -> None:
    web(power_on=True)
    assert run_program("power", here) == ["paused", "suspended", "shutdown"]


def test_older_machine(here: Here, run_program: Any, native: Any) -> None:
    assert run_program("older", here) == ["running"]
    assert not native.listAllDomains(0)


def test_first_boot_data(here: Here, debian: None, run_program: Any, native: Any) -> None:
    assert run_program("first_boot", here) == ["fresh running"]
    assert not native.listAllDomains(0)


def test_config_drive(here: Here, debian: None, run_program: Any, native: Any) -> None:
    assert run_program("config_drive", here) == ["moved running"]
    assert not native.listAllDomains(0)


def test_processors_of_its_own(here: Here, run_program: Any, native: Any) -> None:
    assert run_program("pinned", here | {'cpu_dedicated_set="2-3"': 'cpu_dedicated_set="0-1"'}) == ["2 of 2"]
    assert not native.listAllDomains(0)

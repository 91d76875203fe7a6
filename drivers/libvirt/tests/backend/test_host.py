"""The host: what it can, what it has, where things go, and what doctor says of it."""

import json
import os
import time
from collections.abc import Callable, Iterator
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import libvirt
import pytest
from lxml.builder import E

from nova_virt_api.capability import Feature
from nova_virt_api.driver.health_check import Check
from nova_virt_api.errors import ConfigError, InvalidSpec, Unavailable
from nova_virt_api.model.device import DeviceKind
from nova_virt_api.model.identity import InstanceRef
from nova_virt_api.model.place import PoolFeature
from nova_virt_libvirt.driver import LibvirtDriver
from nova_virt_libvirt.host import acceleration

MAC = "52:54:00:12:34:56"
MakeDriver = Callable[..., LibvirtDriver]
MakeGuest = Callable[..., InstanceRef]


def test_capabilities_answer_for_the_host(driver: LibvirtDriver) -> None:
    found = driver.capabilities()
    assert (found.driver, found.backend) == ("libvirt", "QEMU")
    assert found.backend_version.count(".") == 2
    assert found.has(Feature.CLOUD_INIT)
    assert driver.capabilities(driver.nodes()[0].name).answers == found.answers
    with pytest.raises(InvalidSpec):
        driver.capabilities("elsewhere")


def test_inventory_counts_guests_that_are_on(driver: LibvirtDriver, blank: MakeGuest) -> None:
    before = {each.resource_class: each for each in driver.inventory().resources}
    blank("off")
    blank("on", on=True)
    inventory = driver.inventory()
    after = {each.resource_class: each for each in inventory.resources}
    assert after.keys() == {"VCPU", "MEMORY_MB", "DISK_GB"}
    assert (after["VCPU"].used or 0) - (before["VCPU"].used or 0) == 1
    assert (after["MEMORY_MB"].used or 0) - (before["MEMORY_MB"].used or 0) == 16
    assert after["VCPU"].total == os.cpu_count()
    assert abs((inventory.uptime_seconds or 0) - float(Path("/proc/uptime").read_text().split()[0])) < 60
    assert (inventory.node,) == driver.nodes()
    assert "HW_ARCH_X86_64" in inventory.traits


def test_pools_and_networks_are_told_with_state_and_features(driver: LibvirtDriver, native: Any) -> None:
    native.storagePoolDefineXML("<pool type='dir'><name>asleep</name><target><path>/tmp/asleep</path></target></pool>")
    native.networkDefineXML("<network><name>asleep</name><bridge name='virbr9'/></network>")
    try:
        pools = {pool.name: pool for pool in driver.storage_pools()}
        networks = {network.name: network for network in driver.networks()}
    finally:
        native.storagePoolLookupByName("asleep").undefine()
        native.networkLookupByName("asleep").undefine()
    assert pools["nova-virt"].available
    assert PoolFeature.OVERLAY in pools["nova-virt"].features
    assert (pools["nova-virt"].free_bytes or 0) > 0
    assert not pools["asleep"].available
    assert pools["asleep"].free_bytes is None
    assert pools["nova-virt"].id == native.storagePoolLookupByName("nova-virt").UUIDString()
    assert (networks["default"].kind, networks["default"].available) == ("nat", True)
    assert (networks["asleep"].kind, networks["asleep"].available) == ("isolated", False)


@pytest.fixture
def lease(daemon: Any) -> Iterator[Callable[[str], None]]:
    """Writes a lease where libvirt's lease helper does, as if the guest had asked for it."""
    path = daemon.directory / "lib" / "dnsmasq" / "virbr0.status"

    def write(address: str) -> None:
        entry = {"ip-address": address, "mac-address": MAC, "expiry-time": int(time.time()) + 3600}
        path.write_text(json.dumps([entry]))

    yield write
    path.unlink()


def test_addresses_come_from_leases_of_running_guests(
    driver: LibvirtDriver,
    blank: MakeGuest,
    lease: Callable[[str], None],
    op: Any,
    eventually: Callable[..., None],
) -> None:
    card = E.interface(E.mac(address=MAC), E.source(network="default"), type="network")
    guest = blank("leased", devices=(card,))
    lease("192.168.122.77")
    assert driver.instance(guest, fresh=True).addresses == ()  # it is off
    driver.power_on(guest, op)
    (address,) = driver.instance(guest, fresh=True).addresses or ()
    assert (address.ip, address.mac, address.network) == (ip_address("192.168.122.77"), MAC, "default")
    first = driver.instances()
    assert driver.instances() == first
    assert driver.instances()[0] is first[0]
    lease("192.168.122.78")
    eventually(lambda: str((driver.instances()[0].addresses or ("",))[0]) == "192.168.122.78", "the new lease is told")


def test_a_warm_listing_asks_each_network_once_a_second(
    driver: LibvirtDriver, blank: MakeGuest, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    ask = libvirt.virNetwork.DHCPLeases

    def count(network: Any, *more: Any) -> Any:
        asked.append(network.name())
        return ask(network, *more)

    monkeypatch.setattr(libvirt.virNetwork, "DHCPLeases", count)
    for number in range(3):
        card = E.interface(E.source(network="default"), type="network")
        blank(f"on-{number}", on=True, devices=(card,))
    begun = time.monotonic()
    for _ in range(50):
        driver.instances()
    assert 1 <= len(asked) <= 2 + int(time.monotonic() - begun)


def test_kvm_is_chosen_only_if_a_guest_starts_with_it(
    driver: LibvirtDriver, native: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(acceleration, "_proven", {})
    listed = driver.host.emulator().virt_types
    assert "qemu" in listed
    reason = acceleration.why_no_kvm(native, "this host", listed)
    chosen = acceleration.choose("auto", native, "this host", listed)
    assert chosen == ("kvm" if reason is None else "qemu")
    assert (reason is None) is starts_with_kvm(native)
    assert acceleration.choose("kvm", native, "this host", listed) == "kvm"
    assert "lists no KVM" in (acceleration.why_no_kvm(native, "other", listed - {"kvm"}) or "")
    assert [domain.name() for domain in native.listAllDomains(0)] == []


def starts_with_kvm(native: Any) -> bool:
    try:
        native.createXML(
            "<domain type='kvm'><name>kvm</name><memory unit='MiB'>16</memory><vcpu>1</vcpu>"
            "<os><type arch='x86_64' machine='q35'>hvm</type></os><cpu mode='host-passthrough'/></domain>"
        ).destroy()
    except libvirt.libvirtError:
        return False
    return True


def test_a_host_is_probed_once(driver: LibvirtDriver, native: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    probes: list[Any] = []
    monkeypatch.setattr(acceleration, "_proven", {})
    monkeypatch.setattr(acceleration, "probe", probes.append)
    listed = frozenset({"kvm", "qemu"})
    assert [acceleration.choose("auto", native, host, listed) for host in ("a", "a", "b")] == ["kvm"] * 3
    assert len(probes) == 2


def named(checks: list[Check]) -> dict[str, Check]:
    return {check.name: check for check in checks}


def test_doctor_finds_a_good_endpoint_good(make_driver: MakeDriver) -> None:
    checks = named(list(make_driver(opened=False).doctor()))
    assert checks.keys() == {"socket", "daemon", "KVM", "firmware", "network", "storage pool"}
    assert all(check.ok for check in checks.values()), checks


def test_doctor_says_how_to_mend_what_is_missing(make_driver: MakeDriver, native: Any) -> None:
    network, pool = native.networkLookupByName("default"), native.storagePoolLookupByName("nova-virt")
    network.destroy()
    pool.destroy()
    try:
        checks = named(list(make_driver(opened=False).doctor()))
    finally:
        network.create()
        pool.create()
    assert (checks["network"].ok, checks["storage pool"].ok) == (False, False)
    assert "virsh net-start default" in checks["network"].fix
    assert "virsh pool-start nova-virt" in checks["storage pool"].fix


def test_doctor_works_where_nothing_answers(make_driver: MakeDriver, tmp_path: Path) -> None:
    checks = named(list(make_driver(opened=False, uri=f"qemu+unix:///system?socket={tmp_path}/none").doctor()))
    assert {name: check.ok for name, check in checks.items()} == {"socket": False, "daemon": False}
    assert all("systemctl start libvirtd" in check.fix for check in checks.values())


def test_doctor_looks_for_tls_files(make_driver: MakeDriver, tmp_path: Path) -> None:
    (tmp_path / "cacert.pem").write_text("")
    uri = f"qemu+tls://127.0.0.1:1/system?pkipath={tmp_path}"
    checks = named(list(make_driver(opened=False, uri=uri).doctor()))
    assert checks["TLS authority"].ok
    assert not checks["TLS key"].ok
    assert str(tmp_path / "clientkey.pem") in checks["TLS key"].found
    assert not checks["daemon"].ok


@pytest.mark.parametrize(
    ("uri", "kind"),
    [
        ("qemu+unix:///system?socket=/nowhere", Unavailable),
        ("qemu+tcp://127.0.0.1:1/system", Unavailable),
        ("nonsense:///system", ConfigError),
        ("test:///default", ConfigError),
    ],
)
def test_an_endpoint_that_is_not_there_leaves_nothing_open(
    make_driver: MakeDriver, uri: str, kind: type[Exception]
) -> None:
    driver = make_driver(opened=False, uri=uri)
    with pytest.raises(kind):
        driver.open()
    driver.close()
    with pytest.raises(Unavailable):
        driver.instances()


def test_devices_are_those_of_the_host(driver: LibvirtDriver) -> None:
    found = driver.devices(driver.nodes()[0].id)
    there = {device.address for device in found if device.kind in (DeviceKind.PCI, DeviceKind.VIRTUAL_FUNCTION)}
    assert there == {path.name for path in Path("/sys/bus/pci/devices").iterdir()}
    [processor] = [device for device in found if device.kind is DeviceKind.PROCESSOR]
    [memory] = [device for device in found if device.kind is DeviceKind.MEMORY]
    assert processor.name.startswith(f"{os.cpu_count()} x ")
    assert memory.size_bytes
    for card in (device for device in found if device.kind is DeviceKind.NIC):
        assert Path(f"/sys/class/net/{card.name}/address").read_text().strip() == card.address

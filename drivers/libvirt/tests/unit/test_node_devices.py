"""Node devices as libvirt describes them, also of hardware that few machines have."""

from typing import Any

import libvirt
import pytest
from lxml import etree

from nova_virt_api.model.device import Device, DeviceKind
from nova_virt_libvirt.host.node_devices import definitions, device_of

PCI = """
<device>
  <name>pci_0000_3b_{slot}_{function}</name>
  <path>/sys/devices/pci0000:3a/0000:3a:00.0/0000:3b:{slot}.{function}</path>
  <parent>pci_0000_3a_00_0</parent>
  <driver><name>ixgbe</name></driver>
  <capability type='pci'>
    <class>0x020000</class>
    <domain>0</domain>
    <bus>59</bus>
    <slot>{decimal}</slot>
    <function>{function}</function>
    <product id='0x{product}'>{name}</product>
    <vendor id='0x8086'>Intel Corporation</vendor>
    {more}
    <iommuGroup number='31'><address domain='0x0000' bus='0x3b' slot='0x{slot}' function='0x{function}'/></iommuGroup>
    <numa node='1'/>
    <pci-express><link validity='cap' port='0' speed='8' width='8'/></pci-express>
  </capability>
</device>
"""
FUNCTIONS = """
<capability type='virt_functions' maxCount='63'>
  <address domain='0x0000' bus='0x3b' slot='0x10' function='0x0'/>
</capability>
"""
PART = """
<capability type='phys_function'><address domain='0x0000' bus='0x3b' slot='0x00' function='0x0'/></capability>
<capability type='virt_functions'/>
"""
TYPES = """
<capability type='mdev_types'>
  <type id='nvidia-35'>
    <name>GRID M60-0B</name>
    <deviceAPI>vfio-pci</deviceAPI>
    <availableInstances>16</availableInstances>
  </type>
</capability>
"""


def read(xml: str) -> Device | None:
    return device_of(etree.fromstring(xml))


@pytest.mark.parametrize("more", ["", FUNCTIONS, TYPES, "<capability type='virt_functions' maxCount='63'/>"])
def test_a_pci_device(more: str) -> None:
    xml = PCI.format(slot="00", decimal=0, function=0, product="10fb", name="82599ES 10-Gigabit SFI/SFP+", more=more)
    assert read(xml) == Device(
        id="pci_0000_3b_00_0",
        kind=DeviceKind.PCI,
        name="Intel Corporation 82599ES 10-Gigabit SFI/SFP+",
        vendor="8086",
        product="10fb",
        address="0000:3b:00.0",
        parent="pci_0000_3a_00_0",
        numa_node=1,
    )


def test_a_virtual_function_is_a_part_of_its_card() -> None:
    found = read(PCI.format(slot="10", decimal=16, function=2, product="10ed", name="Virtual Function", more=PART))
    assert found is not None
    assert (found.kind, found.address, found.parent) == (
        DeviceKind.VIRTUAL_FUNCTION,
        "0000:3b:10.2",
        "pci_0000_3b_00_0",
    )


def test_a_card_without_names_and_numa() -> None:
    found = read(
        "<device><name>pci_0000_00_02_0</name><parent>computer</parent><capability type='pci'><class>0x018000</class>"
        "<domain>0</domain><bus>0</bus><slot>2</slot><function>0</function><product id='0x1042'/><vendor id='0x1af4'/>"
        "</capability></device>"
    )
    assert found == Device(
        id="pci_0000_00_02_0",
        kind=DeviceKind.PCI,
        vendor="1af4",
        product="1042",
        address="0000:00:02.0",
        parent="computer",
    )


@pytest.mark.parametrize(
    ("name", "more"),
    [
        ("mdev_3627463d_b7f0_4fea_b468_f1da537d301b", ""),
        (
            "mdev_3627463d_b7f0_4fea_b468_f1da537d301b_0000_3b_00_0",
            "<uuid>3627463d-b7f0-4fea-b468-f1da537d301b</uuid>",
        ),
    ],
)
def test_a_mediated_device(name: str, more: str) -> None:
    xml = f"""
    <device><name>{name}</name><parent>pci_0000_3b_00_0</parent>
      <capability type='mdev'><type id='nvidia-35'/>{more}<iommuGroup number='12'/></capability>
    </device>"""
    assert read(xml) == Device(
        id=name,
        kind=DeviceKind.MEDIATED,
        name="nvidia-35",
        address="3627463d-b7f0-4fea-b468-f1da537d301b",
        parent="pci_0000_3b_00_0",
    )


@pytest.mark.parametrize(("parent", "listed"), [("pci_0000_3b_00_0", True), ("computer", False)])
def test_only_cards_of_hardware_are_listed(parent: str, listed: bool) -> None:
    found = read(
        f"<device><name>net_eth0_00_13_02_b9_f9_d3</name><parent>{parent}</parent><capability type='net'>"
        "<interface>eth0</interface><address>00:13:02:b9:f9:d3</address><capability type='80203'/></capability>"
        "</device>"
    )
    assert (found is not None) is listed
    if found is not None:
        assert (found.kind, found.name, found.address) == (DeviceKind.NIC, "eth0", "00:13:02:b9:f9:d3")


@pytest.mark.parametrize(("kind", "size"), [("disk", 100030242816), ("disk", None), ("cdrom", None)])
def test_disks(kind: str, size: int | None) -> None:
    more = f"<size>{size}</size>" if size else ""
    found = read(
        "<device><name>block_sda_SATA_1</name><parent>pci_0000_00_1f_2_scsi_host_scsi_device_lun0</parent>"
        f"<capability type='storage'><block>/dev/sda</block><bus>ata</bus><drive_type>{kind}</drive_type>"
        f"<model>HTS721010G9SA00</model><vendor>ATA</vendor>{more}</capability></device>"
    )
    if kind != "disk":
        assert found is None
        return
    assert found is not None
    assert (found.kind, found.product, found.address, found.size_bytes) == (
        DeviceKind.DISK,
        "HTS721010G9SA00",
        "/dev/sda",
        size,
    )


def test_what_is_of_no_listed_kind() -> None:
    assert read("<device><name>computer</name><capability type='system'/></device>") is None


class Listed:
    """A ``virNodeDevice`` that may be gone."""

    def __init__(self, code: int | None) -> None:
        self._code = code

    def XMLDesc(self, _flags: int) -> str:  # noqa: N802 - libvirt's name
        if self._code is not None:
            raise failing(self._code)
        return "<device/>"


class Connection:
    """Lists node devices, or cannot."""

    def __init__(self, answer: list[Listed] | int) -> None:
        self._answer = answer

    def listAllDevices(self, _flags: int) -> list[Listed]:  # noqa: N802 - libvirt's name
        if isinstance(self._answer, int):
            raise failing(self._answer)
        return self._answer


def failing(code: int) -> Any:
    error = libvirt.libvirtError("refused")
    error.err = (code, 0, "refused", 2, None, None, None, -1, -1)
    return error


def test_a_device_that_was_taken_out_meanwhile_is_left_out() -> None:
    listed = [Listed(None), Listed(libvirt.VIR_ERR_NO_NODE_DEVICE), Listed(None)]
    assert len(list(definitions(Connection(listed)))) == 2
    with pytest.raises(libvirt.libvirtError):
        list(definitions(Connection([Listed(libvirt.VIR_ERR_INTERNAL_ERROR)])))


def test_a_libvirt_that_cannot_list_devices_has_none() -> None:
    assert list(definitions(Connection(libvirt.VIR_ERR_NO_SUPPORT))) == []
    with pytest.raises(libvirt.libvirtError):
        list(definitions(Connection(libvirt.VIR_ERR_INTERNAL_ERROR)))

"""What of a definition becomes the copy's, what is made anew, and what is left out."""

from typing import Any
from uuid import UUID

import pytest
from lxml import etree

from nova_virt_api.errors import NotSupported
from nova_virt_libvirt.clone.build import own_elements
from nova_virt_libvirt.clone.cpus import dedicated_pins
from nova_virt_libvirt.clone.definition import separate_devices, set_identity

ORIGINAL = UUID("11111111-1111-4111-8111-111111111111")
COPY = UUID("22222222-2222-4222-8222-222222222222")
LOG = "/pool/copy.console.log"


def domain(devices: str = "", more: str = "") -> Any:
    return etree.fromstring(
        f"<domain type='kvm'><name>web</name><uuid>{ORIGINAL}</uuid>{more}<devices>{devices}</devices></domain>"
    )


def separated(devices: str) -> Any:
    """The devices of a copy, as text without spaces between elements."""
    definition = domain(devices)
    separate_devices(definition, ORIGINAL, COPY, LOG)
    return definition.find("devices")


def test_it_is_another_guest() -> None:
    entry = (
        "<sysinfo type='smbios'><system><entry name='uuid'>1</entry><entry name='serial'>7</entry></system></sysinfo>"
    )
    definition = domain(more=f"<genid>33333333-3333-4333-8333-333333333333</genid>{entry}<title>Web</title>")
    set_identity(definition, COPY, "web-2")
    assert (definition.findtext("name"), definition.findtext("uuid")) == ("web-2", str(COPY))
    assert [entry.text for entry in definition.iter("entry")] == [str(COPY), "7"]
    assert definition.find("genid").text is None
    assert definition.findtext("title") == "Web"


def test_firmware_tells_no_guest_that_it_is_the_original() -> None:
    """Nova's guests have their uuid as the machine's serial number, too."""
    system = (
        f"<system><entry name='serial'>{str(ORIGINAL).upper()}</entry><entry name='uuid'>{ORIGINAL}</entry></system>"
    )
    chassis = f"<chassis><entry name='serial'>{ORIGINAL}</entry><entry name='asset'>4711</entry></chassis>"
    definition = domain(more=f"<sysinfo type='smbios'>{system}{chassis}</sysinfo>")
    set_identity(definition, COPY, "web-2")
    assert [entry.text for entry in definition.iter("entry")] == [str(COPY)] * 3 + ["4711"]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("<nvram template='/t.fd'>/var/web_VARS.fd</nvram>", '<nvram template="/t.fd"/>'),
        ("<nvram template='/t.fd' type='file'><source file='/var/web.fd'/></nvram>", '<nvram template="/t.fd"/>'),
        ("<nvram>/var/web_VARS.fd</nvram>", ""),
        ("", ""),
    ],
)
def test_firmware_gets_variables_of_its_own(before: str, after: str) -> None:
    definition = domain(more=f"<os><type>hvm</type><loader>/c.fd</loader>{before}</os>")
    set_identity(definition, COPY, "web-2")
    text = etree.tostring(definition.find("os"), encoding="unicode")
    assert text == f"<os><type>hvm</type><loader>/c.fd</loader>{after}</os>"


def test_what_belongs_to_the_host_is_left_out() -> None:
    left = separated(
        "<hostdev mode='subsystem' type='pci'/>"
        "<interface type='hostdev'><mac address='52:54:00:00:00:01'/></interface>"
        "<filesystem type='mount'><source dir='/srv'/></filesystem>"
        "<input type='passthrough' bus='virtio'><source evdev='/dev/input/event1'/></input>"
        "<input type='evdev'><source dev='/dev/input/event2'/></input>"
        "<lease><lockspace>a</lockspace><key>b</key><target path='/leases'/></lease>"
        "<disk type='file' device='disk'><source file='/s'/><target dev='vdb'/><shareable/></disk>"
        "<disk type='file' device='disk'><source file='/r'/><target dev='vdc'/><readonly/></disk>"
        "<disk type='block' device='lun'><source dev='/dev/sdb'/><target dev='sda'/></disk>"
        f"<disk type='file' device='cdrom'><source file='/pool/{ORIGINAL}.seed.iso'/><target dev='sda'/></disk>"
        "<memballoon model='virtio'/>"
    )
    assert [device.tag for device in left] == ["memballoon"]


def test_drives_lose_their_medium() -> None:
    (drive,) = separated("<disk type='block' device='cdrom'><source dev='/dev/sr0'/><target dev='sda'/></disk>")
    assert etree.tostring(drive, encoding="unicode") == '<disk type="file" device="cdrom"><target dev="sda"/></disk>'


def test_cards_have_addresses_and_ports_of_their_own() -> None:
    first, second = separated(
        "<interface type='bridge'><mac address='52:54:00:00:00:01'/><source bridge='br0'/><target dev='tap7'/>"
        "<virtualport type='openvswitch'><parameters interfaceid='1' profileid='p'/></virtualport>"
        "<filterref filter='clean-traffic'><parameter name='IP' value='192.0.2.7'/><parameter name='X' value='1'/>"
        "</filterref><portForward proto='tcp'><range start='2022' to='22'/></portForward><model type='virtio'/>"
        "</interface>"
        "<interface type='network'><source network='default'/></interface>"
    )
    macs = [card.find("mac").get("address") for card in (first, second)]
    assert len({*macs, "52:54:00:00:00:01"}) == 3
    assert first.find("target") is None
    assert first.find("portForward") is None
    assert dict(first.find("virtualport/parameters").attrib) == {"profileid": "p"}
    assert [one.get("name") for one in first.iterfind("filterref/parameter")] == ["X"]
    assert (first.find("source").get("bridge"), first.find("model").get("type")) == ("br0", "virtio")


def test_other_ends_are_of_its_own() -> None:
    serial, console, log, agent, other = separated(
        f"<serial type='pty'><log file='/pool/{ORIGINAL}.console.log' append='on'/><target port='0'/></serial>"
        "<console type='pty'><log file='/var/log/mine'/><target type='serial'/></console>"
        "<serial type='file'><source path='/var/log/web'/><target port='1'/></serial>"
        "<channel type='unix'><source mode='bind' path='/a'/><target type='virtio' name='org.qemu.guest_agent.0'/>"
        "</channel>"
        "<channel type='unix'><source mode='bind' path='/b'/><target type='virtio' name='com.example'/></channel>"
    )
    assert serial.find("log").get("file") == LOG
    assert console.find("log") is None
    assert [(one.get("type"), one.find("source")) for one in (log, agent, other)] == [
        ("pty", None),
        ("unix", None),
        ("pty", None),
    ]


def test_screens_have_ports_and_no_password_of_another() -> None:
    vnc, free = separated(
        "<graphics type='vnc' port='5907' autoport='no' passwd='hunter2'/>"
        "<graphics type='spice' autoport='yes' passwdValidTo='2030-01-01T00:00:00'/>"
    )
    assert (vnc.get("port"), vnc.get("autoport"), free.get("autoport")) == (None, "yes", "yes")
    for screen in (vnc, free):
        assert screen.get("passwd") not in (None, "hunter2")
        assert screen.get("passwdValidTo") < "2000"


@pytest.mark.parametrize(
    ("devices", "said"),
    [
        ("<memory model='nvdimm'><source><path>/dev/pmem</path></source></memory>", "a file or device of its host"),
        ("<tpm><backend type='passthrough'/></tpm>", "own TPM"),
        ("<tpm><backend type='external'/></tpm>", "a TPM that another program keeps"),
        ("<disk device='disk'><source file='/a'><slices/></source><target dev='vda'/></disk>", "a part of a file"),
        ("<disk device='disk'><encryption format='luks'/><source file='/a'/><target dev='vda'/></disk>", "encrypted"),
        ("<disk device='disk'><source file='/a'/><target dev='vda'/><shareable/></disk>", "not its own alone"),
    ],
)
def test_what_can_have_no_copy(devices: str, said: str) -> None:
    with pytest.raises(NotSupported, match=said):
        own_elements(domain(devices))


def test_an_encrypted_volume_of_a_storage_service_is_only_left_out() -> None:
    mine = "<disk device='disk'><source file='/a'/><target dev='vda'/></disk>"
    volume = "<disk device='disk'><source file='/b'><encryption format='luks'/></source><target dev='vdb'/>"
    (disk,) = own_elements(domain(f"{mine}{volume}<alias name='ua-nv-b'/></disk>"))
    assert disk.find("source").get("file") == "/a"


def test_a_tpm_keeps_its_state_elsewhere() -> None:
    (tpm,) = separated("<tpm><backend type='emulator' version='2.0'><source type='dir' path='/tpm'/></backend></tpm>")
    assert tpm.find("backend/source") is None


def test_processors_of_its_own_are_told_from_others() -> None:
    definition = domain(
        more="<cputune><vcpupin vcpu='0' cpuset='2'/><vcpupin vcpu='1' cpuset='0-3'/>"
        "<vcpupin vcpu='2' cpuset='5'/></cputune>"
    )
    assert [pin.get("vcpu") for pin in dedicated_pins(definition, frozenset({2, 3}))] == ["0"]

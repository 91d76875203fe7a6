"""Where a host keeps the state of a guest's firmware and TPM, by what its libvirt would start QEMU with."""

import shlex
from typing import Any
from uuid import UUID

import pytest

from nova_virt_api.errors import StorageError
from nova_virt_libvirt.kept_files import TPM, VARIABLES, KeptFile, bare, kept_files
from nova_virt_libvirt.resize.definition import parsed, text_of

UUID_OF_GUEST = UUID("11111111-2222-3333-4444-555555555555")
KEY = '{"qom-type":"secret","id":"masterKey0","format":"raw","file":"%s/domain--1-web/master-key.aes"}'
CODE = '{"driver":"file","filename":"/usr/share/OVMF/OVMF_CODE.fd","node-name":"libvirt-pflash0-storage"}'
STORE = '{"driver":"file","filename":"%s","node-name":"libvirt-pflash1-storage"}'
NVRAM = '<nvram template="/t.fd">/n/web.fd</nvram>'
GUEST = """<domain type="kvm"><name>web</name><uuid>11111111-2222-3333-4444-555555555555</uuid>
<metadata><mark/></metadata><memory unit="GiB">64</memory><vcpu>8</vcpu>
<cputune><vcpupin vcpu="0" cpuset="3"/></cputune>
<os firmware="efi"><type machine="q35">hvm</type><nvram template="/t.fd">/n/web.fd</nvram><smbios mode="sysinfo"/></os>
<features><acpi/><smm state="on"/><hyperv/></features><cpu mode="host-passthrough"/>
<devices><emulator>/usr/bin/qemu</emulator><disk/><interface/>
<tpm model="tpm-crb"><backend type="emulator" version="2.0"/></tpm></devices></domain>"""


class Host:
    """A libvirt that would start QEMU with these words."""

    def __init__(self, *words: str) -> None:
        self._words = words
        self.asked = 0

    def domainXMLToNative(self, kind: str, definition: str, flags: int) -> str:  # noqa: N802
        """The command, as libvirt quotes it."""
        assert (kind, flags) == ("qemu-argv", 0)
        assert "<domain" in definition
        self.asked += 1
        return "LC_ALL=C /usr/bin/qemu " + " ".join(map(shlex.quote, self._words))


def found(host: Any, text: str = GUEST) -> list[KeptFile]:
    return list(kept_files(host, bare(parsed(text)), UUID_OF_GUEST))


@pytest.mark.parametrize(
    ("library", "store", "tpm"),
    [
        ("/var/lib/libvirt/qemu", "/var/lib/libvirt/qemu/nvram", "/var/lib/libvirt/swtpm"),
        ("/root/.config/libvirt/qemu/lib", "/root/.config/libvirt/qemu/nvram", "/root/.config/libvirt/qemu/swtpm"),
    ],
)
@pytest.mark.parametrize("name", ["web_VARS.fd", 'the team\'s "web"_VARS.fd'])
def test_places_of_system_and_session(library: str, store: str, tpm: str, name: str) -> None:
    file = f"{store}/{name}".replace('"', '\\"')
    host = Host("-object", KEY % library, "-blockdev", CODE, "-blockdev", STORE % file)
    assert found(host) == [
        KeptFile(what=VARIABLES, directory=store, name=name),
        KeptFile(what=TPM, directory=f"{tpm}/{UUID_OF_GUEST}/tpm2", name="tpm2-00.permall"),
    ]


def test_old_tpm() -> None:
    host = Host(KEY % "/var/lib/libvirt/qemu", STORE % "/n/web.fd")
    _, file = found(host, GUEST.replace("2.0", "1.2"))
    assert (file.directory.rpartition("/")[2], file.name) == ("tpm1.2", "tpm-00.permall")


def test_host_that_does_not_say_where_tpms_are() -> None:
    with pytest.raises(StorageError, match="TPM"):
        found(Host("-object", "secret,id=masterKey0,file=/lib/domain--1-web/master-key.aes", STORE % "/n/web.fd"))


@pytest.mark.parametrize("loader", ["", '<loader type="pflash">/usr/share/OVMF/OVMF_CODE.fd</loader>'])
def test_host_that_does_not_say_where_variables_are(loader: str) -> None:
    guest = GUEST if not loader else GUEST.replace(' firmware="efi"', "").replace(NVRAM, loader)
    with pytest.raises(StorageError, match="variables"):
        found(Host("-object", KEY % "/lib", "-drive", "if=pflash,unit=1,file=/n/web.fd"), guest)


@pytest.mark.parametrize("loader", ['stateless="yes" type="pflash"', 'type="rom"'])
def test_firmware_without_variables(loader: str) -> None:
    guest = GUEST.replace(NVRAM, f"<loader {loader}>/usr/share/OVMF/OVMF.fd</loader>")
    assert [file.what for file in found(Host("-object", KEY % "/lib/qemu/x"), guest)] == [TPM]


def test_guest_without_either_is_not_asked_about() -> None:
    host = Host()
    plain = GUEST.replace(' firmware="efi"', "").replace(NVRAM, "")
    assert found(host, plain.replace("emulator", "passthrough")) == []
    assert host.asked == 0


def test_bare_machine_has_what_decides_about_firmware_and_nothing_else() -> None:
    definition = parsed(GUEST)
    machine = bare(definition)
    assert {child.tag for child in machine} == {"name", "uuid", "metadata", "os", "features", "memory", "devices"}
    assert [child.tag for child in machine.find("os")] == ["type", "nvram"]
    assert [child.tag for child in machine.find("features")] == ["acpi", "smm"]
    assert [child.tag for child in machine.find("devices")] == ["emulator", "tpm", "memballoon"]
    assert machine.find("metadata/mark") is not None
    assert text_of(definition) == text_of(parsed(GUEST))

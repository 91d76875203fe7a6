"""What agents say through libvirt, in our words."""

from ipaddress import ip_interface

import libvirt
import pytest

from nova_virt_api.errors import BackendError, Busy, GuestAgentUnavailable, VirtError
from nova_virt_api.model.guest_info import GuestFilesystem, GuestInfo, GuestInterface, GuestOs, GuestUser
from nova_virt_libvirt.agent.guest_agent import agent_error
from nova_virt_libvirt.agent.info import guest_info
from nova_virt_libvirt.agent.quiesced import Quiesced


def test_nothing_told_is_nothing_known() -> None:
    assert guest_info({}) == GuestInfo()


def test_groups_that_are_empty_are_known_to_be() -> None:
    told = guest_info({"user.count": 0, "fs.count": 0, "if.count": 0})
    assert (told.users, told.filesystems, told.interfaces) == ((), (), ())


def test_all_that_is_told_is_read() -> None:
    assert guest_info(
        {
            "hostname": "web",
            "os.id": "debian",
            "os.name": "Debian GNU/Linux",
            "os.pretty-name": "Debian GNU/Linux 13 (trixie)",
            "os.version-id": "13",
            "os.kernel-release": "6.12.0-cloud-amd64",
            "os.machine": "x86_64",
            "timezone.name": "CET",
            "timezone.offset": 3600,
            "user.count": 1,
            "user.0.name": "Ann",
            "user.0.domain": "OFFICE",
            "user.0.login-time": 1600000000123,
            "if.count": 2,
            "if.0.name": "lo",
            "if.0.hwaddr": "00:00:00:00:00:00",
            "if.0.addr.count": 0,
            "if.1.name": "eth0",
            "if.1.hwaddr": "52:54:00:AB:CD:EF",
            "if.1.addr.count": 2,
            "if.1.addr.0.type": "ipv4",
            "if.1.addr.0.addr": "192.0.2.7",
            "if.1.addr.0.prefix": 24,
            "if.1.addr.1.type": "ipv6",
            "if.1.addr.1.addr": "fe80::1%eth0",
            "if.1.addr.1.prefix": 64,
            "fs.count": 2,
            "fs.0.name": "vda1",
            "fs.0.mountpoint": "/",
            "fs.0.fstype": "ext4",
            "fs.0.total-bytes": 1000,
            "fs.0.used-bytes": 900,
            "fs.1.mountpoint": "/boot",
        }
    ) == GuestInfo(
        hostname="web",
        os=GuestOs(
            id="debian",
            name="Debian GNU/Linux 13 (trixie)",
            version="13",
            kernel="6.12.0-cloud-amd64",
            machine="x86_64",
        ),
        time_zone="CET",
        utc_offset_seconds=3600,
        users=(GuestUser(name="Ann", since=1600000000.123, domain="OFFICE"),),
        interfaces=(
            GuestInterface(name="lo"),
            GuestInterface(
                name="eth0",
                mac="52:54:00:ab:cd:ef",
                addresses=(ip_interface("192.0.2.7/24"), ip_interface("fe80::1/64")),
            ),
        ),
        filesystems=(
            GuestFilesystem(mountpoint="/", kind="ext4", size_bytes=1000, used_bytes=900),
            GuestFilesystem(mountpoint="/boot"),
        ),
    )


@pytest.mark.parametrize(
    ("code", "text", "kind"),
    [
        (libvirt.VIR_ERR_AGENT_UNRESPONSIVE, "Guest agent is not responding", GuestAgentUnavailable),
        (libvirt.VIR_ERR_ARGUMENT_UNSUPPORTED, "QEMU guest agent is not configured", GuestAgentUnavailable),
        (
            libvirt.VIR_ERR_INTERNAL_ERROR,
            "unable to execute QEMU agent command 'guest-set-user-password': The command guest-set-user-password has"
            " been disabled for this instance",
            GuestAgentUnavailable,
        ),
        (
            libvirt.VIR_ERR_INTERNAL_ERROR,
            "unable to execute QEMU agent command 'guest-set-user-password': child process has failed",
            BackendError,
        ),
        (libvirt.VIR_ERR_OPERATION_TIMEOUT, "cannot acquire state change lock (held by agent=x)", Busy),
    ],
)
def test_errors_of_agents(code: int, text: str, kind: type[VirtError]) -> None:
    error = libvirt.libvirtError("failed")
    error.err = (code, libvirt.VIR_FROM_QEMU, text, libvirt.VIR_ERR_ERROR, "", None, None, -1, -1)
    found = agent_error(error, "ask the guest")
    assert type(found) is kind
    assert found.hint


@pytest.mark.parametrize(("text", "note"), [("7", Quiesced(7)), ("", None), ("-1", None), ("seven", None)])
def test_note_of_a_quiesced_guest(text: str, note: Quiesced | None) -> None:
    assert Quiesced.decode(text) == note
    assert note is None or note.encode() == text

"""Consoles and what guests print."""

import pytest

import nova_virt_api as virt
from nova_virt_api.fake.guest import LOG_LIMIT
from nova_virt_api.fake.switches import Switches


def test_a_guest_prints_the_same_at_each_boot(fake_compute: virt.Compute, web: virt.Instance) -> None:
    first = fake_compute.console_log(web)
    assert first.decode().splitlines() == [
        f"[    0.000000] fake-bios: web ({web.uuid}), boot 1",
        "[    0.100000] fake-bios: 2 vCPU, 2048 MiB",
        f"[    0.200000] disk0: {web.uuid}-disk0",
        f"[    0.300000] eth0: {web.uuid}-nic0",
        "",
        "web login: ",
    ]
    fake_compute.reboot(web)
    assert fake_compute.console_log(web) == first + first.replace(b"boot 1", b"boot 2")
    fake_compute.power_off(web)
    assert fake_compute.console_log(web, max_bytes=7) == b"login: \n"[-7:]


def test_a_guest_that_never_ran_has_printed_nothing(fake_compute: virt.Compute) -> None:
    spec = virt.InstanceSpec(uuid=virt.stable_uuid("off"), name="off", memory_bytes=2**30, power_on=False)
    assert fake_compute.console_log(fake_compute.spawn(spec)) == b""


def test_the_log_keeps_its_end(fake_compute: virt.Compute, fake_switches: Switches, web: virt.Instance) -> None:
    fake_switches.outside.print(web, *(f"line {number}" for number in range(20000)))
    log = fake_compute.console_log(web, max_bytes=2**20)
    assert len(log) == LOG_LIMIT
    assert log.endswith(b"line 19999\n")


def test_a_foreign_guest_has_no_log(fake_compute: virt.Compute, fake_switches: Switches) -> None:
    uuid = fake_switches.outside.add_guest("db")
    with pytest.raises(virt.NotSupported):
        fake_compute.console_log(uuid)


def test_consoles_have_addresses_and_tickets(fake_compute: virt.Compute, web: virt.Instance) -> None:
    vnc = fake_compute.console(web, virt.ConsoleKind.VNC)
    assert isinstance(vnc, virt.TcpConsole)
    assert (vnc.host, vnc.port, vnc.expires_seconds) == ("fake-host", 5901, 120.0)
    assert vnc.ticket is not None
    assert vnc.ticket.reveal() not in repr(vnc)
    fake_compute.reboot(web)
    again = fake_compute.console(web, virt.ConsoleKind.VNC)
    assert isinstance(again, virt.TcpConsole)
    assert again.ticket != vnc.ticket
    assert fake_compute.console(web, virt.ConsoleKind.SERIAL) == virt.PtyConsole(node="fake-host", path="/dev/pts/1")
    with pytest.raises(virt.NotSupported, match="spice"):
        fake_compute.console(web, virt.ConsoleKind.SPICE)

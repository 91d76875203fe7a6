"""Consoles of real guests: tickets that open and tickets that do not, and logs."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from lxml.builder import E

from nova_virt_api.errors import InvalidState, NotSupported, PermissionDenied
from nova_virt_api.model.console import ConsoleKind, PtyConsole, TcpConsole
from nova_virt_api.model.identity import InstanceRef
from nova_virt_libvirt.driver import LibvirtDriver

MakeGuest = Callable[..., InstanceRef]


def screen(kind: str) -> Any:
    return E.graphics(
        E.listen(type="address", address="127.0.0.1"),
        type=kind,
        port="-1",
        autoport="yes",
        passwd="nobody-1",
        passwdValidTo="1970-01-01T00:00:01",
    )


def test_a_vnc_console_has_a_fresh_ticket_each_time(driver: LibvirtDriver, native: Any, blank: MakeGuest) -> None:
    guest = blank(on=True, devices=(screen("vnc"),))
    first, second = (driver.console(guest, ConsoleKind.VNC) for _ in range(2))
    assert isinstance(first, TcpConsole)
    assert isinstance(second, TcpConsole)
    assert (first.host, first.port >= 5900, first.expires_seconds) == ("127.0.0.1", True, 600.0)
    assert first.ticket is not None
    assert second.ticket is not None
    assert first.ticket != second.ticket
    import libvirt

    xml = native.lookupByUUID(guest.uuid.bytes).XMLDesc(libvirt.VIR_DOMAIN_XML_SECURE)
    assert f"passwd='{second.ticket.reveal()}'" in xml
    assert first.ticket.reveal() not in xml
    assert first.ticket.reveal() not in repr(first)


def test_a_serial_console_is_a_terminal_device(driver: LibvirtDriver, blank: MakeGuest) -> None:
    guest = blank(on=True, devices=(E.serial(type="pty"),))
    console = driver.console(guest, ConsoleKind.SERIAL)
    assert isinstance(console, PtyConsole)
    assert console.path.startswith("/dev/pts/")
    assert console.node == driver.nodes()[0].name


def test_consoles_that_are_not_there_are_refused(driver: LibvirtDriver, blank: MakeGuest) -> None:
    off, bare, another = blank("off"), blank("bare", on=True), blank("another", owner="somebody", on=True)
    with pytest.raises(InvalidState):
        driver.console(off, ConsoleKind.VNC)
    for kind in (ConsoleKind.VNC, ConsoleKind.SPICE):
        with pytest.raises(NotSupported, match="no"):
            driver.console(bare, kind)
    with pytest.raises(PermissionDenied):
        driver.console(another, ConsoleKind.SERIAL)


@pytest.fixture
def log_volume(native: Any, daemon: Any) -> Any:
    """An empty volume for a console log."""
    pool = native.storagePoolLookupByName("nova-virt")
    volume = pool.createXML(
        "<volume><name>test.console.log</name><capacity>0</capacity><target><format type='raw'/></target></volume>"
    )
    yield volume
    volume.delete()


def test_a_console_log_is_read_to_its_end(driver: LibvirtDriver, blank: MakeGuest, log_volume: Any, op: Any) -> None:
    path = log_volume.path()
    guest = blank(devices=(E.serial(E.log(file=path, append="on"), type="pty"),))
    assert driver.console_log(guest, 1000) == b""  # never started, nothing written
    driver.power_on(guest, op)
    with Path(path).open("ab") as log:  # a guest without operating system is silent; virtlogd appends as well
        log.write(b"0123456789" * 100_000)
        log.write(b"the end\n")
    assert driver.console_log(guest, 8) == b"the end\n"
    assert driver.console_log(guest, 10) == b"89the end\n"
    whole = driver.console_log(guest, 10_000_000)
    assert whole == b"0123456789" * 100_000 + b"the end\n"


def test_a_guest_without_a_log_has_none(driver: LibvirtDriver, blank: MakeGuest, tmp_path: Path) -> None:
    bare = blank("bare")
    elsewhere = blank("elsewhere", devices=(E.serial(E.log(file=str(tmp_path / "log")), type="pty"),))
    for guest in (bare, elsewhere):
        with pytest.raises(NotSupported):
            driver.console_log(guest, 1000)

"""Consoles of real guests: tickets that open and tickets that do not, and logs."""

import os
import select
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from statistics import median
from typing import Any

import libvirt
import pytest
from lxml.builder import E

from nova_virt_api.errors import InvalidState, NotSupported, PermissionDenied, Timeout
from nova_virt_api.model.console import ConsoleKind, PtyConsole, TcpConsole
from nova_virt_api.model.identity import InstanceRef
from nova_virt_api.model.instance import HEALTHY
from nova_virt_libvirt.driver import LibvirtDriver
from nova_virt_libvirt.health import SILENT_MILLISECONDS
from nova_virt_libvirt.rig.processes import standing_still

MakeGuest = Callable[..., InstanceRef]
PATIENCE = SILENT_MILLISECONDS / 1000
"""Seconds for which a guest that hangs is waited for."""


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
    xml = native.lookupByUUID(guest.uuid.bytes).XMLDesc(libvirt.VIR_DOMAIN_XML_SECURE)
    assert f"passwd='{second.ticket.reveal()}'" in xml
    assert first.ticket.reveal() not in xml
    assert first.ticket.reveal() not in repr(first)


@pytest.fixture
def knock(daemon: Any) -> Iterator[Callable[[TcpConsole, str], str]]:
    """Knocks at a screen with a ticket: ``taken`` or ``refused``."""
    script = Path(__file__).with_name("screen_client.py")
    command = ["nsenter", "-t", str(daemon.inside), "-n", sys.executable, str(script)]
    client = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert client.stdin is not None
    assert client.stdout is not None

    def knock(console: TcpConsole, ticket: str) -> str:
        client.stdin.write(f"{console.kind.value} {console.host} {console.port} {ticket}\n")  # type: ignore[union-attr]
        client.stdin.flush()  # type: ignore[union-attr]
        return client.stdout.readline().strip()  # type: ignore[union-attr]

    yield knock
    client.stdin.close()
    client.wait(60)
    client.stdout.close()


@pytest.mark.parametrize("kind", [ConsoleKind.VNC, ConsoleKind.SPICE], ids=lambda kind: kind.value)
def test_a_screen_opens_to_its_guests_last_ticket_alone(
    kind: ConsoleKind,
    driver: LibvirtDriver,
    make_driver: Any,
    blank: MakeGuest,
    knock: Any,
    eventually: Any,
    caplog: Any,
) -> None:
    caplog.set_level(0)
    guest = blank("one", on=True, devices=(screen(kind.value),))
    other = blank("two", on=True, devices=(screen(kind.value),))
    first = tcp(driver.console(guest, kind))
    assert knock(first, "nobody-1") == "refused"
    assert knock(first, revealed(first)) == "taken"
    second, others = tcp(driver.console(guest, kind)), tcp(driver.console(other, kind))
    assert (second.host, second.port) == (first.host, first.port) != (others.host, others.port)
    assert knock(second, revealed(first)) == "refused"
    assert knock(second, revealed(others)) == "refused"
    assert knock(others, revealed(second)) == "refused"
    assert knock(second, revealed(second)) == "taken"
    brief = make_driver(console_ticket_seconds=1)
    expiring = tcp(brief.console(guest, kind))
    assert expiring.expires_seconds == 1.0
    eventually(lambda: knock(expiring, revealed(expiring)) == "refused", "the ticket has expired")
    for console in (first, second, others, expiring):
        assert revealed(console) not in f"{console!r}{console}{caplog.text}"


@pytest.mark.parametrize("kind", [ConsoleKind.VNC, ConsoleKind.SPICE], ids=lambda kind: kind.value)
def test_a_screen_that_takes_no_tickets_has_none(
    kind: ConsoleKind, driver: LibvirtDriver, blank: MakeGuest, native: Any
) -> None:
    open_to_all = E.graphics(E.listen(type="address", address="127.0.0.1"), type=kind.value, port="-1", autoport="yes")
    guest = blank(on=True, devices=(open_to_all,))
    console = tcp(driver.console(guest, kind))
    assert (console.ticket, console.expires_seconds) == (None, None)


@pytest.mark.timeout(120)
def test_guests_that_hang_are_told_in_time_and_hold_up_no_other(
    driver: LibvirtDriver, blank: MakeGuest, op: Any, eventually: Any
) -> None:
    """libvirtd serves a client five requests at a time: so many consoles of guests that hang would stop all others."""
    hung = [blank(f"hung-{number}", on=True, devices=(screen("vnc"),)) for number in range(6)]
    other = blank("other", on=True, devices=(screen("vnc"),))

    def refused(guest: InstanceRef) -> str:
        with pytest.raises(Timeout) as caught:
            driver.console(guest, ConsoleKind.VNC)
        assert "mode=HARD" in caught.value.hint
        return caught.value.message

    with ExitStack() as until_over, ThreadPoolExecutor(len(hung)) as askers:
        for guest in hung:
            until_over.enter_context(standing_still(guest.uuid))
        begun = time.monotonic()
        asking = [askers.submit(refused, guest) for guest in hung]
        rounds: list[float] = []
        while not all(answer.done() for answer in asking):
            before = time.monotonic()
            assert isinstance(driver.console(other, ConsoleKind.VNC), TcpConsole)
            driver.pause(other, op)
            driver.unpause(other, op)
            rounds.append(time.monotonic() - before)
        assert median(rounds) < 1.0, rounds
        assert time.monotonic() - begun < 3 * PATIENCE
        assert all("no answer for" in answer.result() for answer in asking)
        # libvirt was asked some moments after the waiting began: it may have to wait as much longer
        eventually(lambda: driver.instance(hung[0]).health != HEALTHY, "libvirt's books show that it hangs")
        begun = time.monotonic()
        assert "does not answer its monitor" in refused(hung[0])
        assert time.monotonic() - begun < PATIENCE / 2
    eventually(lambda: driver.instance(hung[0], fresh=True).health == HEALTHY, "it is well again")
    assert isinstance(driver.console(hung[0], ConsoleKind.VNC), TcpConsole)


def test_a_guest_that_is_restarted_meanwhile_is_not_taken_for_another(
    driver: LibvirtDriver, native: Any, blank: MakeGuest, knock: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The port that it had is another guest's by then, whose screen may be open to everybody."""
    guest, other = blank("one", on=True, devices=(screen("vnc"),)), blank("two", devices=(screen("vnc"),))
    first, second = (native.lookupByUUID(each.uuid.bytes) for each in (guest, other))
    update = libvirt.virDomain.updateDeviceFlags

    def restarted(*arguments: Any) -> Any:
        first.destroy()
        second.create()
        first.create()
        return update(*arguments)

    monkeypatch.setattr(libvirt.virDomain, "updateDeviceFlags", restarted)
    console = tcp(driver.console(guest, ConsoleKind.VNC))
    assert f"port='{console.port}'" in first.XMLDesc(0)
    assert f"port='{console.port}'" not in second.XMLDesc(0)
    assert knock(console, revealed(console)) == "taken"


def tcp(console: object) -> TcpConsole:
    """A screen."""
    assert isinstance(console, TcpConsole)
    return console


def revealed(console: TcpConsole) -> str:
    """A screen's ticket."""
    assert console.ticket is not None
    return console.ticket.reveal()


def test_a_serial_console_speaks(driver: LibvirtDriver, native: Any, daemon: Any, blank: MakeGuest) -> None:
    guest = blank(devices=(E.serial(type="pty"),))
    domain = native.lookupByUUID(guest.uuid.bytes)
    xml = domain.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE)
    native.defineXML(xml.replace("<boot dev='hd'/>", "<boot dev='hd'/><bios useserial='yes'/>"))
    domain.createWithFlags(libvirt.VIR_DOMAIN_START_PAUSED)
    console = driver.console(guest, ConsoleKind.SERIAL)
    assert isinstance(console, PtyConsole)
    terminal = os.open(f"/proc/{daemon.inside}/root{console.path}", os.O_RDWR | os.O_NOCTTY)
    try:
        domain.resume()
        said = b""
        while b"SeaBIOS" not in said:
            assert select.select([terminal], [], [], 60.0)[0], f"it said {said!r} and no more"
            said += os.read(terminal, 4096)
    finally:
        os.close(terminal)


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
        with pytest.raises(NotSupported, match=f"no {kind.value} screen"):
            driver.console(bare, kind)
    seen = blank("seen", on=True, devices=(E.graphics(type="vnc", autoport="yes"),))
    with pytest.raises(NotSupported, match="no spice screen") as caught:
        driver.console(seen, ConsoleKind.SPICE)
    assert caught.value.hint == "ask for vnc"
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

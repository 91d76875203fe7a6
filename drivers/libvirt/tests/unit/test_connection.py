"""Opening and losing connections, with libvirt's own test driver, which needs no daemon."""

import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import libvirt
import pytest

from nova_virt_api.errors import AuthenticationFailed, ConfigError, Timeout, Unavailable
from nova_virt_api.model.secret import Secret
from nova_virt_libvirt.connection import WAKING, Connection

NODE = """
<node>
  <cpu><mhz>1000</mhz><model>x</model><active>1</active><nodes>1</nodes><sockets>1</sockets><cores>1</cores>
    <threads>1</threads></cpu>
  <memory>1048576</memory>
  <auth><user password='right'>somebody</user></auth>
</node>
"""


def options(**changes: Any) -> Any:
    defaults = {
        "uri": "test:///default",
        "username": None,
        "password": None,
        "event_loop": "own",
        "connect_timeout": 10.0,
        "keepalive_interval": 5,
        "keepalive_count": 5,
    }
    return SimpleNamespace(**{**defaults, **changes})


@pytest.fixture
def guarded_uri(tmp_path: Path) -> str:
    """An endpoint that asks for a user name and a password."""
    node = tmp_path / "node.xml"
    node.write_text(NODE)
    return f"test://{node}"


@pytest.mark.parametrize("password", ["right", Secret("right")], ids=["text", "secret"])
def test_credentials_are_given_when_asked_for(guarded_uri: str, password: Any) -> None:
    connection = Connection(options(uri=guarded_uri, username="somebody", password=password))
    connection.open()
    assert connection.native.getType() == "TEST"
    connection.close()


@pytest.mark.parametrize(("username", "password"), [("somebody", "geheim"), ("nobody", "right"), (None, None)])
def test_wrong_credentials_are_told_without_the_password(
    guarded_uri: str, username: str | None, password: str | None
) -> None:
    with pytest.raises(AuthenticationFailed) as caught:
        Connection(options(uri=guarded_uri, username=username, password=password)).open()
    assert "geheim" not in str(caught.value)
    assert "username and password" in caught.value.hint


def test_a_uri_that_means_nothing_names_the_option() -> None:
    with pytest.raises(ConfigError) as caught:
        Connection(options(uri="nonsense:///system")).open()
    assert caught.value.field == "uri"


def test_nothing_is_opened_before_open_and_nothing_after_close() -> None:
    connection = Connection(options())
    assert connection.generation == 0
    connection.open()
    connection.close()
    connection.close()
    with pytest.raises(Unavailable):
        _ = connection.native


class Fragile:
    """A ``virConnect`` whose end can be brought about."""

    def __init__(self) -> None:
        self.alive = True
        self.close_callback: Any = None

    def isAlive(self) -> bool:  # noqa: N802 - libvirt's name
        return self.alive

    def registerCloseCallback(self, callback: Any, opaque: Any) -> None:  # noqa: N802
        self.close_callback = callback

    def unregisterCloseCallback(self) -> None:  # noqa: N802
        self.close_callback = None

    def setKeepAlive(self, interval: int, count: int) -> None:  # noqa: N802
        assert (interval, count) in ((5, 5), WAKING)

    def close(self) -> None:
        self.alive = False


@pytest.fixture
def fragile(monkeypatch: pytest.MonkeyPatch) -> list[Fragile]:
    opened: list[Fragile] = []

    def open_auth(uri: str, credentials: Any, flags: int) -> Fragile:
        opened.append(Fragile())
        return opened[-1]

    monkeypatch.setattr(libvirt, "openAuth", open_auth)
    return opened


@pytest.mark.parametrize("told", [True, False], ids=["by callback", "at use"])
def test_a_lost_connection_is_reopened_and_told_once(fragile: list[Fragile], told: bool) -> None:
    opened: list[Any] = []
    lost: list[str] = []
    connection = Connection(options(), opened=opened.append, lost=lost.append)
    connection.open()
    assert connection.native is fragile[0]
    heard = fragile[0].close_callback
    fragile[0].alive = False
    if told:
        heard(None, libvirt.VIR_CONNECT_CLOSE_REASON_EOF, None)
    assert connection.native is fragile[1]
    heard(None, libvirt.VIR_CONNECT_CLOSE_REASON_EOF, None)  # late, or a second time
    assert connection.native is fragile[1]
    assert (opened, len(lost), connection.generation) == (fragile, 1, 2)
    assert fragile[0].close_callback is None  # libvirt holds nothing of it any more
    connection.close()
    assert len(lost) == 1


def test_many_who_want_a_connection_share_one_attempt(monkeypatch: pytest.MonkeyPatch) -> None:
    attempts: list[int] = []
    go_on = threading.Event()

    def open_auth(uri: str, credentials: Any, flags: int) -> Fragile:
        attempts.append(1)
        assert go_on.wait(10)
        return Fragile()

    monkeypatch.setattr(libvirt, "openAuth", open_auth)
    connection = Connection(options())
    found: list[Any] = []
    threads = [threading.Thread(target=lambda: found.append(connection.native)) for _ in range(10)]
    for thread in threads:
        thread.start()
    go_on.set()
    for thread in threads:
        thread.join(10)
    assert (len(attempts), len(found), len(set(map(id, found)))) == (1, 10, 1)


def test_an_endpoint_that_does_not_answer_is_unavailable_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    go_on = threading.Event()
    late = Fragile()

    def open_auth(uri: str, credentials: Any, flags: int) -> Fragile:
        assert go_on.wait(10)
        return late

    monkeypatch.setattr(libvirt, "openAuth", open_auth)
    connection = Connection(options(connect_timeout=0.1))
    with pytest.raises(Unavailable, match=r"has not answered for 0\.1 seconds"):
        connection.open()
    connection.close()
    attempt = next(thread for thread in threading.enumerate() if thread.name == "nova-virt-libvirt-connect")
    go_on.set()
    attempt.join(10)
    assert not late.alive  # what came too late was closed


def test_what_timed_out_while_connecting_is_told_as_it_was(fragile: list[Fragile]) -> None:
    """Our error for that is a ``TimeoutError``, as is that of waiting for the attempt; they are not the same."""

    def refuse(_: Any) -> None:
        raise Timeout("look at the hypervisor")

    connection = Connection(options(), opened=refuse)
    with pytest.raises(Timeout, match="look at the hypervisor"):
        connection.open()
    connection.close()


def test_remote_endpoints_are_lost_by_silence_and_those_here_are_not(
    fragile: list[Fragile], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A libvirtd on this machine is asked all the same, each second: its answers wake calls that were overlooked."""
    asked: list[tuple[int, int]] = []
    monkeypatch.setattr(Fragile, "setKeepAlive", lambda self, interval, count: asked.append((interval, count)))
    Connection(options(uri="qemu:///system")).open()
    assert asked == [WAKING]
    Connection(options(uri="qemu+tls://box/system")).open()
    assert asked[1:] == [(5, 5)]


def run_program(program: str) -> str:
    """What a fresh process prints: the event loop is the process's, and cannot be taken back."""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


def test_our_loop_is_started_once_and_nothing_is_printed() -> None:
    out = run_program(
        """
import threading, libvirt
from nova_virt_libvirt import event_loop
assert not event_loop.is_registered()
for _ in range(3): event_loop.ensure("own")
assert event_loop.is_registered()
assert [t.name for t in threading.enumerate()].count("nova-virt-libvirt-events") == 1
fired = threading.Event()
libvirt.virEventAddTimeout(0, lambda *_: fired.set(), None)
assert fired.wait(5)
try: libvirt.open("nonsense:///")
except libvirt.libvirtError: pass
"""
    )
    assert out == ""


def test_an_applications_loop_is_respected() -> None:
    run_program(
        """
import threading, libvirt
from nova_virt_libvirt import event_loop
libvirt.virEventRegisterDefaultImpl()
def run():
    while True: libvirt.virEventRunDefaultImpl()
threading.Thread(target=run, daemon=True, name="application").start()
for who in ("own", "host"): event_loop.ensure(who)
assert "nova-virt-libvirt-events" not in [t.name for t in threading.enumerate()]
"""
    )


def test_an_asyncio_loop_of_the_application_is_respected() -> None:
    run_program(
        """
import asyncio, threading, libvirtaio
from nova_virt_libvirt import event_loop
async def main():
    libvirtaio.virEventRegisterAsyncIOImpl()
    await asyncio.to_thread(event_loop.ensure, "own")
    assert "nova-virt-libvirt-events" not in [t.name for t in threading.enumerate()]
asyncio.run(main())
"""
    )


def test_a_missing_or_idle_loop_of_the_application_is_told() -> None:
    run_program(
        """
import libvirt
from nova_virt_api.errors import Unavailable
from nova_virt_libvirt import event_loop
event_loop.PATIENCE = 0.1
try: event_loop.ensure("host")
except Unavailable as error: assert "no libvirt event loop is registered" in str(error)
else: raise SystemExit("a loop that is not there was taken for one")
libvirt.virEventRegisterDefaultImpl()
try: event_loop.ensure("own")
except Unavailable as error: assert "does not run" in str(error)
else: raise SystemExit("a loop that does not run was taken for one")
"""
    )


def test_who_joined_an_attempt_that_failed_tries_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    connection = Connection(options())
    opened, asked = Connection._connect, Connection._current_attempt
    attempts, joined, both = [], [], threading.Event()

    def connect(self: Connection) -> Any:
        attempts.append(self)
        if len(attempts) > 1:
            return opened(self)
        assert both.wait(10)
        raise libvirt.libvirtError("away")

    def ask(self: Connection) -> Any:
        found = asked(self)
        joined.append(found)
        if len(joined) == 2:
            both.set()
        return found

    monkeypatch.setattr(Connection, "_connect", connect)
    monkeypatch.setattr(Connection, "_current_attempt", ask)
    with ThreadPoolExecutor(2) as pool:
        callers = [pool.submit(lambda: connection.native) for _ in range(2)]
        outcomes = [type(caller.exception()) for caller in callers]
    assert set(outcomes) == {Unavailable, type(None)}
    assert len(attempts) == 2
    assert connection.native.getType() == "TEST"
    connection.close()

"""A real agent in a real guest: what it does there, and what becomes of others when it hangs."""

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import libvirt
import libvirt_qemu
import pytest

from nova_virt_api.errors import BackendError, Busy, GuestAgentUnavailable
from nova_virt_api.model.cloud_init import CloudInit
from nova_virt_api.model.disk import Blank, Disk
from nova_virt_api.model.image import LocalFile, LocalTarget
from nova_virt_api.model.instance import Instance, PowerState
from nova_virt_api.model.quiesce import Quiesce
from nova_virt_api.model.record import Phase
from nova_virt_api.model.secret import Secret
from nova_virt_api.model.spec import InstanceUpdate
from nova_virt_api.model.units import GiB, MiB
from nova_virt_libvirt.claims.records import Records
from nova_virt_libvirt.metadata import read_mark
from nova_virt_libvirt.names import claim_key
from nova_virt_libvirt.places import Places

WITH_DATA = """#!/bin/sh
mke2fs /dev/vdb >/dev/null && mkdir /data && mount -t ext4 /dev/vdb /data
"""
OWNER = "nova-virt-tests"
STATUS = '{"execute": "guest-fsfreeze-status"}'
PASSWORD = "correct horse"
IS_THE_PASSWORD = f"""
kept=$(sed -n 's/^root:\\([^:]*\\).*/\\1/p' /etc/shadow); salt=${{kept#\\$6\\$}}
[ "$kept" = "$(mkpasswd -m sha512 -S "${{salt%%\\$*}}" '{PASSWORD}')" ] && echo it opens-$((40 + 2))
"""


class Inside:
    """Somebody at the guest's serial console."""

    def __init__(self, driver: Any, native: Any, guest: Instance, eventually: Callable[..., None]) -> None:
        self._driver = driver
        self._eventually = eventually
        self.guest = guest
        self.domain = native.lookupByUUID(guest.uuid.bytes)

    def type(self, line: str, until: str) -> None:
        """Type a line, and wait for what it answers."""
        stream = self.domain.connect().newStream(0)
        self.domain.openConsole(None, stream, libvirt.VIR_DOMAIN_CONSOLE_FORCE)
        stream.send(f"{line}\n".encode())
        self.sees(until)
        stream.abort()

    def sees(self, text: str, seconds: float = 60.0) -> None:
        """Wait for a text on the console."""

        def is_there() -> bool:
            return text in self._driver.console_log(self.guest.ref, 1024**2).decode(errors="replace")

        self._eventually(is_there, f"the console says {text!r}", seconds)

    def at_rest(self) -> bool:
        """What the agent says of the file systems."""
        return "frozen" in str(libvirt_qemu.qemuAgentCommand(self.domain, STATUS, 10, 0))


@pytest.fixture
def inside(
    guest_image: Path, spawn: Any, make_spec: Any, driver: Any, native: Any, eventually: Callable[..., None]
) -> Inside:
    """A guest that has booted, with a file system on its second disk, and somebody at its console."""
    spec = make_spec(
        name="web",
        memory_bytes=MiB(128),
        disks=[
            Disk(source=LocalFile(guest_image), size_bytes=GiB(1)),
            Disk(source=Blank(), size_bytes=MiB(16)),
        ],
        cloud_init=CloudInit(user_data=WITH_DATA, hostname="inside"),
        power_on=True,
    )
    guest = spawn(spec, timeout=200.0)
    inside = Inside(driver, native, guest, eventually)
    inside.sees("nova-virt-guest: ready", 150.0)
    eventually(lambda: driver.instance(guest.ref, fresh=True).agent, "its agent is connected", 60.0)
    return inside


@pytest.mark.timeout(300)
def test_life_of_an_agent(
    inside: Inside, spawn: Any, make_spec: Any, driver: Any, run: Any, run_program: Any, daemon: Any, tmp_path: Path
) -> None:
    """All of it in one guest, as a boot takes its time."""
    check_told(inside, driver)
    check_page(daemon, run_program)
    check_password(inside, driver, run)
    check_rest(inside, driver, run, LocalTarget(tmp_path / "disk.qcow2"))
    check_hung(inside, spawn(make_spec(power_on=True)), driver, run)
    check_gone(inside, driver, run)


def check_told(inside: Inside, driver: Any) -> None:
    told = driver.guest_info(inside.guest.ref)
    assert told.hostname == "inside"
    assert [(each.mountpoint, each.kind) for each in told.filesystems] == [("/data", "ext4")]
    assert told.filesystems[0].used_bytes < told.filesystems[0].size_bytes < MiB(16)


def check_page(daemon: Any, run_program: Any) -> None:
    """The guide's program is run as it stands there, but for the address."""
    ours = f'uri="{daemon.uri}", pool="nova-virt", owner="{OWNER}"'
    first, data, last = run_program("agent", {'uri="qemu:///system"': ours})
    assert (first, data.split()[0], last) == ("inside nova-virt test guest", "/data", "qcow2")


def check_password(inside: Inside, driver: Any, run: Any) -> None:
    """What the guest keeps is the password, and of another user's it says why there is none."""
    ref = inside.guest.ref
    run(driver.set_password, ref, Secret(PASSWORD))
    inside.type(IS_THE_PASSWORD.replace("\n", "; ").strip("; "), "it opens-42")
    with pytest.raises(BackendError) as caught:
        run(driver.set_password, ref, Secret(PASSWORD), user="nobody-here")
    assert caught.value.hint
    assert PASSWORD not in str(caught.value)


def check_rest(inside: Inside, driver: Any, run: Any, target: LocalTarget) -> None:
    """A snapshot leaves a guest at rest that was so, unless the one who wanted it is gone."""
    ref = inside.guest.ref
    run(driver.quiesce, ref)
    assert inside.at_rest()
    assert driver.guest_info(ref).hostname is None  # an agent says almost nothing while its guest is at rest
    run(driver.snapshot, ref, target, quiesce=Quiesce.REQUIRED)
    assert inside.at_rest()
    run(driver.unquiesce, ref)
    assert not inside.at_rest()

    inside.domain.fsFreeze()  # as a snapshot does whose process dies then
    run(driver.snapshot, ref, target)
    assert not inside.at_rest()
    mark = read_mark(inside.domain)
    assert mark is not None
    assert not mark.notes


def check_hung(inside: Inside, other: Instance, driver: Any, run: Any) -> None:
    """Its methods fail soon, whatever the deadline; verbs of this guest and of others do not wait for it."""
    ref = inside.guest.ref
    inside.type("killall -STOP qemu-ga; echo stopped-$((40 + 2))", "stopped-42")
    ended: list[str] = []

    def ask() -> None:
        with pytest.raises(GuestAgentUnavailable):
            driver.guest_info(ref)
        ended.append("asked")

    asking = threading.Thread(target=ask)  # libvirt itself gives the agent five seconds
    asking.start()
    run(driver.pause, other.ref)
    run(driver.update, ref, InstanceUpdate(labels={"agent": "hangs"}))
    ended.append("paused")
    asking.join()
    assert ended == ["paused", "asked"]
    with pytest.raises(GuestAgentUnavailable):
        run(driver.quiesce, ref)
    inside.type("killall -CONT qemu-ga; echo goes on-$((40 + 2))", "goes on-42")
    assert driver.guest_info(ref).hostname == "inside"
    assert not inside.at_rest()


def check_gone(inside: Inside, driver: Any, run: Any) -> None:
    """The guest itself is well."""
    ref = inside.guest.ref
    inside.type("killall -KILL qemu-ga; echo killed-$((40 + 2))", "killed-42")
    with pytest.raises(GuestAgentUnavailable):
        run(driver.set_password, ref, Secret(PASSWORD))
    assert driver.instance(ref, fresh=True).power_state is PowerState.RUNNING


def test_it_is_not_brought_to_rest_while_somebody_works_on_it(
    spawn: Any, make_spec: Any, driver: Any, native: Any, run: Any
) -> None:
    """What would be written down could be lost to whoever writes the guest's mark at the same time."""
    guest = spawn(make_spec(power_on=True))
    records = Records(Places(native, "nova-virt").records_pool(), driver.host.uuid)
    chain = records.read(claim_key(guest.uuid))
    assert chain is not None
    assert chain.claim is not None
    hold = records.succeed(chain, chain.claim.record)
    assert hold is not None
    try:
        with pytest.raises(Busy):
            run(driver.quiesce, guest.ref, timeout=5.0)
    finally:
        hold.settle(Phase.READY)
    with pytest.raises(GuestAgentUnavailable):
        run(driver.quiesce, guest.ref)

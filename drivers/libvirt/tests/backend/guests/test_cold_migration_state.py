"""Moving stopped guests with what libvirt keeps of them beside their disks: UEFI variables and the state of a TPM."""

import json
import signal
import struct
import subprocess
import sys
import uuid
from pathlib import Path
from typing import Any, Final

import libvirt
import pytest
from lxml import etree
from lxml.builder import E

from nova_virt_api.errors import Cancelled, MigrationError
from nova_virt_api.model.disk import Disk
from nova_virt_api.model.image import LocalFile
from nova_virt_api.model.instance import Lifecycle, PowerOff, PowerState
from nova_virt_api.model.size import Size
from nova_virt_api.model.spec import Firmware
from nova_virt_api.model.ticket import Ticket
from nova_virt_api.model.tpm import Tpm, TpmVersion
from nova_virt_api.model.units import GiB, MiB
from nova_virt_libvirt import peers
from nova_virt_libvirt.names import opened_directory_name
from nova_virt_libvirt.resize import host_state
from nova_virt_libvirt.storage import opened_directory

OWNER: Final = "nova-virt-tests"
EACH: Final = 3
"""Not at each step, but before one and after another in turns."""

SCRIPT: Final = Path(__file__).with_name("resizing_process.py")
GLOBAL_VARIABLE: Final = uuid.UUID("8be4df61-93ca-11d2-aa0d-00e098032b8c")
ADDED: Final = 0x3F
"""State of a variable that is neither deleted nor about to be replaced."""


class State:
    """What one host keeps of a guest, seen from outside.

    Args:
        daemon: the host's libvirtd.
        guest: the guest.
    """

    def __init__(self, daemon: Any, guest: Any) -> None:
        self.variables: Path = daemon.directory / "lib" / "qemu" / "nvram" / f"{guest.name}_VARS.fd"
        self.tpm_home: Path = daemon.directory / "lib" / "swtpm" / str(guest.uuid)

    @property
    def tpm(self) -> Path:
        """The file of its TPM."""
        (found,) = self.tpm_home.glob("*/*.permall")
        return found

    def read(self) -> tuple[bytes, bytes]:
        """Content of both."""
        return self.variables.read_bytes(), self.tpm.read_bytes()

    def exists(self) -> bool:
        """Whether there is anything of it."""
        return self.variables.exists() or self.tpm_home.exists()


def as_in_another_process(ticket: Ticket) -> Ticket:
    """The ticket after it was carried as text, and without what this process knows of the source."""
    peers.OPEN.clear()
    return Ticket.decode(ticket.encode())


def variable(name: str, data: bytes) -> bytes:
    """A variable as UEFI's firmware of virtual machines stores it (authenticated variables, EDK2)."""
    encoded = f"{name}\0".encode("utf-16-le")
    head = struct.pack("<HBBIQ16sIII", 0x55AA, ADDED, 0, 7, 0, bytes(16), 0, len(encoded), len(data))
    return head + GLOBAL_VARIABLE.bytes_le + encoded + data


def add_variable(path: Path, name: str, data: bytes) -> None:
    """Write a variable behind the last one of a store."""
    content = bytearray(path.read_bytes())
    store_size, place = struct.unpack_from("<I", content, 72 + 16)[0], 72 + 28  # behind the volume's and store's heads
    while content[place : place + 2] == b"\xaa\x55":
        lengths = struct.unpack_from("<II", content, place + 36)
        place = (place + 60 + sum(lengths) + 3) & ~3
    new = variable(name, data)
    assert set(content[place : place + len(new)]) == {0xFF}
    assert place + len(new) < store_size
    content[place : place + len(new)] = new
    path.write_bytes(content)


def variable_states(path: Path, name: str) -> set[int]:
    """States of all variables of this name that are in a store."""
    content, encoded = path.read_bytes(), f"{name}\0".encode("utf-16-le")
    places = [at for at in range(len(content)) if content.startswith(encoded, at)]
    return {content[at - 60 + 2] for at in places if content[at - 60 : at - 58] == b"\xaa\x55"}


@pytest.fixture
def ends(daemon: Any, far: Any) -> Any:
    """Gives what both hosts keep of a guest."""
    return lambda guest: (State(daemon, guest), State(far, guest))


@pytest.fixture
def closed(native: Any, far_native: Any) -> Any:
    """Tells whether no host has a directory open."""
    natives = (native, far_native)
    return lambda: all([pool.name() for pool in one.listAllStoragePools(0)] == ["nova-virt"] for one in natives)


@pytest.fixture
def kept(spawn: Any, make_spec: Any, driver: Any, run: Any, daemon: Any) -> Any:
    """Makes guests with UEFI and TPM that were on once; both hold what no new ones do."""

    def make(**fields: Any) -> Any:
        wanted = {"firmware": Firmware.UEFI, "memory_bytes": MiB(64), "tpm": Tpm(), "power_on": True} | fields
        guest = spawn(make_spec(**wanted))
        run(driver.power_off, guest.ref, mode=PowerOff.HARD, grace_seconds=0)
        return guest

    return make


@pytest.mark.parametrize("version", TpmVersion)
def test_variables_and_tpm_arrive_as_they_are(
    version: TpmVersion, kept: Any, driver: Any, destination: Any, run: Any, ends: Any, closed: Any, traces: Any
) -> None:
    guest = kept(tpm=Tpm(version=version))
    near, there = ends(guest)
    near.variables.write_bytes(near.variables.read_bytes()[:-1] + b"\x5a")
    before = near.read()
    ticket = run(driver.prepare_resize, guest.ref, Size(memory_bytes=MiB(80)))
    for _ in range(2):
        moved = run(destination.finish_resize, as_in_another_process(ticket))
    assert (moved.lifecycle, moved.power_state) == (Lifecycle.READY, PowerState.SHUTDOWN)
    assert (there.read(), near.read()) == (before, before)
    assert there.tpm.stat().st_mode & 0o777 == near.tpm.stat().st_mode & 0o777
    assert closed()
    run(destination.power_on, guest.ref)
    assert there.variables.read_bytes() == before[0]
    run(driver.confirm_resize, guest.ref)
    assert not traces.of(guest.uuid)
    assert not near.exists()
    assert run(destination.destroy, guest.ref)
    assert not there.exists()


def test_revert_gives_the_source_its_own_back(
    kept: Any, driver: Any, destination: Any, run: Any, ends: Any, closed: Any
) -> None:
    guest = kept(secure_boot=True)
    near, there = ends(guest)
    before = near.read()
    ticket = run(driver.prepare_resize, guest.ref, Size())
    run(destination.finish_resize, as_in_another_process(ticket))
    there.variables.write_bytes(bytes(len(before[0])))
    assert run(destination.destroy, guest.ref)
    run(driver.revert_resize, guest.ref)
    assert near.read() == before
    assert not there.exists()
    run(driver.power_on, guest.ref)
    assert near.variables.read_bytes() == before[0]
    assert closed()


@pytest.mark.timeout(300)
def test_system_starts_from_the_variables_that_it_wrote(
    kept: Any, driver: Any, destination: Any, run: Any, ends: Any, guest_image: Path, eventually: Any
) -> None:
    """What is to be started next is a variable that the firmware takes notice of and deletes when it starts."""
    disks = [Disk(source=LocalFile(guest_image), size_bytes=GiB(2))]
    guest = kept(disks=disks, memory_bytes=MiB(256))
    near, there = ends(guest)
    add_variable(near.variables, "BootNext", b"\x00\x00")
    add_variable(near.variables, "Ours", b"written before the move")
    ticket = run(driver.prepare_resize, guest.ref, Size())
    run(destination.finish_resize, as_in_another_process(ticket))
    assert variable_states(there.variables, "BootNext") == {ADDED}
    run(destination.power_on, guest.ref)
    marker = f"uefi uuid={guest.uuid}"
    eventually(lambda: marker in destination.console_log(guest.ref, 1024**2).decode(), "the system says so", 150.0)
    assert ADDED not in variable_states(there.variables, "BootNext")
    assert ADDED in variable_states(there.variables, "Ours")
    run(driver.confirm_resize, guest.ref)
    assert run(destination.destroy, guest.ref)


def test_place_that_a_definition_names_is_the_sources_alone(
    kept: Any, driver: Any, destination: Any, run: Any, native: Any, ends: Any
) -> None:
    """Definitions name it since libvirt 9.2; on another host, or under another account, it may be elsewhere."""
    guest = kept(tpm=None)
    near, there = ends(guest)
    named = near.variables.rename(near.variables.with_name("elsewhere.fd"))
    named.write_bytes(named.read_bytes()[:-1] + b"\x5a")
    definition: Any = etree.fromstring(native.lookupByUUID(guest.uuid.bytes).XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE))
    definition.find("os").append(E.nvram("/var/lib/libvirt/qemu/nvram/elsewhere.fd"))
    native.defineXML(etree.tostring(definition, encoding="unicode"))
    ticket = run(driver.prepare_resize, guest.ref, Size())
    run(destination.finish_resize, as_in_another_process(ticket))
    assert there.variables.read_bytes() == named.read_bytes()
    run(driver.confirm_resize, guest.ref)
    assert not named.exists()
    assert run(destination.destroy, guest.ref)
    assert not there.exists()


def test_guest_that_never_ran_gets_new_ones(
    spawn: Any, make_spec: Any, driver: Any, destination: Any, run: Any, ends: Any
) -> None:
    guest = spawn(make_spec(firmware=Firmware.UEFI, memory_bytes=MiB(64), tpm=Tpm()))
    ticket = run(driver.prepare_resize, guest.ref, Size())
    run(destination.finish_resize, as_in_another_process(ticket))
    assert not any(state.exists() for state in ends(guest))
    run(destination.power_on, guest.ref)
    run(driver.confirm_resize, guest.ref)
    assert run(destination.destroy, guest.ref)


def test_failure_leaves_nothing_here(
    kept: Any, driver: Any, destination: Any, run: Any, ends: Any, closed: Any, far_files: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    guest = kept()
    near, there = ends(guest)
    before = near.read()
    ticket = run(driver.prepare_resize, guest.ref, Size())

    def stop(*_: Any) -> None:
        raise Cancelled("by a test")

    for name in ("make_anew", "pass_on"):
        with monkeypatch.context() as patched:
            patched.setattr(host_state, name, stop)
            with pytest.raises(Cancelled):
                run(destination.finish_resize, as_in_another_process(ticket))
        assert not there.exists()
        assert not far_files(guest)
        assert closed()
    assert near.read() == before
    assert not destination.leftovers()
    run(driver.revert_resize, guest.ref)


@pytest.mark.parametrize("what", ["variables", "tpm"])
def test_file_that_is_at_the_destination_stays_there(
    what: str, kept: Any, driver: Any, destination: Any, run: Any, ends: Any, closed: Any
) -> None:
    """Somebody kept it, or the hosts share the directory and it is the source's own."""
    guest = kept()
    near, there = ends(guest)
    before, place = near.read(), there.variables
    if what == "tpm":
        place = there.tpm_home / near.tpm.relative_to(near.tpm_home)
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(b"somebody's only copy")
    ticket = run(driver.prepare_resize, guest.ref, Size())
    for _ in range(2):
        with pytest.raises(MigrationError, match="is on this host already") as caught:
            run(destination.finish_resize, as_in_another_process(ticket))
        assert str(place.name) in caught.value.message
        assert "share" in caught.value.hint
    run(destination.destroy, guest.ref)
    run(driver.revert_resize, guest.ref)
    assert (place.read_bytes(), near.read()) == (b"somebody's only copy", before)
    assert closed()
    place.unlink()


def test_variables_in_another_format_are_refused(kept: Any, driver: Any, destination: Any, run: Any, ends: Any) -> None:
    guest = kept(tpm=None)
    near, there = ends(guest)
    length = near.variables.stat().st_size
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", str(near.variables), str(length)], check=True)
    ticket = run(driver.prepare_resize, guest.ref, Size())
    with pytest.raises(MigrationError, match="kept as qcow2, those of the firmware here as raw"):
        run(destination.finish_resize, as_in_another_process(ticket))
    assert not there.exists()
    run(driver.revert_resize, guest.ref)


def test_firmware_with_other_variables_is_refused(
    kept: Any, driver: Any, destination: Any, run: Any, ends: Any
) -> None:
    guest = kept(tpm=None)
    near, there = ends(guest)
    near.variables.write_bytes(bytes(128 * 1024))
    ticket = run(driver.prepare_resize, guest.ref, Size())
    with pytest.raises(MigrationError, match="have 131072 bytes") as caught:
        run(destination.finish_resize, as_in_another_process(ticket))
    assert "same firmware" in caught.value.hint
    assert not there.exists()
    run(driver.revert_resize, guest.ref)


def test_file_of_the_host_in_place_of_a_tpm_stays_there(
    kept: Any, driver: Any, destination: Any, run: Any, ends: Any, tmp_path: Path
) -> None:
    guest = kept(firmware=None)
    near, there = ends(guest)
    secret, place = tmp_path / "secret", near.tpm
    secret.write_text("root's password, longer than the head of a TPM")
    place.unlink()
    place.symlink_to(secret)
    ticket = run(driver.prepare_resize, guest.ref, Size())
    with pytest.raises(MigrationError, match="not written by swtpm"):
        run(destination.finish_resize, as_in_another_process(ticket))
    assert not there.exists()
    run(driver.revert_resize, guest.ref)


def test_tpm_whose_key_its_host_has_is_refused(
    kept: Any, driver: Any, destination: Any, run: Any, native: Any, ends: Any
) -> None:
    guest = kept(firmware=None)
    secret = native.secretDefineXML(f"<secret ephemeral='no' private='yes'><uuid>{uuid.uuid4()}</uuid></secret>")
    domain = native.lookupByUUID(guest.uuid.bytes)
    definition: Any = etree.fromstring(domain.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE))
    definition.find("devices/tpm/backend").append(E.encryption(secret=secret.UUIDString()))
    native.defineXML(etree.tostring(definition, encoding="unicode"))
    try:
        ticket = run(driver.prepare_resize, guest.ref, Size())
        with pytest.raises(MigrationError, match="key only its host knows"):
            run(destination.finish_resize, as_in_another_process(ticket))
        assert not ends(guest)[1].exists()
        run(driver.revert_resize, guest.ref)
    finally:
        secret.undefine()


# --- directories that are open for a moment ---------------------------------------------------------------------------


def test_directory_that_is_a_pool_already_stays_one(
    kept: Any, driver: Any, destination: Any, run: Any, make_pool: Any, ends: Any
) -> None:
    guest = kept(tpm=None)
    theirs = make_pool("theirs", "/var/lib/libvirt/qemu/nvram")
    try:
        ticket = run(driver.prepare_resize, guest.ref, Size())
        run(destination.finish_resize, as_in_another_process(ticket))
        assert theirs.isActive()
    finally:
        theirs.destroy()
    near, there = ends(guest)
    assert there.variables.read_bytes() == near.variables.read_bytes()
    run(driver.confirm_resize, guest.ref)
    assert run(destination.destroy, guest.ref)


def test_directory_that_a_killed_one_left_open_is_shown_to_nobody_and_closed(
    kept: Any, driver: Any, destination: Any, run: Any, make_pool: Any, closed: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(opened_directory, "PATIENCE", 0.5)
    guest = kept(tpm=None)
    for owner in (guest.uuid, uuid.uuid4()):
        make_pool(opened_directory_name(owner), "/var/lib/libvirt/qemu/nvram")
        assert [pool.name for pool in driver.storage_pools()] == ["nova-virt"]
        ticket = run(driver.prepare_resize, guest.ref, Size())
        run(destination.finish_resize, as_in_another_process(ticket))
        assert closed()
        assert run(destination.destroy, guest.ref)
        run(driver.revert_resize, guest.ref)


@pytest.mark.parametrize("verb", ["revert_resize", "destroy"])
def test_directory_left_open_goes_with_the_move(
    verb: str, kept: Any, driver: Any, run: Any, make_pool: Any, closed: Any
) -> None:
    guest = kept(tpm=None)
    run(driver.prepare_resize, guest.ref, Size())
    make_pool(opened_directory_name(guest.uuid), "/var/lib/libvirt/qemu/nvram")
    run(getattr(driver, verb), guest.ref)
    assert closed()


# --- killed -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def killed(daemon: Any, far: Any, near_name: str, tmp_path: Path) -> Any:
    """Finishes a move in a process that is killed at a step; whether it got that far."""
    options = {"uri": far.uri, "peers": {near_name: daemon.uri}}

    def kill(guest: Any, step: int, ticket: Ticket) -> bool:
        asked = {"verb": "finish", "guest": str(guest.uuid), "step": step, "of": "state", "ticket": ticket.encode()}
        asked |= {"owner": OWNER, "home": str(tmp_path), "options": options}
        command = [sys.executable, str(SCRIPT)]
        done = subprocess.run(command, input=json.dumps(asked), text=True, capture_output=True, check=False)
        assert done.returncode in (0, -signal.SIGKILL), done.stderr
        return done.returncode != 0

    return kill


@pytest.mark.timeout(600)
def test_move_killed_at_each_step(
    kept: Any, driver: Any, destination: Any, run: Any, ends: Any, closed: Any, far_files: Any, killed: Any
) -> None:
    """Whatever the destination was killed at, it finishes, or its remains are removed and the source takes over."""
    guest = kept()
    near, there = ends(guest)
    before = near.read()
    step, again = 1, True
    while again:
        ticket = run(driver.prepare_resize, guest.ref, Size())
        again = killed(guest, step, as_in_another_process(ticket))
        if step // EACH % 2:
            run(destination.finish_resize, ticket)
            assert there.read() == before, f"killed at step {step}"
        run(destination.destroy, guest.ref)
        run(driver.revert_resize, guest.ref)
        assert near.read() == before, f"killed at step {step}"
        assert not there.exists(), f"killed at step {step}"
        assert not far_files(guest), f"killed at step {step}"
        assert closed(), f"killed at step {step}"
        step += EACH
    assert step > 5 * EACH
    assert not destination.leftovers()

"""Directories that guests share with their host: what libvirt starts for them, and what stands in their way."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from threading import Barrier, BrokenBarrierError, Thread
from typing import Any

import libvirt
import pytest
from lxml import etree
from lxml.builder import E

from nova_virt_api.capability import Capability, Feature
from nova_virt_api.compute.operation import DriverSide, Operation
from nova_virt_api.driver.endpoint import Manage
from nova_virt_api.errors import (
    Busy,
    InvalidSpec,
    InvalidState,
    MigrationError,
    NotSupported,
    PermissionDenied,
    StorageError,
    VirtError,
)
from nova_virt_api.model.instance import PowerOff, PowerState
from nova_virt_api.model.memory import MemoryBacking
from nova_virt_api.model.share import HostDirectory, Share
from nova_virt_api.model.size import Size
from nova_virt_libvirt.claims.guest_claim import claimed
from nova_virt_libvirt.migration.plan import refuse_tied
from nova_virt_libvirt.places import Places
from nova_virt_libvirt.resize.parts import PartsFromSource
from nova_virt_libvirt.rig.processes import standing_still
from nova_virt_libvirt.shares.filesystems import Filesystems, element_of

CONFIG = libvirt.VIR_DOMAIN_XML_INACTIVE

Run = Callable[..., Any]
Spawn = Callable[..., Any]
NewShare = Callable[[str], Share]


def test_nothing_is_left_of_a_guest_but_its_files(
    driver: Any, run: Run, spawn: Spawn, new_share: NewShare, servers: Any
) -> None:
    shares = [new_share("one"), new_share("two")]
    guest = spawn()
    for share in shares:
        (Path(share.source.path) / "kept").write_text(share.tag)
        run(driver.attach_share, guest, share)
    assert servers.processes() == []
    for _ in range(2):
        run(driver.power_on, guest)
        assert {text.rpartition("=")[2].strip() for text in servers.processes()} == {one.source.path for one in shares}
        assert len(servers.sockets()) == 2
        power_off(driver, run, guest)
        servers.await_end()
    run(driver.power_on, guest)
    run(driver.destroy, guest)
    servers.await_end()
    assert [(Path(share.source.path) / "kept").read_text() for share in shares] == ["one", "two"]


def power_off(driver: Any, run: Run, guest: Any) -> None:
    """Stop a guest that obeys nobody."""
    run(driver.power_off, guest, mode=PowerOff.HARD, grace_seconds=0.0)


def test_a_guest_outlives_its_daemon_with_its_shares(
    driver: Any, run: Run, spawn: Spawn, new_share: NewShare, servers: Any, daemon: Any
) -> None:
    guest, share = spawn(), new_share("one")
    run(driver.attach_share, guest, share)
    run(driver.power_on, guest)
    before = servers.processes()
    daemon.do("restart")
    assert driver.shares(guest) == (share,)
    assert servers.processes() == before
    run(driver.destroy, guest)
    servers.await_end()


def test_a_running_guest_gives_a_share_back(
    driver: Any, run: Run, spawn: Spawn, new_share: NewShare, servers: Any, resets: Any
) -> None:
    guest, first, second = spawn(power_on=True, backing=MemoryBacking(shared=True)), new_share("one"), new_share("two")
    run(driver.attach_share, guest, first)
    run(driver.attach_share, guest, second)
    assert len(servers.sockets()) == 2
    with resets(guest):
        run(driver.detach_share, guest, "one")
    assert driver.shares(guest) == (second,)
    run(driver.detach_share, guest, "one")
    with resets(guest):
        run(driver.detach_share, guest, "two")
    assert driver.shares(guest) == ()
    servers.await_end()


def test_a_guest_that_is_paused_keeps_its_share(
    driver: Any, run: Run, spawn: Spawn, new_share: NewShare, native: Any, definition: Any
) -> None:
    guest, share = spawn(power_on=True, backing=MemoryBacking(shared=True)), new_share("one")
    native.lookupByUUID(guest.uuid.bytes).suspend()
    run(driver.attach_share, guest, share)
    with pytest.raises(StorageError, match="it is paused"):
        run(driver.detach_share, guest, "one")
    assert driver.shares(guest) == (share,)
    assert len(definition(guest, CONFIG).findall("devices/filesystem")) == 1


def test_a_guest_with_memory_of_its_own_is_stopped_first(
    driver: Any, run: Run, spawn: Spawn, new_share: NewShare, definition: Any, servers: Any
) -> None:
    guest, share = spawn(power_on=True), new_share("one")
    before = definition(guest, CONFIG).find("memoryBacking")
    with pytest.raises(InvalidState, match="shutdown") as caught:
        run(driver.attach_share, guest, share)
    assert "MemoryBacking(shared=True)" in caught.value.hint
    assert before is None
    assert definition(guest, CONFIG).find("memoryBacking") is None
    run(driver.detach_share, guest, "one")
    power_off(driver, run, guest)
    run(driver.attach_share, guest, share)
    run(driver.power_on, guest)
    assert definition(guest).find("memoryBacking/access").get("mode") == "shared"
    assert len(servers.sockets()) == 1


@pytest.mark.parametrize("cells", [0, 2])
def test_memory_of_every_kind_is_shared(
    driver: Any, run: Run, spawn: Spawn, new_share: NewShare, native: Any, definition: Any, cells: int
) -> None:
    guest = spawn(vcpus=2)
    root = definition(guest, CONFIG)
    root.append(E.memoryBacking(E.source(type="anonymous"), E.access(mode="private"), E.nosharepages()))
    if cells:
        cell = {"memory": "8192", "unit": "KiB", "memAccess": "private"}
        topology = E.numa(*(E.cell(id=str(index), cpus=str(index), **cell) for index in range(cells)))
        cpu = root.find("cpu")
        cpu = etree.SubElement(root, "cpu") if cpu is None else cpu
        cpu.append(topology)
    native.defineXML(etree.tostring(root, encoding="unicode"))
    run(driver.attach_share, guest, new_share("one"))
    assert definition(guest, CONFIG).find("memoryBacking/nosharepages") is not None
    run(driver.power_on, guest)
    assert [share.tag for share in driver.shares(guest)] == ["one"]


def test_what_lies_outside_or_elsewhere_is_refused(
    driver: Any, run: Run, spawn: Spawn, root: Path, tmp_path: Path
) -> None:
    guest = spawn()
    (root / "out").symlink_to("/etc")
    (root / "down").symlink_to(root / "out")
    (root / "inside" / "deeper").mkdir(parents=True)
    (root / "link").symlink_to(root / "inside")
    for path in ("/etc", str(tmp_path.resolve()), f"{root}-beside", f"{root}/out", f"{root}/down", f"{root}/out/ssl"):
        with pytest.raises(PermissionDenied, match=path):
            run(driver.attach_share, guest, Share(tag="one", source=HostDirectory(path=path)))
    with pytest.raises(StorageError, match="there is no directory"):
        run(driver.attach_share, guest, Share(tag="one", source=HostDirectory(path=f"{root}/missing")))
    for path in (f"{root}/link", f"{root}/link/deeper"):
        with pytest.raises(InvalidSpec, match=f"{root}/inside"):
            run(driver.attach_share, guest, Share(tag="one", source=HostDirectory(path=path)))
    assert driver.shares(guest) == ()
    run(driver.attach_share, guest, Share(tag="one", source=HostDirectory(path=f"{root}/inside/deeper")))
    run(driver.power_on, guest)


def test_directories_in_one_another_are_refused(driver: Any, run: Run, spawn: Spawn, new_share: NewShare) -> None:
    first, second, outer = spawn(), spawn(), new_share("outer")
    inner = new_share("outer/inner")
    beside = new_share("outer-beside")
    run(driver.attach_share, first, outer)
    for guest in (first, second):
        with pytest.raises(PermissionDenied, match=inner.source.path):
            run(driver.attach_share, guest, inner)
    run(driver.attach_share, second, beside)
    run(driver.attach_share, second, outer)
    run(driver.detach_share, first, "outer")
    run(driver.detach_share, second, "outer")
    run(driver.attach_share, first, inner)
    with pytest.raises(PermissionDenied, match=inner.source.path):
        run(driver.attach_share, second, outer)


def test_of_two_who_share_directories_in_one_another_at_once_one_is_refused(
    make_driver: Any, root: Path, run: Run, spawn: Spawn, new_share: NewShare, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each has looked what others share before it attaches; that they attach at the same time is waited for."""
    guests = [spawn(power_on=on, backing=MemoryBacking(shared=True)) for on in (False, True)]
    shares = [new_share("outer"), new_share("outer/inner")]
    drivers = [make_driver(share_directories=[str(root)]) for _ in guests]
    attach, meeting = Filesystems.attach, Barrier(2)

    def together(self: Filesystems, share: Share, parts: int) -> None:
        with suppress(BrokenBarrierError):
            meeting.wait(3.0)
        attach(self, share, parts)

    monkeypatch.setattr(Filesystems, "attach", together)
    with ThreadPoolExecutor(2) as both:
        ended = [
            both.submit(run, driver.attach_share, *what) for driver, *what in zip(drivers, guests, shares, strict=True)
        ]
    errors = [type(each.exception()) for each in ended if each.exception() is not None]
    assert errors == [PermissionDenied]
    assert len([share for guest in guests for share in drivers[0].shares(guest)]) == 1
    assert drivers[0].leftovers() == []


def test_a_share_that_a_running_guest_cannot_have_is_not_kept_for_later(
    driver: Any, run: Run, spawn: Spawn, new_share: NewShare, monkeypatch: pytest.MonkeyPatch
) -> None:
    guest, share = spawn(power_on=True, backing=MemoryBacking(shared=True)), new_share("one")
    attach = Filesystems.attach

    def fail_running(self: Filesystems, share: Share, parts: int) -> None:
        if parts & libvirt.VIR_DOMAIN_AFFECT_LIVE:
            Path(share.source.path).rmdir()  # of which libvirt tells when it starts the server
        attach(self, share, parts)

    monkeypatch.setattr(Filesystems, "attach", fail_running)
    with pytest.raises(StorageError):
        run(driver.attach_share, guest, share)
    assert driver.shares(guest) == ()


def test_what_would_keep_the_memory_names_the_share(
    driver: Any, run: Run, spawn: Spawn, new_share: NewShare, definition: Any
) -> None:
    guest, share = spawn(), new_share("papers")
    run(driver.create_checkpoint, guest, "bare", memory=False)
    run(driver.attach_share, guest, share)
    run(driver.power_on, guest)
    with pytest.raises(NotSupported, match="papers") as caught:
        run(driver.suspend, guest)
    assert caught.value.capability is Capability.SUSPEND
    with pytest.raises(NotSupported, match="papers") as caught:
        run(driver.create_checkpoint, guest, "whole", memory=True)
    assert caught.value.capability is Feature.CHECKPOINT_MEMORY
    with pytest.raises(MigrationError, match="papers"):
        refuse_tied(driver.domains.find(guest), definition(guest))
    assert driver.instance(guest, fresh=True).power_state is PowerState.RUNNING
    assert [point.name for point in driver.checkpoints(guest)] == ["bare"]
    run(driver.create_checkpoint, guest, "disks", memory=False)
    run(driver.revert_to_checkpoint, guest, "disks")
    assert driver.shares(guest) == (share,)


def test_what_would_leave_the_host_names_the_share(
    driver: Any, run: Run, spawn: Spawn, new_share: NewShare, native: Any, definition: Any
) -> None:
    """Also one that a running guest gets when it is started next."""
    guest, share = spawn(power_on=True, backing=MemoryBacking(shared=True)), new_share("papers")
    element = etree.tostring(element_of(share), encoding="unicode")
    native.lookupByUUID(guest.uuid.bytes).attachDeviceFlags(element, libvirt.VIR_DOMAIN_AFFECT_CONFIG)
    domain = driver.domains.find(guest)
    with pytest.raises(MigrationError, match="papers"):
        refuse_tied(domain, definition(guest))
    operation: Operation[Any] = Operation("finish_resize", None, timeout=60.0)
    parts = PartsFromSource(driver.site, Places(native, None), native, guest.uuid, None, DriverSide(operation))
    with pytest.raises(MigrationError, match="papers") as caught:
        parts.definition(etree.tostring(definition(guest, CONFIG), encoding="unicode"), Size(), domain.mark)
    assert "detach" in caught.value.hint


def test_memory_is_not_brought_back_while_a_share_is_used(
    driver: Any, run: Run, spawn: Spawn, new_share: NewShare
) -> None:
    guest, share = spawn(power_on=True, backing=MemoryBacking(shared=True)), new_share("papers")
    run(driver.create_checkpoint, guest, "whole", memory=True)
    run(driver.attach_share, guest, share)
    with pytest.raises(NotSupported, match="papers"):
        run(driver.revert_to_checkpoint, guest, "whole")
    assert driver.shares(guest) == (share,)
    assert driver.instance(guest, fresh=True).power_state is PowerState.RUNNING


def test_guests_without_a_mark_share_too(
    make_driver: Any, root: Path, run: Run, spawn: Spawn, new_share: NewShare, servers: Any
) -> None:
    guest, share = spawn(), new_share("one")
    everybody = make_driver(share_directories=[str(root)], manage=Manage.ALL)
    run(everybody.attach_share, guest, share)
    run(everybody.power_on, guest)
    assert everybody.shares(guest) == (share,)
    assert len(servers.sockets()) == 1
    assert everybody.leftovers() == []


def test_without_the_option_nothing_is_shared(make_driver: Any, run: Run, spawn: Spawn, new_share: NewShare) -> None:
    bare = make_driver()
    answer = bare.capabilities().answers[Capability.SHARES]
    assert not answer.available
    assert "share_directories" in answer.reason
    with pytest.raises(PermissionDenied, match="share_directories"):
        run(bare.attach_share, spawn(), new_share("one"))


def test_a_guest_whose_directory_is_gone_or_a_link_is_not_started(
    driver: Any, run: Run, spawn: Spawn, new_share: NewShare, servers: Any
) -> None:
    guest, share = spawn(), new_share("one")
    run(driver.attach_share, guest, share)
    path = Path(share.source.path)
    path.rmdir()
    with pytest.raises(StorageError, match="start the guest") as caught:
        run(driver.power_on, guest)
    assert "detach the share" in caught.value.hint
    path.symlink_to("/etc")
    with pytest.raises(StorageError, match="start the guest"):
        run(driver.power_on, guest)
    servers.await_end()
    run(driver.detach_share, guest, "one")
    run(driver.power_on, guest)
    assert driver.shares(guest) == ()


def test_a_guest_that_lost_its_server_gives_the_share_back(
    driver: Any, run: Run, spawn: Spawn, new_share: NewShare, servers: Any, resets: Any
) -> None:
    guest, share = spawn(power_on=True, backing=MemoryBacking(shared=True)), new_share("one")
    run(driver.attach_share, guest, share)
    servers.kill()
    assert driver.shares(guest) == (share,)
    with resets(guest):
        run(driver.detach_share, guest, "one")
    servers.await_end()
    run(driver.attach_share, guest, share)
    assert len(servers.sockets()) == 1


@pytest.mark.parametrize("verb", ["attach_share", "detach_share"])
def test_shares_of_a_guest_that_is_worked_on_wait(
    verb: str, driver: Any, run: Run, spawn: Spawn, new_share: NewShare, definition: Any
) -> None:
    """Whoever holds the claim of a guest that is off may be giving it another definition, without the share."""
    guest, first, second = spawn(), new_share("one"), new_share("two")
    run(driver.attach_share, guest, first)
    before = definition(guest, CONFIG).findall("devices/filesystem")
    operation: Operation[Any] = Operation("another verb", None, timeout=60.0)
    assert operation.begin()
    with claimed(driver.site, driver.domains.find(guest), DriverSide(operation)), pytest.raises(Busy):
        run(getattr(driver, verb), guest, second if verb == "attach_share" else "one", timeout=3.0)
    assert len(definition(guest, CONFIG).findall("devices/filesystem")) == len(before) == 1


@pytest.mark.timeout(200)
def test_a_guest_that_stands_still_holds_nobody_up(
    driver: Any, run: Run, spawn: Spawn, new_share: NewShare, servers: Any
) -> None:
    guest, share = spawn(power_on=True, backing=MemoryBacking(shared=True)), new_share("one")
    ended: list[VirtError] = []

    def attach() -> None:
        try:
            run(driver.attach_share, guest, share, timeout=3.0)
        except VirtError as error:
            ended.append(error)

    with standing_still(guest.uuid):
        attaching = Thread(target=attach, daemon=True)
        attaching.start()
        attaching.join(60.0)
        assert not attaching.is_alive()
        assert [error.code for error in ended] == ["timeout"]
    power_off(driver, run, guest)
    servers.await_end()

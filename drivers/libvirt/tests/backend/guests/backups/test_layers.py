"""What changed is known although the disks' layers change: checkpoints are taken, joined and gone back to."""

from collections.abc import Callable
from typing import Any

import libvirt
import pytest

from nova_virt_api.errors import BackupChainBroken
from nova_virt_api.model.backup import BackupPoint
from nova_virt_api.model.instance import PowerOff
from nova_virt_api.model.units import KiB, MiB
from nova_virt_libvirt.checkpoint import revert as checkpoint_revert

LENGTH = KiB(64)
PLACES = tuple(MiB(number) for number in range(1, 9))


class Chain:
    """A full backup's content, and what a reader knows who follows what each later one tells."""

    def __init__(self, driver: Any, guest: Any, begin: Callable[..., Any], run: Callable[..., Any]) -> None:
        self._driver = driver
        self._guest = guest
        self._begin = begin
        self._run = run
        self._known = b""
        self._point: BackupPoint | None = None

    def step(self) -> bool:
        """Make the next backup; whether it is incremental. What a reader knows then is what there is."""
        try:
            session = self._begin(self._guest, self._point)
        except BackupChainBroken:
            session = self._begin(self._guest)
        disk = session.disks[0]
        known = bytearray(self._known if disk.incremental else bytes(disk.size_bytes))
        known += bytes(disk.size_bytes - len(known))
        for extent in self._driver.backup_extents(session, disk.id, 0, disk.size_bytes):
            data = self._driver.read_backup(session, disk.id, extent.offset, extent.length)
            known[extent.offset : extent.offset + extent.length] = data
        there = self._driver.read_backup(session, disk.id, 0, disk.size_bytes)
        self._run(self._driver.finish_backup, self._guest, session)
        assert bytes(known) == there
        self._known, self._point = bytes(known), session.point
        return bool(disk.incremental)


@pytest.fixture
def chain(backups: Any, guest: Any, begin: Any, run: Any) -> Chain:
    return Chain(backups, guest, begin, run)


@pytest.mark.parametrize("off", [False, True])
def test_checkpoint(off: bool, chain: Chain, guest: Any, write: Any, backups: Any, run: Any) -> None:
    def stop() -> None:
        if off:
            run(backups.power_off, guest, mode=PowerOff.HARD, grace_seconds=0.0)

    def start() -> None:
        if off:
            run(backups.power_on, guest)

    seen = []
    write(guest, PLACES[0], 1)
    chain.step()
    write(guest, PLACES[1], 2)
    stop()
    run(backups.create_checkpoint, guest, "a")
    start()
    write(guest, PLACES[2], 3)
    seen.append(chain.step())
    write(guest, PLACES[3], 4)
    stop()
    run(backups.create_checkpoint, guest, "b")
    start()
    write(guest, PLACES[4], 4)
    stop()
    run(backups.delete_checkpoint, guest, "a")
    start()
    write(guest, PLACES[0], 5)
    seen.append(chain.step())
    write(guest, PLACES[5], 6)
    stop()
    run(backups.delete_checkpoint, guest, "b")
    start()
    write(guest, PLACES[6], 6)
    seen.append(chain.step())
    stop()
    run(backups.create_checkpoint, guest, "c")
    start()
    write(guest, PLACES[1], 7)
    seen.append(chain.step())
    write(guest, PLACES[2], 8)
    run(backups.revert_to_checkpoint, guest, "c")
    assert backups.backup_points(guest) == []  # what changed since them is not known any more
    run(backups.power_on, guest)
    write(guest, PLACES[3], 9)
    seen.append(chain.step())
    stop()
    run(backups.delete_checkpoint, guest, "c")
    start()
    seen.append(chain.step())
    assert seen == ([True, True, True, True, False, True] if not off else [False, False, True, False, False, True])


@pytest.mark.parametrize("killed", [False, True])
def test_joined_at_rest(
    killed: bool, chain: Chain, guest: Any, write: Any, backups: Any, run: Any, monkeypatch: Any
) -> None:
    write(guest, PLACES[0], 1)
    chain.step()
    write(guest, PLACES[1], 2)
    if killed:
        run(backups.create_checkpoint, guest, "a")
        write(guest, PLACES[2], 3)
        monkeypatch.setattr(checkpoint_revert.Revert, "_forget_backups", lambda _: None)
        run(backups.revert_to_checkpoint, guest, "a")
    else:
        run(backups.power_off, guest, mode=PowerOff.HARD, grace_seconds=0.0)
        run(backups.create_checkpoint, guest, "a")
    run(backups.power_on, guest)
    write(guest, PLACES[3], 4)
    run(backups.power_off, guest, mode=PowerOff.HARD, grace_seconds=0.0)
    run(backups.delete_checkpoint, guest, "a")
    run(backups.power_on, guest)
    write(guest, PLACES[4], 5)
    assert (chain.step(), chain.step()) == (True, True)


def test_disk_that_grows(chain: Chain, guest: Any, write: Any, native: Any) -> None:
    write(guest, PLACES[0], 1)
    chain.step()
    domain = native.lookupByUUID(guest.uuid.bytes)
    domain.blockResize("vda", MiB(24), libvirt.VIR_DOMAIN_BLOCK_RESIZE_BYTES)
    write(guest, MiB(20), 2)
    write(guest, PLACES[1], 3)
    assert (chain.step(), chain.step()) == (True, True)
